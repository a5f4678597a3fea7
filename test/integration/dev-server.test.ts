import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { startDevServer } from '../../src/temporal/dev-server.js';

describe('where Temporal keeps its state', () => {
  test.each(['/proc/nope/x.db', '/dev/null/x.db', tmpdir()])(
    '%s is refused at once, and nothing is left running at full load',
    async (dbFile) => {
      await expect(startDevServer({ dbFile })).rejects.toMatchObject({ code: 'USAGE' });
    },
  );

  test('a new file begins as the server makes it', async () => {
    const directory = await mkdtemp(path.join(tmpdir(), 'holdfast-dev-'));
    const server = await startDevServer({ dbFile: path.join(directory, 'new', 't.db') });
    await server.stop();
    expect(await readdir(path.join(directory, 'new'))).toContain('t.db');
    await rm(directory, { recursive: true });
  });
});
