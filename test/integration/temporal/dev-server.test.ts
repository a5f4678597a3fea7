import { createServer, type Socket } from 'node:net';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { probeTemporal } from '../../../src/temporal/connect.js';
import { startDevServer } from '../../../src/temporal/dev-server.js';

describe('where Temporal keeps its state', () => {
  test.each(['/proc/nope/x.db', '/dev/null/x.db', tmpdir()])(
    '%s is refused at once, and nothing is left running at full load',
    async (dbFile) => {
      await expect(startDevServer({ dbFile })).rejects.toMatchObject({ code: 'USAGE' });
    },
  );

  test('a port that is taken is named, for whatever it was to be', async () => {
    const other = createServer();
    await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve));
    const address = other.address();
    const port = typeof address === 'object' && address !== null ? address.port : 0;
    for (const taken of [{ port }, { uiPort: port }]) {
      await expect(startDevServer(taken)).rejects.toMatchObject({
        code: 'TEMPORAL_UNREACHABLE',
        message: expect.stringContaining(`port ${port} for `),
      });
    }
    other.close();
  });

  test.each<[string, (socket: Socket) => void]>([
    ['says nothing', () => undefined],
    ['hangs up', (socket) => socket.destroy()],
    ['speaks HTTP', (socket) => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n')],
  ])(
    'what listens and %s is no Temporal',
    async (_, answer) => {
      const sockets = new Set<Socket>();
      const other = createServer((socket) => {
        sockets.add(socket);
        socket.on('error', () => undefined);
        answer(socket);
      });
      await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve));
      const address = other.address();
      const before = process.env['TEMPORAL_ADDRESS'];
      process.env['TEMPORAL_ADDRESS'] =
        `127.0.0.1:${typeof address === 'object' && address !== null ? address.port : 0}`;
      try {
        expect(await probeTemporal()).toMatchObject({ state: 'other' });
      } finally {
        process.env['TEMPORAL_ADDRESS'] = before;
        for (const socket of sockets) socket.destroy();
        other.close();
      }
      expect(await probeTemporal()).toEqual({ state: 'answers' });
    },
    30_000,
  );

  test('a new file begins as the server makes it', async () => {
    const directory = await mkdtemp(path.join(tmpdir(), 'holdfast-dev-'));
    const server = await startDevServer({ dbFile: path.join(directory, 'new', 't.db') });
    await server.stop();
    expect(await readdir(path.join(directory, 'new'))).toContain('t.db');
    await rm(directory, { recursive: true });
  });
});
