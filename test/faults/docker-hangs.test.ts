/** An engine that accepts connections and never answers: what a wedged dockerd looks like. */
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { readdir } from 'node:fs/promises';
import { createServer, type Server, type Socket } from 'node:net';
import path from 'node:path';
import { StackHost } from '../support/stack-host.js';

let host: StackHost;
let server: Server;
const sockets = new Set<Socket>();

beforeAll(async () => {
  host = await StackHost.create({ up: false });
  const socket = path.join(host.directory, 'docker.sock');
  server = createServer((connection) => {
    sockets.add(connection);
    connection.on('error', () => undefined);
    connection.resume();
  });
  await new Promise<void>((resolve) => server.listen(socket, resolve));
  await host.startWorker({ env: { DOCKER_HOST: `unix://${socket}` } });
}, 120_000);

afterAll(async () => {
  for (const socket of sockets) socket.destroy();
  server.close();
  await host.remove();
}, 60_000);

test('a backup says that Docker does not answer, exits with 1 and writes no set', async () => {
  const run = await host.holdfast(['backup', '--json']);

  expect(run.exitCode).toBe(1);
  expect(run.stdout).toContain('DOCKER_UNREACHABLE');
  const left = await readdir(path.join(host.stack.backups, 'sets')).catch(() => []);
  expect(left).toEqual([]);
  expect(await readdir(path.join(host.stack.backups, '.incoming')).catch(() => [])).toEqual([]);
}, 300_000);
