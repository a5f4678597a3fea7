/** A backup whose processes are killed, over and over, until it gets through. */
import { afterEach, beforeEach, expect, test } from '@jest/globals';
// eslint-disable-next-line no-restricted-imports -- what is killed must not be a child that cleans up
import { spawn, type ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { compareTrees } from '../../src/tree/compare/compare.js';
import { extractTree } from '../../src/tree/unpack/extract.js';
import { incomingArtifact } from '../../src/store/write/incoming-paths.js';
import { beginSet, discardSet } from '../../src/store/write/incoming.js';
import { artifactFileSchema } from '../../src/format/manifest.js';
import { z } from 'zod';
import { quiet, temporaryDirectory } from '../integration/tree/awkward-tree.js';

const FILES = 10;
let base: { dir: string; remove: () => Promise<void> };
let root: string;
let source: string;
let setId: string;

beforeEach(async () => {
  base = await temporaryDirectory();
  root = path.join(base.dir, 'backups');
  source = path.join(base.dir, 'source');
  mkdirSync(root);
  mkdirSync(source);
  for (let index = 0; index < FILES; index += 1) {
    // Text-like, so that zstd has something to do.
    writeFileSync(path.join(source, String(index)), randomBytes(3_000_000).toString('base64'));
  }
  setId = await beginSet(root, { workflowId: 'killed', stamp: '20260101_010000' });
  await delay(60);
});
afterEach(() => base.remove());

const resultSchema = z.object({ files: z.array(artifactFileSchema), finishedBefore: z.number() });

function start(attempt: number): { child: ChildProcess; output: () => string } {
  const script = path.resolve('test/support/archive-once.mjs');
  const log = path.join(base.dir, 'starts');
  const child = spawn(process.execPath, [script, root, setId, source, String(attempt), log], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let text = '';
  child.stdout.on('data', (chunk: Buffer) => (text += chunk.toString()));
  return { child, output: () => text };
}

/** All processes below this one, by name. */
function descendants(pid: number): { pid: number; name: string }[] {
  const all = readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => {
      try {
        const stat = readFileSync(`/proc/${name}/stat`, 'utf8');
        const [, command = '', parent] = /\((.*)\) \S (\d+)/.exec(stat) ?? [];
        return [{ pid: Number(name), name: command, parent: Number(parent) }];
      } catch {
        return []; // ended meanwhile
      }
    });
  const below = (parent: number): { pid: number; name: string }[] =>
    all
      .filter((each) => each.parent === parent)
      .flatMap((each) => [{ pid: each.pid, name: each.name }, ...below(each.pid)]);
  return below(pid);
}

function kill(child: ChildProcess, victim: string): void {
  const { pid } = child;
  if (pid === undefined) return;
  if (victim === 'worker') child.kill('SIGKILL');
  else {
    for (const each of descendants(pid)) {
      if (each.name === victim) process.kill(each.pid, 'SIGKILL');
    }
  }
}

const startsOf = (attempt: number): number =>
  readFileSync(path.join(base.dir, 'starts'), 'utf8')
    .split('\n')
    .filter((line) => line === String(attempt)).length;

test.each(['worker', 'tar', 'zstd'])(
  'a killed %s costs what was being written, never what was finished',
  async (victim) => {
    let killed = 0;
    for (let attempt = 1; attempt < 60; attempt += 1) {
      const { child, output } = start(attempt);
      const ended = new Promise<number | null>((resolve) => child.on('close', resolve));
      // From the fourth kill on it is left alone.
      if (killed < 4) {
        // Once a part is finished, and others are being written.
        const until = Date.now() + 30_000;
        while (Date.now() < until && child.exitCode === null && !hasFinished(attempt)) {
          await delay(5);
        }
        await delay(killed * 20);
        kill(child, victim);
      }
      const code = await ended;
      if (code !== 0) {
        killed += 1;
        continue;
      }
      const result = resultSchema.parse(JSON.parse(output()));
      const parts = result.files.filter(({ role }) => role === 'part');
      expect(parts).toHaveLength(FILES + 1);
      expect(killed).toBeGreaterThan(0);
      expect(result.finishedBefore).toBeGreaterThan(0);
      expect(startsOf(attempt)).toBe(parts.length - result.finishedBefore);
      const directory = incomingArtifact(root, {
        setId,
        relativePath: `agent/daily/data/agent_${setId}`,
      });
      expect(readdirSync(directory).sort()).toEqual(result.files.map(({ name }) => name).sort());
      const target = path.join(base.dir, 'target');
      mkdirSync(target);
      await extractTree({ artifactDirectory: directory, files: result.files, target }, quiet);
      expect(await compareTrees(source, target, quiet)).toEqual([]);
      await discardSet(root, { setId, workflowId: 'killed' });
      expect(existsSync(path.join(root, '.incoming', setId))).toBe(false);
      return;
    }
    throw new Error('it never got through');
  },
);

function hasFinished(attempt: number): boolean {
  const attempts = `.incoming/${setId}/attempts/agent/daily/data/agent_${setId}`;
  return existsSync(path.join(root, attempts, `${attempt}.finished.jsonl`));
}
