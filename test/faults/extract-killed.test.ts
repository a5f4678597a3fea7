/** An unpacking that is killed, and what the next attempt does not do again. */
import { afterEach, beforeEach, expect, test } from '@jest/globals';
// eslint-disable-next-line no-restricted-imports -- what is killed must not be a child that cleans up
import { spawn, type ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readFileSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { compareTrees } from '../../src/tree/compare/compare.js';
import { quiet, temporaryDirectory } from '../integration/tree/awkward-tree.js';
import { writeTreeArtifact } from '../integration/store/fixtures.js';

const FILES = 12;
let base: { dir: string; remove: () => Promise<void> };
let source: string;
let artifact: string;
let target: string;
let journal: string;
let log: string;

beforeEach(async () => {
  base = await temporaryDirectory();
  source = path.join(base.dir, 'source');
  artifact = path.join(base.dir, 'artifact');
  target = path.join(base.dir, 'target');
  journal = path.join(base.dir, 'journal');
  log = path.join(base.dir, 'tar-starts');
  mkdirSync(path.join(source, 'below'), { recursive: true });
  mkdirSync(target);
  for (let index = 0; index < FILES; index += 1) {
    writeFileSync(path.join(source, 'below', String(index)), randomBytes(3_000_000));
  }
  utimesSync(path.join(source, 'below'), 1_000_000, 1_000_000);
  await writeTreeArtifact(source, artifact);
  // Counts the starts of tar, and slows it down so that there is time to kill.
  const bin = path.join(base.dir, 'bin');
  mkdirSync(bin);
  writeFileSync(
    path.join(bin, 'tar'),
    `#!/bin/bash\necho start >> ${log}\nsleep 0.1\nexec /usr/bin/env PATH=${process.env['PATH']} tar "$@"\n`,
  );
  chmodSync(path.join(bin, 'tar'), 0o755);
});
afterEach(() => base.remove());

function start(): { child: ChildProcess; output: () => string; ended: Promise<number | null> } {
  const script = path.resolve('test/support/extract-once.mjs');
  const child = spawn(process.execPath, [script, artifact, target, journal], {
    stdio: ['ignore', 'pipe', 'ignore'],
    env: { ...process.env, PATH: `${path.join(base.dir, 'bin')}:${process.env['PATH']}` },
  });
  let text = '';
  child.stdout.on('data', (chunk: Buffer) => (text += chunk.toString()));
  return {
    child,
    output: () => text,
    ended: new Promise((resolve) => child.on('close', resolve)),
  };
}

const finished = (): number =>
  existsSync(journal) ? readFileSync(journal, 'utf8').split('\n').length - 2 : -1;
const starts = (): number => readFileSync(log, 'utf8').split('\n').length - 1;

async function killAfter(parts: number): Promise<void> {
  const { child, ended } = start();
  while (child.exitCode === null && finished() < parts) await delay(5);
  child.kill('SIGKILL');
  await ended;
  // Its children end by themselves when nobody feeds them.
  await delay(500);
}

test('the next attempt unpacks only what is missing, and all is there', async () => {
  await killAfter(3);
  const done = finished();
  expect(done).toBeGreaterThanOrEqual(3);
  expect(done).toBeLessThan(FILES);
  rmSync(log);
  const { output, ended } = start();
  expect(await ended).toBe(0);
  expect(JSON.parse(output())).toEqual({ resumed: true });
  // The directories twice, and each part that was not finished.
  expect(starts()).toBe(2 + FILES - done);
  expect(await compareTrees(source, target, quiet)).toEqual([]);
});

test('what was unpacked and is no longer there is noticed, and the next attempt begins anew', async () => {
  await killAfter(3);
  rmSync(path.join(target, 'below'), { recursive: true });
  expect(await start().ended).not.toBe(0);
  expect(existsSync(journal)).toBe(false);
  rmSync(target, { recursive: true });
  mkdirSync(target);
  const { output, ended } = start();
  expect(await ended).toBe(0);
  expect(JSON.parse(output())).toEqual({ resumed: false });
  expect(await compareTrees(source, target, quiet)).toEqual([]);
});

test('a directory that was made anew is not taken for the one that was unpacked into', async () => {
  await killAfter(2);
  rmSync(target, { recursive: true });
  mkdirSync(target);
  const { output, ended } = start();
  expect(await ended).toBe(0);
  expect(JSON.parse(output())).toEqual({ resumed: false });
  expect(await compareTrees(source, target, quiet)).toEqual([]);
});
