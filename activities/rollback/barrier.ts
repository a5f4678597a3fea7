/** What an open restore keeps others from, and how they say so. */
import path from 'node:path';
import { filesBase } from '../../src/format/config/artifacts.js';
import type { Config } from '../../src/format/config/schema.js';
import { HoldfastError } from '../../src/base/errors.js';
import type { RestorePlan } from '../../src/plan/restore/restore-types.js';
import { mayBeOpen, openOver, type ReplacedSource } from '../../src/plan/rollback/undo-plan.js';
import type { Problem } from '../../src/format/manifest.js';
import type { OpenRestore, RecoveryReport } from './recovery.js';
import { own } from '../../src/base/own.js';

/** What a plan will replace, in the words of restores' records. */
export function plannedThings(config: Config, plan: RestorePlan): ReplacedSource[] {
  return plan.stages.flat().flatMap(({ service: name, sources }) =>
    sources.map(({ source: key }): ReplacedSource => {
      const service = own(config.services, name);
      const source = own(service?.sources ?? {}, key);
      const thing = (target: string | undefined): ReplacedSource => ({
        service: name,
        source: key,
        target: target ?? `${name}/${key}`,
      });
      if (service === undefined || source === undefined) return thing(undefined);
      switch (source.kind) {
        case 'files':
          return thing(filesBase(service, source));
        case 'volume':
          return thing(`volume ${source.volume}`);
        case 'postgres':
          if (source.dataVolume !== undefined) return thing(`volume ${source.dataVolume}`);
          return thing(
            source.dataDirectory === undefined
              ? undefined
              : path.resolve(service.home ?? '/', source.dataDirectory),
          );
      }
    }),
  );
}

/**
 * Restores that are not finished and hold what is to be replaced: putting something over it would
 * make it impossible to say what there was, and be undone when they are taken back.
 * @param mapped the plan is under other names: then only the same places count, not the same sources
 */
export function barriersTo(
  things: readonly ReplacedSource[],
  { open, unknown }: Pick<RecoveryReport, 'open' | 'unknown'>,
  { mapped }: { readonly mapped: boolean },
): HoldfastError[] {
  if (unknown !== undefined) {
    return [
      new HoldfastError('RESTORE_FAILED', `whether a restore is open is not known: ${unknown}`, {
        hint: 'look at .aside below the root of the backups, and at its disk',
      }),
    ];
  }
  const byId = new Map<string, OpenRestore>(open.map((restore) => [restore.restoreId, restore]));
  return openOver(open, things, { byName: !mapped }).map(({ restoreId, setId, replaced }) => {
    const reason = byId.get(restoreId)?.reason;
    const held = replaced.map(({ service, source }) => `${service}/${source}`).join(', ');
    return new HoldfastError(
      'RESTORE_FAILED',
      `restore ${restoreId} of set ${setId} is not finished and holds ${held}: ` +
        (reason === undefined
          ? 'whether its run goes on is not known'
          : `it could not be taken back: ${reason}`),
      {
        facts: { restoreId, setId, reason: reason ?? null },
        hint:
          '`holdfast recover` tries again to take it back; ' +
          `\`holdfast recover --leave ${restoreId}\` closes it as it is and keeps its safety copies`,
      },
    );
  });
}

/** What is the matter with a backup of these services, since a restore of them is open. */
export function problemsOfBackup(
  { open, unreadable, unknown }: Pick<RecoveryReport, 'open' | 'unreadable' | 'unknown'>,
  scope: 'all' | readonly string[],
): Problem[] {
  const inScope = ({ service }: ReplacedSource): boolean =>
    scope === 'all' || scope.includes(service);
  if (unknown !== undefined) {
    const message = `whether a restore is open is not known: ${unknown}`;
    return [{ service: 'restore', source: 'records', code: 'RESTORE_UNREADABLE', message }];
  }
  const found = open.flatMap(({ restoreId, replaced, reason }) =>
    replaced.filter(inScope).map(({ service, source }): Problem => ({
      ...{ service, source, code: 'RESTORE_OPEN' },
      message:
        `restore ${restoreId} is not finished: what was saved may be neither the old state nor the new` +
        (reason === undefined ? '' : ` (${reason})`),
    })),
  );
  const illegible = unreadable.filter(mayBeOpen).flatMap((restore): Problem[] => {
    const { restoreId, replaced, unreadable: files = [] } = restore;
    const message = `whether restore ${restoreId} is finished is not known: ${files.join('; ')}`;
    const code = 'RESTORE_UNREADABLE';
    if (replaced.length === 0) return [{ service: 'restore', source: restoreId, code, message }];
    return replaced
      .filter(inScope)
      .map(({ service, source }) => ({ service, source, code, message }));
  });
  return [...found, ...illegible];
}
