import type { Quiesce } from '../../src/format/config/sources.js';
import { listContainers } from '../../src/docker/containers/containers.js';
import { holdStill, releaseHold } from '../../src/docker/containers/holds.js';
import { requireVolume } from '../../src/docker/volumes/volume-needs.js';
import { inspectVolume } from '../../src/docker/volumes/volumes.js';
import { requireProjects } from '../../src/docker/compose/project.js';
import { containersOf } from '../shared/containers.js';
import { isHooked, runAfter, runBefore } from './hooks.js';
import { stoppedFile } from '../shared/places.js';
import { aliveAt } from '../shared/liveness.js';
import {
  checkDigest,
  guarded,
  serviceOf,
  sourceOf,
  withHeartbeat,
  runOf,
  type ActivityDependencies,
} from '../shared/runtime.js';
import type { SourceReference } from '../shared/source-reference.js';

/** What was found when a source was let go of. */
export interface Released {
  /** Containers that ran while the source was to be held still: somebody else has started them. */
  readonly disturbed: readonly string[];
}

// eslint-disable-next-line @typescript-eslint/explicit-module-boundary-types -- the type is the product
export function createHoldActivities(dependencies: ActivityDependencies) {
  const { config, engine, runLog, client } = dependencies;
  const { root } = config.backups;
  const isAlive = aliveAt(client);
  return {
    holdSource: guarded(async (input: SourceReference): Promise<void> => {
      checkDigest(config, input.configDigest);
      const quiesce = quiesceOf(sourceOf(config, input.service, input.source));
      if (quiesce === 'live') return;
      await withHeartbeat(input, 'hold', async (work) => {
        if (typeof quiesce === 'object') {
          await runBefore(dependencies, quiesce, input, { ...runOf(), isAlive }, work);
          return;
        }
        const source = sourceOf(config, input.service, input.source);
        // Nothing is held still for what can't be read.
        if (source.kind === 'volume') {
          await requireVolume(engine, await inspectVolume(engine, source.volume));
        }
        const named =
          source.kind === 'volume'
            ? config
            : await requireProjects(engine, config, [input.service]);
        const service = serviceOf(named, input.service);
        const { stopped } = await holdStill(
          engine,
          {
            recordFile: stoppedFile(root, input.setId, input.service, input.source),
            find: () =>
              source.kind === 'volume'
                ? listContainers(engine, { volume: source.volume })
                : containersOf(engine, input.service, service),
            graceMs: service.stopGrace,
            mode: quiesce,
            reason: `backup of ${input.service}/${input.source}`,
            ...runOf(),
            isAlive,
          },
          work,
        );
        if (stopped.length > 0) await runLog.write(`Held still: ${stopped.join(', ')}`);
      });
    }),

    /**
     * Runs whatever happened to the reading, and again if it has to; nothing held is fine. With
     * `onlyHeld` a hook's `after` is run only where its `before` was begun. Workers of earlier versions
     * return nothing.
     */
    releaseSource: guarded(
      async (
        input: SourceReference & { readonly onlyHeld?: boolean },
      ): Promise<Released | undefined> => {
        const quiesce = quiesceOf(sourceOf(config, input.service, input.source));
        if (quiesce === 'live') return undefined;
        return withHeartbeat(input, 'release', async ({ signal }) => {
          if (typeof quiesce === 'object') {
            if (input.onlyHeld !== true || (await isHooked(dependencies, input))) {
              await runAfter(dependencies, quiesce, input, signal);
            }
            return undefined;
          }
          const file = stoppedFile(root, input.setId, input.service, input.source);
          const { started, leftHeld, disturbed } = await releaseHold(engine, file, {
            isAlive,
            signal,
          });
          if (started.length > 0) await runLog.write(`Running again: ${started.join(', ')}`);
          if (leftHeld.length > 0) {
            await runLog.write(`Still held by another source: ${leftHeld.join(', ')}`);
          }
          return { disturbed };
        });
      },
    ),
  };
}

export function quiesceOf(
  source: { readonly kind: string } & { readonly quiesce?: Quiesce },
): Quiesce {
  return source.quiesce ?? 'live';
}
