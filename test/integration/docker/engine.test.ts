import { afterAll, afterEach, describe, expect, it } from '@jest/globals';
import { createServer, type Server, type Socket } from 'node:net';
import path from 'node:path';
import { inspectContainer } from '../../../src/docker/containers/containers.js';
import { connectEngine } from '../../../src/docker/engine/engine.js';
import { execCapture } from '../../../src/docker/engine/exec.js';
import { DockerSandbox } from '../../support/docker-sandbox.js';

const sandbox = new DockerSandbox();
const servers: { server: Server; sockets: Set<Socket> }[] = [];

afterEach(() => {
  for (const { server, sockets } of servers.splice(0)) {
    for (const socket of sockets) socket.destroy();
    server.close();
  }
});
afterAll(() => sandbox.remove());

/** A unix socket that answers every request with these bytes, or never. */
async function listen(answer?: string): Promise<string> {
  const socketPath = path.join(await sandbox.directory(), 'engine.sock');
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    if (answer !== undefined) socket.on('data', () => socket.end(answer));
  });
  servers.push({ server, sockets });
  await new Promise<void>((resolve) => server.listen(socketPath, resolve));
  return socketPath;
}

describe('the engine', () => {
  it('answers, and says who it is', async () => {
    await sandbox.engine.ping();
    const info = await sandbox.engine.info();
    expect(info.serverVersion).toMatch(/^\d+\./);
    expect(info.dockerRootDir).toMatch(/^\//);
    expect(info.id).not.toBe('');
    expect(info.remapsUsers).toBe(false);
  });

  it('that accepts connections and never answers does not hold us', async () => {
    const engine = connectEngine({ socketPath: await listen(), timeoutMs: 300 });
    const startedAt = Date.now();
    for (const call of [
      () => engine.ping(),
      () => engine.info(),
      () => inspectContainer(engine, 'x'),
      () => execCapture(engine, { container: 'x', argv: ['true'] }),
    ]) {
      await expect(call()).rejects.toMatchObject({
        code: 'DOCKER_UNREACHABLE',
        retryable: true,
        hint: expect.stringContaining('docker ps'),
      });
    }
    expect(Date.now() - startedAt).toBeLessThan(5_000);
  });

  it('that is not there is unreachable, with a hint', async () => {
    const socketPath = path.join(await sandbox.directory(), 'none.sock');
    await expect(connectEngine({ socketPath }).ping()).rejects.toMatchObject({
      code: 'DOCKER_UNREACHABLE',
      facts: { systemCode: 'ENOENT' },
      hint: expect.stringContaining('DOCKER_HOST'),
    });
  });

  it('that hangs up, or talks nonsense, is an error of its own and not of ours', async () => {
    const hangsUp = connectEngine({ socketPath: await listen('') });
    await expect(hangsUp.info()).rejects.toMatchObject({ code: 'DOCKER_UNREACHABLE' });
    const body = '{"hello":"world"}';
    const socketPath = await listen(
      `HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\nConnection: close\r\n\r\n${body}`,
    );
    await expect(connectEngine({ socketPath }).info()).rejects.toMatchObject({
      code: 'DOCKER_FAILED',
      message: expect.stringContaining('unknown shape'),
    });
  });

  it('whose disk is full says so', async () => {
    const body = '{"message":"write /var/lib/docker/x: no space left on device"}';
    const socketPath = await listen(
      `HTTP/1.1 500 Internal Server Error\r\nContent-Type: application/json\r\n` +
        `Content-Length: ${body.length}\r\nConnection: close\r\n\r\n${body}`,
    );
    await expect(inspectContainer(connectEngine({ socketPath }), 'x')).rejects.toMatchObject({
      code: 'DISK_FULL',
    });
  });

  it('is taken from an explicit socket even where DOCKER_HOST names another', async () => {
    const before = process.env['DOCKER_HOST'];
    process.env['DOCKER_HOST'] = 'tcp://127.0.0.1:1';
    try {
      await connectEngine({ socketPath: '/var/run/docker.sock' }).ping();
      await expect(connectEngine().ping()).rejects.toMatchObject({ code: 'DOCKER_UNREACHABLE' });
    } finally {
      if (before === undefined) delete process.env['DOCKER_HOST'];
      else process.env['DOCKER_HOST'] = before;
    }
  });
});
