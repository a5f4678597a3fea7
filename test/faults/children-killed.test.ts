/** pg_dump, pg_restore and tar die in the middle of their work, on data that makes them live for a while. */
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { createHash, randomBytes } from 'node:crypto';
import { mkdir, readFile, readdir, readlink, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { runCommand } from '../../src/base/process/process.js';
import { SmallStack } from '../support/small-stack.js';

const ROWS = 250_000;
const FILES = 12;

let stack: SmallStack;
/** What the set holds. */
let saved: string;

const tree = (): string => path.join(stack.directory, 'tree');

beforeAll(async () => {
  stack = await SmallStack.create();
  // Beside the dump: both are struck in one run.
  const config = stack
    .config()
    .replace('minimumFree: 0', 'minimumFree: 0, limits: { readRate: 4MiB }')
    .replace('      dump:', `      tree: { kind: files, base: ${tree()} }\n      dump:`);
  await writeFile(stack.configFile, config);
  await mkdir(tree());
  for (let index = 0; index < FILES; index += 1) {
    await writeFile(path.join(tree(), String(index)), randomBytes(1024 * 1024));
  }
  await stack.sql(
    'postgres',
    `create table big as select i, ${[1, 2, 3, 4, 5, 6].map((k) => `md5((i * ${k})::text)`).join(' || ')} as line
       from generate_series(1, ${ROWS}) i`,
  );
  saved = await state();
  await stack.startWorker();
}, 120_000);
afterAll(() => stack.remove(), 60_000);

interface Victim {
  readonly pid: number;
  readonly args: string;
}

/** Commands in the server's container, by the ids they have on the host. */
async function inServer(): Promise<Victim[]> {
  const { stdout } = await runCommand('docker', ['top', stack.container('db'), '-eo', 'pid,args'], {
    okExitCodes: [0, 1],
  });
  return stdout.split('\n').flatMap((line) => {
    const [, pid, args = ''] = /^\s*(\d+)\s+(.*)$/.exec(line) ?? [];
    return pid === undefined ? [] : [{ pid: Number(pid), args }];
  });
}

/** Commands of this host that work in the stack's directory. */
async function onHost(): Promise<Victim[]> {
  const found: Victim[] = [];
  for (const name of await readdir('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    try {
      const args = (await readFile(`/proc/${name}/cmdline`, 'utf8')).replaceAll('\0', ' ');
      if (!args.startsWith('tar ')) continue;
      const where = await readlink(`/proc/${name}/cwd`);
      if (`${where} ${args}`.includes(stack.directory)) found.push({ pid: Number(name), args });
    } catch {
      // ended meanwhile
    }
  }
  return found;
}

/** Kills the first command that is seen in the middle of its work, once. @returns whether it did */
async function strike(
  look: () => Promise<Victim[]>,
  wanted: RegExp,
  over: AbortSignal,
  midwayMs: number,
): Promise<boolean> {
  while (!over.aborted) {
    const victim = (await look()).find(({ args }) => wanted.test(args));
    if (victim === undefined) {
      await delay(5);
      continue;
    }
    await delay(midwayMs);
    const still = (await look()).some(({ pid, args }) => pid === victim.pid && wanted.test(args));
    if (!still) continue;
    process.kill(victim.pid, 'SIGKILL');
    return true;
  }
  return false;
}

interface Struck {
  readonly exitCode: number;
  readonly output: string;
  readonly struck: readonly boolean[];
}

async function whileStriking(
  args: readonly string[],
  ...strikes: ((over: AbortSignal) => Promise<boolean>)[]
): Promise<Struck> {
  const over = new AbortController();
  const striking = strikes.map((one) => one(over.signal));
  try {
    const { exitCode, stdout, stderr } = await stack.holdfast(['--json', ...args]);
    over.abort();
    return { exitCode, output: `${stdout}${stderr}`, struck: await Promise.all(striking) };
  } finally {
    over.abort();
  }
}

async function state(): Promise<string> {
  const hash = createHash('sha256');
  for (const name of (await readdir(tree())).sort()) {
    hash.update(name).update(await readFile(path.join(tree(), name)));
  }
  const rows = await stack.sql('postgres', 'select count(*), max(line) from big');
  return `${rows} ${hash.digest('hex')}`;
}

test('a set is good only when pg_dump and tar have come to their end', async () => {
  const { exitCode, output, struck } = await whileStriking(
    ['backup', '--service', 'db'],
    (over) => strike(inServer, /(^|\/)pg_dump .*--format/, over, 150),
    (over) => strike(onHost, / --create /, over, 400),
  );
  expect(struck).toEqual([true, true]);
  expect([exitCode, output]).toEqual([0, expect.stringContaining('"status":"success"')]);
}, 240_000);

test('a restore whose pg_restore is killed ends as new or as old, and says of what', async () => {
  await stack.sql('postgres', `delete from big where i > 100`);
  await writeFile(path.join(tree(), 'later'), 'later');
  const changed = await state();
  const { exitCode, output, struck } = await whileStriking(
    ['restore', 'latest', '--service', 'db', '--yes'],
    (over) => strike(inServer, /(^|\/)pg_restore .*--dbname/, over, 100),
  );
  expect(struck).toEqual([true]);
  await stack.untilSql();
  expect(await state()).toBe(exitCode === 0 ? saved : changed);
  if (exitCode === 0) return;
  expect(output).toContain('pg_restore');
  expect(output).not.toMatch(/INTERNAL|a bug in Holdfast/);
  // Nothing that was left behind stands in the way of the next one.
  const again = await stack.holdfast([
    ...['--json', 'restore', 'latest', '--service', 'db', '--yes'],
  ]);
  expect([again.exitCode, await state()]).toEqual([0, saved]);
}, 240_000);
