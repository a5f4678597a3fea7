/** Holding a source still while it is read, and letting go of it again. */
import type { Quiesce } from '../src/config/schema.js';
import { listContainers } from '../src/docker/containers.js';
import { execCapture } from '../src/docker/exec.js';
import { requireProjects } from '../src/docker/project.js';
import type { Engine } from '../src/docker/engine.js';
import { recordAndStop, startRecorded } from '../src/docker/running-record.js';
import { HoldfastError } from '../src/errors.js';
import { containersOf } from './containers.js';
import { stoppedFile } from './places.js';
import {
  checkDigest,
  guarded,
  serviceOf,
  sourceOf,
  whileWaiting,
  runOf,
  type ActivityDependencies,
} from './runtime.js';

export interface SourceReference {
  readonly setId: string;
  readonly configDigest: string;
  readonly service: string;
  readonly source: string;
  /** Relative to the root. */
  readonly artifactPath: string;
}

/** A hook that hangs must not hold the service for the night. */
const HOOK_TIMEOUT_MS = 10 * 60_000;

// eslint-disable-next-line @typescript-eslint/explicit-module-boundary-types -- the type is the product
export function createHoldActivities({ config, engine, runLog }: ActivityDependencies) {
  const { root } = config.backups;
  return {
    holdSource: guarded(async (input: SourceReference): Promise<void> => {
      checkDigest(config, input.configDigest);
      const quiesce = quiesceOf(sourceOf(config, input.service, input.source));
      if (quiesce === 'live') return;
      await whileWaiting(input, 'hold', async (signal) => {
        if (typeof quiesce === 'object') {
          await runHook(engine, quiesce.container, quiesce.before, signal);
          return;
        }
        const source = sourceOf(config, input.service, input.source);
        const named =
          source.kind === 'volume'
            ? config
            : await requireProjects(engine, config, [input.service]);
        const service = serviceOf(named, input.service);
        const containers =
          source.kind === 'volume'
            ? await listContainers(engine, { volume: source.volume })
            : await containersOf(engine, input.service, service);
        const { stopped } = await recordAndStop(engine, {
          recordFile: stoppedFile(root, input.setId, input.service, input.source),
          containers: containers.map(({ id }) => id),
          graceMs: service.stopGrace,
          mode: quiesce,
          reason: `backup of ${input.service}/${input.source}`,
          ...runOf(),
        });
        if (stopped.length > 0) {
          await runLog.write(`${quiesce === 'pause' ? 'Paused' : 'Stopped'} ${stopped.join(', ')}`);
        }
      });
    }),

    /** Runs whatever happened to the reading, and again if it has to; nothing held is fine. */
    releaseSource: guarded(async (input: SourceReference): Promise<void> => {
      const quiesce = quiesceOf(sourceOf(config, input.service, input.source));
      if (quiesce === 'live') return;
      await whileWaiting(input, 'release', async (signal) => {
        if (typeof quiesce === 'object') {
          await runHook(engine, quiesce.container, quiesce.after, signal);
          return;
        }
        const { started } = await startRecorded(
          engine,
          stoppedFile(root, input.setId, input.service, input.source),
        );
        if (started.length > 0) await runLog.write(`Running again: ${started.join(', ')}`);
      });
    }),
  };
}

export function quiesceOf(
  source: { readonly kind: string } & { readonly quiesce?: Quiesce },
): Quiesce {
  return source.quiesce ?? 'live';
}

async function runHook(
  engine: Engine,
  container: string,
  argv: readonly string[],
  signal: AbortSignal,
): Promise<void> {
  const { exitCode, stderr } = await execCapture(engine, {
    container,
    argv,
    signal,
    timeoutMs: HOOK_TIMEOUT_MS,
  });
  if (exitCode !== 0) {
    throw new HoldfastError(
      'COMMAND_FAILED',
      `the hook ${argv[0] ?? ''} in ${container} ended with exit code ${exitCode}: ${stderr.trim().slice(-300)}`,
      { facts: { container, exitCode } },
    );
  }
}
