/** Before a restore: which set, and whether the host can take it. */
import { statfs } from 'node:fs/promises';
import path from 'node:path';
import { filesBase } from '../src/config/artifacts.js';
import { remapConfig } from '../src/config/remap.js';
import { composeFiles, detectCompose } from '../src/docker/compose.js';
import { containersOf, homeOf } from './containers.js';
import { HoldfastError, isHoldfastError, messageOf } from '../src/errors.js';
import type { Mapping } from '../src/plan/mapping.js';
import { chooseAmongAll } from '../src/plan/choose-old-set.js';
import type { RestorePlan } from '../src/plan/restore-types.js';
import { formatBytes } from '../src/plan/words.js';
import { readCatalogue } from '../src/store/catalogue.js';
import type { SetFile } from '../src/store/manifest.js';
import { readOldBackups } from '../src/store/old-sets.js';
import { writeRestoreRecord, readRestoreRecord } from '../src/store/restore-record.js';
import { pathExists } from '../src/system/durable.js';
import { bringBackStopped } from './recovery.js';
import {
  checkDigest,
  guarded,
  serviceOf,
  sourceOf,
  whileWaiting,
  workflowIdOf,
  type ActivityDependencies,
} from './runtime.js';

// eslint-disable-next-line @typescript-eslint/explicit-module-boundary-types -- the type is the product
export function createRestorePlanActivities(dependencies: ActivityDependencies) {
  const { config, engine, runLog } = dependencies;
  const { root } = config.backups;
  return {
    /** @throws HoldfastError SET_NOT_FOUND */
    chooseRestoreSet: guarded(
      async (input: {
        set: string;
        services?: readonly string[] | undefined;
      }): Promise<{ set: SetFile; warnings: readonly string[] }> => {
        const { sets, damaged } = await readCatalogue(root);
        const { backups } = await readOldBackups(root, config, sets);
        const old = backups.map(({ set }) => set);
        const chosen = chooseAmongAll(sets, old, input.set, input.services);
        return {
          set: chosen.set,
          warnings: [
            ...chosen.warnings,
            ...damaged.map(({ file, reason }) => `${file} can't be read: ${reason}`),
          ],
        };
      },
    ),

    /**
     * Docker and compose answer, homes can be written, there is room for the new beside the old.
     * Everything that is wrong is named at once; nothing is touched but the restore's own record.
     */
    preflightHost: guarded(
      async (input: {
        restoreId: string;
        configDigest: string;
        plan: RestorePlan;
        map?: Mapping | undefined;
      }): Promise<void> => {
        checkDigest(config, input.configDigest);
        // The record, which says it too, is only opened when all is well.
        const named =
          input.map === undefined
            ? dependencies
            : { ...dependencies, config: remapConfig(config, input.map) };
        await whileWaiting({ service: '', source: 'host' }, 'check', async () => {
          await bringBackStopped(dependencies);
          const problems: string[] = [];
          const note = async (check: () => Promise<void>): Promise<void> => {
            try {
              await check();
            } catch (error) {
              // An engine that does not answer is the one reason for all that follows.
              if (isHoldfastError(error) && error.code === 'DOCKER_UNREACHABLE') throw error;
              problems.push(messageOf(error));
            }
          };
          const services = input.plan.stages.flat();
          if (services.some(({ hasContainers }) => hasContainers)) {
            await engine.ping();
            await note(async () => {
              await detectCompose();
            });
          }
          for (const { service, sources } of services) {
            await note(() => checkCompose(named, service, sources.length > 0));
          }
          await note(() => checkSpace(named, input.plan));
          if (problems.length > 0) {
            throw new HoldfastError('RESTORE_FAILED', problems.join('; '), {
              facts: { problems },
              hint: 'nothing was touched',
            });
          }
        });
      },
    ),

    /** Opens the restore's record: from here on something may be touched. */
    beginRestore: guarded(
      async (input: {
        restoreId: string;
        setId: string;
        map?: Mapping | undefined;
      }): Promise<void> => {
        if ((await readRestoreRecord(root, input.restoreId)) !== undefined) return;
        await writeRestoreRecord(root, {
          format: 'holdfast-restore',
          version: 1,
          restoreId: input.restoreId,
          setId: input.setId,
          workflowId: workflowIdOf(),
          startedAt: new Date().toISOString(),
          state: 'running',
          map: input.map,
        });
        await runLog.write(`Starting restore ${input.restoreId} of set ${input.setId}`);
      },
    ),
  };
}

/** A service that is not restored from files must have its compose file already. */
async function checkCompose(
  { config, engine }: ActivityDependencies,
  name: string,
  restored: boolean,
): Promise<void> {
  const service = serviceOf(config, name);
  if (service.compose === undefined) return;
  if (!restored) {
    await containersOf(engine, name, service);
    return;
  }
  const brought = Object.values(service.sources).some(
    (source) => source.kind === 'files' && filesBase(service, source) === service.home,
  );
  if (brought) return;
  await composeFiles(homeOf(name, service), service.compose.files);
}

/** New and old are on disk together until the end: what comes must fit beside what is there. */
async function checkSpace({ config }: ActivityDependencies, plan: RestorePlan): Promise<void> {
  const needed = new Map<string, { bytes: number; free: number }>();
  for (const { service, sources } of plan.stages.flat()) {
    for (const step of sources) {
      const source = sourceOf(config, service, step.source);
      if (source.kind !== 'files') continue; // the engine's disk may be another host's
      const base = filesBase(serviceOf(config, service), source);
      if (base === undefined) continue;
      const place = await existingParent(base);
      const { bavail, bsize, blocks, type } = await statfs(place);
      const disk = `${type}:${blocks}:${bavail}`;
      const entry = needed.get(disk) ?? { bytes: 0, free: bavail * bsize };
      entry.bytes += step.artifact.contentBytes;
      needed.set(disk, entry);
    }
  }
  for (const { bytes, free } of needed.values()) {
    if (bytes <= free) continue;
    throw new HoldfastError(
      'DISK_FULL',
      `the restore needs ${formatBytes(bytes)}, ${formatBytes(free)} are free`,
      { facts: { neededBytes: bytes, freeBytes: free } },
    );
  }
}

async function existingParent(target: string): Promise<string> {
  let at = target;
  while (!(await pathExists(at)) && at !== '/') at = path.dirname(at);
  return at;
}
