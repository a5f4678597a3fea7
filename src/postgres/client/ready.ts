/** Waiting for a server that has just been started. */
import { setTimeout as delay } from 'node:timers/promises';
import { z } from 'zod';
import { HoldfastError, isHoldfastError, messageOf } from '../../base/errors.js';
import type { Work } from '../../base/progress.js';
import { psqlArgv, questionEnv } from './client-env.js';
import { clientError } from './client-error.js';
import type { PostgresCommandResult, PostgresExec, ServerLogin } from './exec.js';
const CHECK_INTERVAL_MS = 500;
/** Checks in a row that must find the same server process, or be refused alike. */
const CHECKS = 3;

/** One way to get into a server: client programs, run as somebody, that log in as somebody. */
export interface LoginRoute {
  readonly pg: PostgresExec;
  readonly login: ServerLogin;
}

const stateSchema = z.object({
  startedAt: z.string(),
  listenAddresses: z.string(),
  listenSource: z.string(),
  superuser: z.boolean(),
});
type ServerState = z.output<typeof stateSchema>;

export interface ReadyServer {
  /** ISO time of the server process's start. */
  readonly startedAt: string;
  /** The first way in that leads to a superuser; the first that leads in at all where none does. */
  readonly route: LoginRoute;
}

/**
 * Waits until the real server answers. The official image's first start runs initdb's scripts on a
 * temporary server that answers on the socket as the real one does and is then stopped; it is known
 * by `listen_addresses` being empty on its command line while the image's script still runs. And a server that crashes and is started
 * again must not pass: three checks in a row have to find one start time.
 *
 * A server that is there and refuses the login on every route is not waited for: it will not change
 * its mind. (Its temporary server may: the scripts that make a role have not run yet.)
 * @param options.others Ways in that are tried where the login's own is refused: a new cluster knows
 *   only the role that initdb made.
 * @throws HoldfastError LOGIN_REFUSED; POSTGRES_UNREACHABLE after `timeoutMs` (facts: lastSeen);
 *   CONTAINER_NOT_FOUND, or the signal's reason.
 */
export async function waitUntilReady(
  pg: PostgresExec,
  options: ServerLogin & { readonly timeoutMs: number; readonly others?: readonly LoginRoute[] },
  work: Work,
): Promise<ReadyServer> {
  const { user, password, timeoutMs } = options;
  const routes = [{ pg, login: { user, password } }, ...(options.others ?? [])];
  const end = Date.now() + timeoutMs;
  let seen = 'no answer';
  let startedAt = '';
  let same = 0;
  let refused = 0;
  for (let checks = 1; ; checks += 1) {
    const answer = await firstAnswer(routes, work.signal);
    work.report({ phase: 'wait', bytes: 0, entries: checks, totalBytes: 0 });
    if ('problem' in answer) {
      seen = messageOf(answer.problem);
      same = 0;
      const isRefusal = answer.problem.code === 'LOGIN_REFUSED';
      refused = isRefusal && !(await isInitialising(pg, work.signal)) ? refused + 1 : 0;
      if (refused >= CHECKS || (isRefusal && isOver(end))) {
        throw refusal(answer.problem);
      }
    } else {
      refused = 0;
      const { state, route } = answer;
      if (isTemporary(state) && (await isInitialising(pg, work.signal))) {
        seen = 'only the temporary server of the image’s first start answers';
        same = 0;
      } else {
        seen = 'the server is being restarted';
        same = state.startedAt === startedAt ? same + 1 : 1;
        startedAt = state.startedAt;
        if (same >= CHECKS) return { startedAt, route };
      }
    }
    if (isOver(end)) {
      throw new HoldfastError(
        'POSTGRES_UNREACHABLE',
        `PostgreSQL was not ready after ${timeoutMs} ms: ${seen}`,
        {
          facts: { timeoutMs, lastSeen: seen },
          hint: 'look at the container’s log; "startTimeout" of the source gives it more time',
        },
      );
    }
    await delay(CHECK_INTERVAL_MS, undefined, { signal: work.signal });
  }
}

function isOver(end: number): boolean {
  return Date.now() + CHECK_INTERVAL_MS > end;
}

