/** Waiting for a server that has just been started. */
import { setTimeout as delay } from 'node:timers/promises';
import { z } from 'zod';
import { HoldfastError, isHoldfastError, messageOf } from '../errors.js';
import type { Work } from '../progress.js';
import { queryJson, type PostgresExec, type ServerLogin } from './server.js';

const CHECK_INTERVAL_MS = 500;
/** Checks in a row that must find the same server process. */
const CHECKS = 3;

const stateSchema = z.object({
  startedAt: z.string(),
  listenAddresses: z.string(),
  listenSource: z.string(),
});

export interface ReadyServer {
  /** ISO time of the server process's start. */
  readonly startedAt: string;
}

/**
 * Waits until the real server answers. The official image's first start runs initdb's scripts on a
 * temporary server that answers on the socket as the real one does and is then stopped; it is known
 * by `listen_addresses` being empty on its command line. And a server that crashes and is started
 * again must not pass: three checks in a row have to find one start time.
 * @throws HoldfastError POSTGRES_UNREACHABLE after `timeoutMs` with what was seen last;
 *   CONTAINER_NOT_FOUND, or the signal's reason.
 */
export async function waitUntilReady(
  pg: PostgresExec,
  options: ServerLogin & { readonly timeoutMs: number },
  work: Work,
): Promise<ReadyServer> {
  const end = Date.now() + options.timeoutMs;
  let seen = 'no answer';
  let startedAt = '';
  let same = 0;
  for (let checks = 1; ; checks += 1) {
    const answer = await ask(pg, options, work.signal);
    work.report({ phase: 'wait', bytes: 0, entries: checks, totalBytes: 0 });
    if (typeof answer === 'string') {
      seen = answer;
      same = 0;
    } else if (answer.listenAddresses === '' && answer.listenSource === 'command line') {
      seen = 'only the temporary server of the image’s first start answers';
      same = 0;
    } else {
      seen = 'the server is being restarted';
      same = answer.startedAt === startedAt ? same + 1 : 1;
      startedAt = answer.startedAt;
      if (same >= CHECKS) return { startedAt };
    }
    if (Date.now() + CHECK_INTERVAL_MS > end) {
      throw new HoldfastError(
        'POSTGRES_UNREACHABLE',
        `PostgreSQL was not ready after ${options.timeoutMs} ms: ${seen}`,
        {
          facts: { timeoutMs: options.timeoutMs, lastSeen: seen },
          hint: 'look at the container’s log; "startTimeout" of the source gives it more time',
        },
      );
    }
    await delay(CHECK_INTERVAL_MS, undefined, { signal: work.signal });
  }
}

/** The server's state, or why it gave none. */
async function ask(
  pg: PostgresExec,
  login: ServerLogin,
  signal: AbortSignal,
): Promise<z.output<typeof stateSchema> | string> {
  try {
    const [state] = await queryJson(
      pg,
      login,
      {
        database: 'template1',
        failureCode: 'POSTGRES_UNREACHABLE',
        schema: stateSchema,
        sql: `select jsonb_build_object('startedAt', pg_postmaster_start_time(),
          'listenAddresses', setting, 'listenSource', source)
          from pg_settings where name = 'listen_addresses';`,
      },
      signal,
    );
    return state ?? 'an empty answer';
  } catch (error) {
    signal.throwIfAborted();
    // What does not exist will not become ready; a container that is being restarted may.
    if (isHoldfastError(error) && error.code === 'CONTAINER_NOT_FOUND') throw error;
    return messageOf(error);
  }
}
