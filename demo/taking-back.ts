/** The demo's last acts: a restore that fails and takes itself back, an undo, a drill. */
import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { parse, stringify } from 'yaml';
import { formatDuration } from '../src/base/words.js';
import { readDrills } from '../src/store/records/drills.js';
import { runCommand } from '../src/base/process/process.js';
import { getJson, quietTrees, tableDigests, treeDigest } from './proof.js';
import type { Checks } from './report.js';
import type { SampleStack } from './sample-stack.js';

export interface Stage {
  readonly stack: SampleStack;
  readonly checks: Checks;
  readonly say: (line: string) => void;
  /** Runs the command line and gives its exit code; what it writes is shown. */
  readonly holdfast: (args: readonly string[]) => Promise<number>;
}

/** What of the stack stands still, with the messages of a web interface and what runs. */
async function state(stack: SampleStack): Promise<Record<string, unknown>> {
  const trees: Record<string, string> = {};
  for (const [name, directory] of Object.entries(quietTrees(stack))) {
    trees[name] = await treeDigest(directory);
  }
  const { stdout } = await runCommand('docker', [
    ...['ps', '--format', '{{.Names}} {{.State}}', '--filter', `name=${stack.names.prefix}`],
  ]);
  return {
    trees,
    tables: await tableDigests(stack),
    messages: await messages(stack),
    running: stdout.split('\n').sort(),
  };
}

async function messages(stack: SampleStack): Promise<unknown> {
  const url = `http://127.0.0.1:${stack.names.ports.webbot2}/digest`;
  for (let tries = 0; ; tries += 1) {
    try {
      return await getJson(url);
    } catch (error) {
      if (tries === 60) throw error;
      await delay(500);
    }
  }
}

/** A set that can't become healthy: what it replaced comes back by itself. */
export async function proveRollBack({ stack, checks, say, holdfast }: Stage): Promise<void> {
  const file = path.join(stack.home('webbot2'), 'docker-compose.yml');
  const intact = await readFile(file, 'utf8');
  const compose = parse(intact) as { services: Record<string, Record<string, unknown>> };
  for (const service of Object.values(compose.services)) {
    service['healthcheck'] = { test: ['CMD', 'false'], interval: '1s', retries: 2 };
  }
  await writeFile(file, stringify(compose));
  await holdfast(['backup', '--service', 'webbot2']);
  await writeFile(file, intact);
  await post(stack, 'written after the backup');
  const before = await state(stack);
  const exitCode = await holdfast(['restore', 'latest', '--service', 'webbot2', '--yes']);
  checks.equal('roll-back', 'exit code of a restore that can’t become healthy', exitCode, 1);
  checks.equal('roll-back', 'everything is as it was before it', await state(stack), before);
  say('   the restore failed at its health gate, and took itself back');
}

/** A restore that was a mistake. */
export async function proveUndo({ stack, checks, holdfast }: Stage, set: string): Promise<void> {
  const before = await state(stack);
  await holdfast(['restore', set, '--service', 'webbot2', '--yes']);
  const restored = await messages(stack);
  checks.equal(
    'undo',
    'the restore has changed something',
    JSON.stringify(restored) !== JSON.stringify(before['messages']),
    true,
  );
  const exitCode = await holdfast(['undo', '--yes']);
  checks.equal('undo', 'exit code', exitCode, 0);
  checks.equal('undo', 'everything is as it was before the restore', await state(stack), before);
}

/** The same restore once more, beside the stack: nobody notices, and everybody knows how long it takes. */
export async function proveDrill(
  { stack, checks, say, holdfast }: Stage,
  set: string,
): Promise<void> {
  const started = async (): Promise<string> => {
    const { stdout } = await runCommand('docker', [
      ...['ps', '-q', '--filter', `name=${stack.names.prefix}`],
    ]);
    const ids = stdout.split('\n').filter((id) => id !== '');
    const times = await runCommand('docker', [
      'inspect',
      '-f',
      '{{.Name}} {{.State.StartedAt}}',
      ...ids,
    ]);
    return times.stdout.split('\n').sort().join('\n');
  };
  const before = { state: await state(stack), started: await started() };
  const exitCode = await holdfast(['drill', set]);
  checks.equal('drill', 'exit code', exitCode, 0);
  const [result] = (await readDrills(stack.backups)).get(set) ?? [];
  checks.equal('drill', 'its result is in the set’s record', result?.status, 'passed');
  checks.between(
    'drill',
    'measured time of a restore, milliseconds',
    result?.restoreMs ?? 0,
    1,
    3_600_000,
  );
  say(
    `   restored, compared and removed; a restore takes ${formatDuration(result?.restoreMs ?? 0)}`,
  );
  checks.equal(
    'drill',
    'the stack has not noticed',
    { state: await state(stack), started: await started() },
    before,
  );
  const { stdout: left } = await runCommand('docker', [
    ...['ps', '-aq', '--filter', 'label=dev.holdfast.drill'],
  ]);
  checks.equal('drill', 'containers left of it', left.trim(), '');
}

async function post(stack: SampleStack, text: string): Promise<void> {
  await fetch(`http://127.0.0.1:${stack.names.ports.webbot2}/messages`, {
    method: 'POST',
    body: JSON.stringify({ text }),
  });
}