function refusal(problem: HoldfastError): HoldfastError {
  return new HoldfastError('LOGIN_REFUSED', `PostgreSQL refuses the login: ${problem.message}`, {
    facts: { ...problem.facts, lastSeen: problem.message },
    ...(problem.hint === undefined ? {} : { hint: problem.hint }),
  });
}

/**
 * The way into a running server: the first of the routes that leads to a superuser.
 * @throws HoldfastError as the first route's answer where none leads in
 */
export async function pickRoute(
  routes: readonly LoginRoute[],
  signal: AbortSignal,
): Promise<LoginRoute> {
  const answer = await firstAnswer(routes, signal);
  if ('problem' in answer) throw answer.problem;
  return answer.route;
}

type Answer =
  { readonly state: ServerState; readonly route: LoginRoute } | { readonly problem: HoldfastError };

/** The first superuser's answer, else the first answer; else why the first route gave none. */
async function firstAnswer(routes: readonly LoginRoute[], signal: AbortSignal): Promise<Answer> {
  let inside: Answer | undefined;
  let first: Answer | undefined;
  for (const route of routes) {
    const answer = await ask(route, signal);
    first ??= answer;
    if ('problem' in answer) {
      // Nobody answers at all: another name would not be answered either.
      if (answer.problem.code === 'POSTGRES_UNREACHABLE') break;
      continue;
    }
    if (answer.state.superuser) return answer;
    inside ??= answer;
  }
  return inside ?? first ?? { problem: new HoldfastError('POSTGRES_UNREACHABLE', 'no way in') };
}

const STATE = `select jsonb_build_object('startedAt', pg_postmaster_start_time(),
  'listenAddresses', setting, 'listenSource', source,
  'superuser', (select rolsuper from pg_roles where rolname = current_user))
from pg_settings where name = 'listen_addresses';`;

async function ask(route: LoginRoute, signal: AbortSignal): Promise<Answer> {
  const { pg, login } = route;
  const askIn = (database: string): Promise<PostgresCommandResult> =>
    pg.capture(psqlArgv(login, database), { input: STATE, env: questionEnv(login), signal });
  try {
    let result = await askIn('template1');
    // A cluster without it, or that keeps it closed.
    if (/FATAL: +database "template1"/.test(result.stderr)) result = await askIn('postgres');
    if (result.exitCode !== 0) {
      return { problem: clientError('psql', result, 'POSTGRES_UNREACHABLE') };
    }
    return { state: stateSchema.parse(JSON.parse(result.stdout)), route };
  } catch (error) {
    signal.throwIfAborted();
    // What does not exist will not become ready; a container that is being restarted may.
    if (isHoldfastError(error) && error.code === 'CONTAINER_NOT_FOUND') throw error;
    return { problem: unanswered(error) };
  }
}

function unanswered(error: unknown): HoldfastError {
  return isHoldfastError(error)
    ? error
    : new HoldfastError('POSTGRES_UNREACHABLE', messageOf(error), { cause: error });
}

function isTemporary({ listenAddresses, listenSource }: ServerState): boolean {
  return listenAddresses === '' && listenSource === 'command line';
}

/**
 * An entrypoint that has not become the server yet: a shell that is process 1, or, where an init is, its
 * child. (What `docker exec` runs is nobody's child; what the server runs is the server's.)
 */
const INITIALISING = String.raw`
for one in /proc/[0-9]*; do
  pid=$(basename "$one")
  [ "$pid" = 1 ] || grep -qE '^PPid:[[:space:]]+1$' "$one/status" 2>/dev/null || continue
  case "$(tr '\0' '\n' < "$one/cmdline" 2>/dev/null | head -n 1)" in
    sh | bash | dash | ash | */sh | */bash | */dash | */ash) exit 0 ;;
  esac
done
exit 1
`;

/** Does the image's first start still go on? Where that can't be told: no. */
async function isInitialising(pg: PostgresExec, signal: AbortSignal): Promise<boolean> {
  try {
    return (await pg.capture(['sh', '-c', INITIALISING], { signal })).exitCode === 0;
  } catch (error) {
    signal.throwIfAborted();
    if (isHoldfastError(error) && error.code === 'CONTAINER_NOT_FOUND') throw error;
    return false;
  }
}
