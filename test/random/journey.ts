/** The journey of one random stack: backed up, wrecked, restored, undone, compared at each turn. */
import { expect } from '@jest/globals';
import type { CliRun } from '../support/worker-host.js';
import { describeStack, type StackDescription } from './description.js';
import type { Snapshot } from './observe.js';
import { afterRestore, afterUndo, backupEnding, type Ending } from './predict.js';
import { RandomStack } from './random-stack.js';

/** Goes the whole way with a seed's stack. @throws with the seed and the description */
export async function travel(seed: number): Promise<void> {
  const description = describeStack(seed);
  const stack = await RandomStack.create(description);
  try {
    await stack.up();
    await stack.startWorker();
    await goThrough(stack);
  } catch (error) {
    throw new Error(failure(description, stack, error), { cause: error });
  } finally {
    await stack.remove();
  }
}

async function goThrough(stack: RandomStack): Promise<void> {
  const saved = await stack.snapshot();
  const ending = backupEnding(stack.stack);
  endsAs('backup', ending, await stack.holdfast(['backup']));
  same('after the backup', await stack.snapshot(), saved);

  await stack.wreck();
  const wrecked = await stack.snapshot();
  const well: Ending = { exitCode: 0, named: [] };
  endsAs('restore', well, await stack.holdfast(['restore', 'latest', '--yes']));
  same('after the restore', await stack.snapshot(), afterRestore(stack.layout, saved, wrecked));

  await stack.goOn();
  endsAs('undo', well, await stack.holdfast(['undo', '--yes']));
  same('after the undo', await stack.snapshot(), afterUndo(stack.layout, wrecked));
  expect(await stack.leftovers()).toEqual([]);
  unbroken('the worker', stack.workerOutput);
}

function endsAs(what: string, { exitCode, named }: Ending, run: CliRun): void {
  const said = `${run.stdout}\n${run.stderr}`;
  unbroken(what, said);
  if (run.exitCode !== exitCode) {
    throw new Error(`${what} ended with ${run.exitCode} instead of ${exitCode}:\n${said}`);
  }
  for (const word of named)
    expect({ what, said }).toEqual({ what, said: expect.stringContaining(word) });
}

/** Whatever happens, it has a name. */
function unbroken(what: string, said: string): void {
  const found = /\bINTERNAL\b|\bbug in Holdfast\b|this is a bug/.exec(said);
  if (found !== null) throw new Error(`${what} says ${found[0]}:\n${said}`);
}

/** Compared part by part, so that the difference can be read. */
function same(when: string, found: Snapshot, wanted: Snapshot): void {
  const { servers, trees, ...others } = found;
  expect({ when, ...others }).toEqual({
    when,
    containers: wanted.containers,
    volumes: wanted.volumes,
  });
  for (const [place, entries] of Object.entries(wanted.trees)) {
    expect({ when, place, entries: trees[place] }).toEqual({ when, place, entries });
  }
  for (const [server, answers] of Object.entries(wanted.servers)) {
    expect({ when, server, answers: servers[server] }).toEqual({ when, server, answers });
  }
}

function failure(description: StackDescription, stack: RandomStack, error: unknown): string {
  return [
    `seed ${description.seed}: ${error instanceof Error ? error.message : String(error)}`,
    `again: npm run test:random -- --seed ${description.seed}`,
    JSON.stringify(description),
    `names begin with ${stack.layout.id}`,
  ].join('\n');
}
