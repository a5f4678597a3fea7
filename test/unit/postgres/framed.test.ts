import { describe, expect, test } from '@jest/globals';
import { Readable } from 'node:stream';
import { runFramed } from '../../../src/postgres/dump/framed.js';
import type { PostgresExec } from '../../../src/postgres/client/exec.js';
const signal = new AbortController().signal;
const argv = ['pg_dump', '-Fc'];

/** Plays a shell: the program's output, and whatever last line `end` makes of the marker. */
function shell(output: string, end: (marker: string) => string, chunkBytes: number): PostgresExec {
  return {
    capture: () => Promise.reject(new Error('not asked for')),
    stream: (given) => {
      const all = Buffer.from(output + end(given[3] ?? ''));
      const chunks: Buffer[] = [];
      for (let at = 0; at < all.length; at += chunkBytes)
        chunks.push(all.subarray(at, at + chunkBytes));
      return Promise.resolve({
        stdout: Readable.from(chunks),
        stderrTail: () => 'pg_dump: error: because',
        done: Promise.resolve({ exitCode: 0 }),
      });
    },
  };
}

async function read(pg: PostgresExec): Promise<string> {
  const { value } = await runFramed(
    pg,
    argv,
    { env: {}, signal, failureCode: 'DUMP_FAILED', endSessions: () => Promise.resolve() },
    async (stdout) => {
      const chunks: Buffer[] = [];
      for await (const chunk of stdout) chunks.push(chunk as Buffer);
      return Buffer.concat(chunks).toString();
    },
  );
  return value;
}

describe.each([1, 7, 100_000])('output in chunks of %d bytes', (size) => {
  test.each(['', 'x', 'PGDMP'.repeat(200), '\n\n'])(
    'whole output comes through as it is',
    async (output) => {
      expect(await read(shell(output, (marker) => `\n${marker} 000\n`, size))).toBe(output);
    },
  );

  test('output cut short with exit code 0 is not a dump', async () => {
    for (const end of [() => '', (m: string) => `\n${m} 0`, (m: string) => `${m} 000\n`]) {
      await expect(read(shell('PGDMP', end, size))).rejects.toMatchObject({
        code: 'DUMP_INCOMPLETE',
      });
    }
  });

  test('a program that failed is not hidden by the shell that did not', async () => {
    const failing = read(shell('PGDMP', (marker) => `\n${marker} 001\n`, size));
    await expect(failing).rejects.toMatchObject({
      code: 'DUMP_FAILED',
      facts: { exitCode: 1, stderr: 'pg_dump: error: because' },
    });
  });
});
