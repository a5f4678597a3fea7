/**
 * Temporal's dev server as a child: one process, one database file, its web UI. Good for one host;
 * its state is disposable, since the sets on disk are the only record that counts.
 */
import { mkdir, open, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { Connection } from '@temporalio/client';
import { HoldfastError, messageOf, systemCodeOf } from '../base/errors.js';
import { pathExists } from '../base/files/durable.js';
import { startCommand } from '../base/process/process.js';
import { SEARCH_ATTRIBUTES } from '../plan/shared/ids.js';
import { findTemporalCli } from './temporal-cli.js';

const START_TIMEOUT_MS = 60_000;
/** Runs stay visible for 30 days; the dev server's own default of one day hides last night's. */
const RETENTION = '720h';

export interface DevServerOptions {
  /** SQLite file; in memory when absent. */
  readonly dbFile?: string | undefined;
  /** A free one is chosen when absent. */
  readonly port?: number | undefined;
  readonly uiPort?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface DevServer {
  readonly address: string;
  readonly uiUrl: string;
  readonly pid: number;
  /** Settles when the server has ended; rejects when it ended by itself. */
  readonly done: Promise<void>;
  readonly stop: () => Promise<void>;
}

/**
 * Starts the server on loopback and waits until it answers.
 * @throws HoldfastError TEMPORAL_UNREACHABLE; USAGE where the database file can't be one
 */
export async function startDevServer(options: DevServerOptions): Promise<DevServer> {
  const binary = await findTemporalCli();
  const port = options.port ?? (await freePort());
  const uiPort = options.uiPort ?? (await freePort());
  await checkPort(port, 'Temporal', '--port');
  await checkPort(uiPort, 'its web UI', '--ui-port');
  if (options.dbFile !== undefined) await checkDbFile(options.dbFile);
  const attributes = Object.values(SEARCH_ATTRIBUTES).flatMap((name) => [
    '--search-attribute',
    `${name}=Keyword`,
  ]);
  const child = startCommand(
    binary,
    [
      'server',
      'start-dev',
      '--ip',
      '127.0.0.1',
      '--port',
      String(port),
      '--ui-port',
      String(uiPort),
      '--log-level',
      'error',
      '--log-format',
      'json',
      ...(options.dbFile === undefined ? [] : ['--db-filename', options.dbFile]),
      '--dynamic-config-value',
      `system.defaultWorkflowRetentionTTL="${RETENTION}"`,
      ...attributes,
    ],
    { okExitCodes: [0, 1, 143, -1] },
  );
  child.stdout.resume();
  let stopping = false;
  const done = child.done.then(
    ({ exitCode, stderr }) => {
      if (stopping) return;
      throw new HoldfastError(
        'TEMPORAL_UNREACHABLE',
        `the Temporal dev server ended with exit code ${exitCode}: ${stderr.trim().slice(-500)}`,
        { hint: 'is its port taken? choose others with --port and --ui-port' },
      );
    },
    (error: unknown) => {
      if (!stopping) throw error;
    },
  );
  done.catch(() => undefined);
  const stop = async (): Promise<void> => {
    stopping = true;
    child.kill();
    await done;
  };
  options.signal?.addEventListener('abort', () => void stop(), { once: true });
  const address = `127.0.0.1:${port}`;
  try {
    await Promise.race([waitUntilServing(address), done.then(() => undefined)]);
  } catch (error) {
    await stop();
    throw error;
  }
  return { address, uiUrl: `http://127.0.0.1:${uiPort}`, pid: child.pid, done, stop };
}

/** What the server says of a port that it can't have is hard to find in its log. */
async function checkPort(port: number, use: string, option: string): Promise<void> {
  try {
    await listenOnce(port);
  } catch (error) {
    const code = systemCodeOf(error);
    const reason =
      code === 'EADDRINUSE'
        ? 'something else listens there'
        : code === 'EACCES'
          ? 'this user may not listen there'
          : messageOf(error);
    throw new HoldfastError('TEMPORAL_UNREACHABLE', `port ${port} for ${use}: ${reason}`, {
      hint: `choose another one with ${option}, or find out who has it: ss -ltnp sport = :${port}`,
      facts: { port },
      cause: error,
    });
  }
}

/** The server itself tries for ever, at full load, to open a file that it can't have. */
async function checkDbFile(file: string): Promise<void> {
  try {
    await mkdirStepwise(path.dirname(file));
    const handle = await open(file, 'a', 0o600);
    const { size } = await handle.stat().finally(() => handle.close());
    // The server makes its tables in a new file only; an empty one counts as made.
    if (size === 0) await rm(file);
  } catch (error) {
    const reason = systemCodeOf(error) ?? messageOf(error);
    throw new HoldfastError('USAGE', `Temporal can't keep its state in ${file}: ${reason}`, {
      hint: 'name a file in a directory this user can write to with --db-file',
      facts: { path: file },
      cause: error,
    });
  }
}

/** Node's recursive mkdir never ends below /proc, where nothing can be made: one directory at a time. */
async function mkdirStepwise(directory: string): Promise<void> {
  if (await pathExists(directory)) return;
  const parent = path.dirname(directory);
  if (parent !== directory) await mkdirStepwise(parent);
  await mkdir(directory, { mode: 0o700 }).catch((error: unknown) => {
    if (systemCodeOf(error) !== 'EEXIST') throw error;
  });
}

async function waitUntilServing(address: string): Promise<void> {
  const end = Date.now() + START_TIMEOUT_MS;
  for (;;) {
    try {
      const connection = await Connection.connect({ address, connectTimeout: 2_000 });
      try {
        await connection.workflowService.describeNamespace({ namespace: 'default' });
        return;
      } finally {
        await connection.close();
      }
    } catch (error) {
      if (Date.now() > end) {
        throw new HoldfastError(
          'TEMPORAL_UNREACHABLE',
          `the Temporal dev server did not answer at ${address}: ${messageOf(error)}`,
        );
      }
      await delay(200);
    }
  }
}

/** A port nobody listens on now; loopback only. */
export function freePort(): Promise<number> {
  return listenOnce(0);
}

/** Listens on a loopback port for a moment; 0 is any. @returns the port. Rejects with the system's error */
function listenOnce(wanted: number): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(wanted, '127.0.0.1', () => {
      const address = server.address();
      const port = typeof address === 'object' && address !== null ? address.port : 0;
      server.close(() => resolve(port));
    });
  });
}
