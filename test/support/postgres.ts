/** Throw-away PostgreSQL servers in containers, as a stack would run them. */
import { randomBytes } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { connectEngine } from '../../src/docker/engine/engine.js';
import { containerExec } from '../../src/postgres/client/container.js';
import { waitUntilReady } from '../../src/postgres/client/ready.js';
import type { PostgresExec } from '../../src/postgres/client/exec.js';
import type { Work } from '../../src/base/progress.js';
import { runCommand } from '../../src/base/process/process.js';
import { POSTGRES_IMAGE } from './docker-images.js';

/** The whole test run's id where the run gives one, so that its reaper finds what was left. */
const RUN = process.env['HOLDFAST_TEST_RUN'] ?? `postgres-${randomBytes(4).toString('hex')}`;

export const engine = connectEngine();
export const work: Work = { signal: new AbortController().signal, report: () => undefined };
export const login = { user: 'postgres' };

export interface TestServer {
  readonly container: string;
  readonly pg: PostgresExec;
  /** Runs SQL; the answer unaligned, a row a line. Throws when psql fails. */
  sql(database: string, sql: string, user?: string): Promise<string>;
  /** A shell command in the container. */
  shell(script: string): Promise<string>;
  remove(): Promise<void>;
}

export interface TestServerOptions {
  readonly env?: Readonly<Record<string, string>>;
  readonly mounts?: readonly string[];
  /** Arguments of the server. */
  readonly args?: readonly string[];
  /** True returns as soon as the container runs. */
  readonly dontWait?: boolean;
}

export async function startServer(options: TestServerOptions = {}): Promise<TestServer> {
  const container = `hfpg-${randomBytes(6).toString('hex')}`;
  const env: Record<string, string> = { POSTGRES_PASSWORD: 'secret', ...options.env };
  await runCommand('docker', [
    'run',
    '--detach',
    `--name=${container}`,
    '--network=none',
    '--label=dev.holdfast.test=1',
    `--label=dev.holdfast.run=${RUN}`,
    ...Object.entries(env).map(([name, value]) => `--env=${name}=${value}`),
    ...(options.mounts ?? []).map((mount) => `--volume=${mount}`),
    POSTGRES_IMAGE,
    'postgres',
    '-c',
    'fsync=off',
    ...(options.args ?? []),
  ]);
  const pg = containerExec(engine, container);
  const server: TestServer = {
    container,
    pg,
    sql: async (database, sql, user = env['POSTGRES_USER'] ?? 'postgres') => {
      const argv = ['exec', '-i', container, 'psql', '-XAtq', '-v', 'ON_ERROR_STOP=1', '-U', user];
      const conninfo = `dbname='${database.replace(/([\\'])/g, '\\$1')}'`;
      const { stdout } = await runCommand('docker', [...argv, '-d', conninfo], { input: sql });
      return stdout.trimEnd();
    },
    shell: async (script) => {
      const { stdout } = await runCommand('docker', ['exec', '-i', container, 'sh', '-c', script]);
      return stdout.trimEnd();
    },
    remove: async () => {
      await runCommand('docker', ['rm', '--force', '--volumes', container]);
    },
  };
  if (options.dontWait !== true) {
    try {
      const user = env['POSTGRES_USER'] ?? 'postgres';
      await waitUntilReady(pg, { user, timeoutMs: 60_000 }, work);
    } catch (error) {
      await server.remove();
      throw error;
    }
  }
  return server;
}

/** Waits for something a server does in its own time. */
export async function eventually(check: () => Promise<boolean>, limitMs = 20_000): Promise<void> {
  const end = Date.now() + limitMs;
  while (!(await check())) {
    if (Date.now() > end) throw new Error('it did not happen in time');
    await delay(50);
  }
}
