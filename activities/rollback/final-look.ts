/**
 * What ran on the whole stack when an undo began, and whether it still does when it ends: an engine
 * that died in between took containers along that the undo has never touched.
 */
import path from 'node:path';
import { z } from 'zod';
import {
  findContainer,
  startContainer,
  unpauseContainer,
} from '../../src/docker/containers/containers.js';
import type { Engine } from '../../src/docker/engine/engine.js';
import { messageOf } from '../../src/base/errors.js';
import {
  parseJsonIfWhole,
  readTextIfExists,
  writeFileDurably,
} from '../../src/base/files/durable.js';
import { restoreDirectory } from '../../src/store/records/restore-record.js';
import { containersOf } from '../shared/containers.js';
import { forRestore } from '../restore/restore-context.js';
import type { ActivityDependencies } from '../shared/runtime.js';

type LookDependencies = Pick<ActivityDependencies, 'config' | 'engine' | 'runLog'>;

const upSchema = z.array(
  z.object({ service: z.string(), name: z.string(), isPaused: z.boolean() }),
);

export interface FinalLook {
  /** Names of containers that were down and run again. */
  readonly started: readonly string[];
  /** Those that ran before and do not run now, with the reason. */
  readonly down: readonly string[];
}

function upFile(root: string, restoreId: string): string {
  return path.join(restoreDirectory(root, restoreId), 'up.json');
}

/** Notes what runs. A note that is there already was made before anything was stopped: it stays. */
export async function noteWhatRuns(
  dependencies: LookDependencies,
  restoreId: string,
): Promise<void> {
  const { config, engine } = await forRestore(dependencies, restoreId);
  const file = upFile(config.backups.root, restoreId);
  if ((await readTextIfExists(file)) !== undefined) return;
  const up = new Map<string, z.output<typeof upSchema>[number]>();
  for (const [service, settings] of Object.entries(config.services)) {
    for (const { name, state } of await containersOf(engine, service, settings)) {
      if (state !== 'running' && state !== 'paused') continue;
      up.set(name, { service, name, isPaused: state === 'paused' });
    }
  }
  await writeFileDurably(file, `${JSON.stringify([...up.values()], undefined, 2)}\n`, 0o600);
}

/**
 * Starts what ran when the undo began and does not run now, of services that it did not touch: of the
 * others its own records say what is to run.
 */
export async function lookOnceMore(
  dependencies: LookDependencies,
  restoreId: string,
  touched: readonly string[],
): Promise<FinalLook> {
  const { config, engine, runLog } = dependencies;
  const text = await readTextIfExists(upFile(config.backups.root, restoreId));
  const noted = upSchema.safeParse(parseJsonIfWhole(text ?? ''));
  const started: string[] = [];
  const down: string[] = [];
  for (const { service, name, isPaused } of noted.success ? noted.data : []) {
    if (touched.includes(service)) continue;
    try {
      if (await bringUp(engine, name, isPaused)) started.push(name);
    } catch (error) {
      down.push(`${name} ran before and is down: ${messageOf(error)}`);
    }
  }
  if (started.length > 0) await runLog.write(`Started again ${started.join(', ')}`);
  for (const sentence of down) await runLog.write(sentence);
  return { started, down };
}

/** @returns whether something had to be done */
async function bringUp(engine: Engine, name: string, isPaused: boolean): Promise<boolean> {
  const container = await findContainer(engine, name);
  if (container === undefined) throw new Error('it is gone');
  switch (container.state) {
    case 'running':
    case 'restarting':
      return false;
    case 'paused':
      if (isPaused) return false;
      await unpauseContainer(engine, container.id);
      return true;
    default:
      await startContainer(engine, container.id);
      return true;
  }
}
