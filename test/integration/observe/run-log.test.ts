import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { mkdtemp, readdir, readFile, rename, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { runTypeScript } from '../cli-support/run.js';

const writer = fileURLToPath(new URL('./run-log-writer.ts', import.meta.url));
const LINES = 500;
const WRITERS = ['a', 'b', 'c', 'd'];

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(path.join(tmpdir(), 'holdfast-log-'));
});
afterEach(async () => {
  await rm(directory, { recursive: true, force: true });
});

async function linesOfAllFiles(): Promise<string[]> {
  const texts = await Promise.all(
    (await readdir(directory)).map((name) => readFile(path.join(directory, name), 'utf8')),
  );
  return texts.flatMap((text) => {
    expect(text.endsWith('\n')).toBe(true);
    return text.slice(0, -1).split('\n');
  });
}

function expectEveryLineOnce(lines: readonly string[]): void {
  const seen = new Map<string, number[]>();
  for (const line of lines) {
    const match = /^\[\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\] writer (\w) line (\d+) (x*)$/.exec(line);
    if (match === null) throw new Error(`a broken line: ${line}`);
    const index = Number(match[2]);
    expect(match[3]).toHaveLength(index % 200);
    seen.set(match[1]!, [...(seen.get(match[1]!) ?? []), index]);
  }
  for (const name of WRITERS) {
    const inOrder = [...(seen.get(name) ?? [])].sort((a, b) => a - b);
    expect(inOrder).toEqual(Array.from({ length: LINES }, (_, index) => index));
  }
}

describe('run log', () => {
  test('four processes writing at once neither lose nor mix lines', async () => {
    const file = path.join(directory, 'backup.log');
    await Promise.all(WRITERS.map((name) => runTypeScript(writer, [file, name, String(LINES)])));
    expectEveryLineOnce(await linesOfAllFiles());
  });

  test('a rotation by rename in the middle loses no line', async () => {
    const file = path.join(directory, 'backup.log');
    const writing = Promise.all(
      WRITERS.map((name) => runTypeScript(writer, [file, name, String(LINES)])),
    );
    const writers = new AbortController();
    void writing.finally(() => writers.abort());
    let rotations = 0;
    while (!writers.signal.aborted && rotations < 100) {
      await delay(20);
      await rename(file, `${file}.${rotations + 1}`).then(
        () => (rotations += 1),
        () => undefined, // not created yet
      );
    }
    await writing;
    expect(rotations).toBeGreaterThan(1);
    expectEveryLineOnce(await linesOfAllFiles());
  });
});
