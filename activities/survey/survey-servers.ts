import type { PostgresSource } from '../../src/format/config/sources.js';
/** Can the databases of a configuration be dumped, and its SQL gates be asked? Asked of the servers. */
import type { Config } from '../../src/format/config/schema.js';
import { nearest } from '../../src/base/nearest.js';
import type { ConfigPath } from '../../src/format/config/config-path.js';
import type { ContainerInfo } from '../../src/docker/containers/containers.js';
import { findContainer } from '../../src/docker/containers/containers.js';
import type { Engine } from '../../src/docker/engine/engine.js';
import { isHoldfastError } from '../../src/base/errors.js';
import type { SurveyFinding } from '../../src/plan/backup/stack-survey.js';
import { containerExec } from '../../src/postgres/client/container.js';
import type { PostgresExec } from '../../src/postgres/client/exec.js';
import { runSql, serverFacts } from '../../src/postgres/client/server.js';
import { clientVersion, majorOf } from '../../src/postgres/client/version.js';
import { loginOf } from '../shared/postgres-source.js';
/** A server that is asked something takes milliseconds, and a busy one seconds. */
const TIMEOUT_MS = 10_000;
/** Made in a container one after the other by the engine: more at once wait for each other. */
const AT_ONCE = 4;

type Findings = Promise<SurveyFinding[]>;

/** @throws HoldfastError DOCKER_UNREACHABLE */
export async function serverFindings(
  config: Config,
  engine: Engine,
  signal: AbortSignal,
): Findings {
  const questions: (() => Findings)[] = [];
  for (const [service, { sources, health }] of Object.entries(config.services)) {
    for (const [key, source] of Object.entries(sources)) {
      if (source.kind !== 'postgres') continue;
      questions.push(() =>
        askSource(engine, ['services', service, 'sources', key], source, signal),
      );
    }
    for (const [index, check] of (health ?? []).entries()) {
      if (check.type !== 'sql') continue;
      questions.push(() => askGate(engine, ['services', service, 'health', index], check, signal));
    }
  }
  const findings: SurveyFinding[] = [];
  while (questions.length > 0) {
    const some = questions.splice(0, AT_ONCE);
    findings.push(...(await Promise.all(some.map((question) => question()))).flat());
  }
  return findings;
}

async function askSource(
  engine: Engine,
  at: ConfigPath,
  source: PostgresSource,
  outer: AbortSignal,
): Findings {
  const container = await findContainer(engine, source.container);
  if (container === undefined) return []; // told by the check of names
  const atContainer = [...at, 'container'];
  if (container.state !== 'running') {
    return error(
      'not-running',
      atContainer,
      `the database server ${container.name} is ${container.state}: nothing of it can be dumped`,
      'start it',
    );
  }
  const pg = containerExec(engine, source.container);
  return bounded(outer, atContainer, `the server in ${container.name}`, async (signal) => {
    try {
      const client = await clientVersion(pg, 'pg_dump', signal);
      const login = await loginOf(source);
      const server = await serverFacts(pg, login, 'COMMAND_FAILED', signal);
      const findings: SurveyFinding[] = [];
      if (majorOf(server.versionNumber) > client.major) {
        const message = `the server is PostgreSQL ${server.version}, newer than the programs in its container (${client.text}), which can't dump it`;
        findings.push(
          ...(await error('version', atContainer, message, 'use an image of the server’s version')),
        );
      }
      if (source.databases !== 'all') {
        const names = await runSql(
          pg,
          login,
          { database: server.maintenanceDatabase, sql: 'select datname from pg_database;' },
          signal,
        );
        for (const [index, name] of source.databases.entries()) {
          if (names.includes(name)) continue;
          const near = nearest(name, names);
          const fix =
            near === undefined ? `there are ${names.join(', ')}` : `did you mean "${near}"?`;
          findings.push(
            ...(await error(
              'not-there',
              [...at, 'databases', index],
              `there is no database "${name}" in ${container.name}`,
              fix,
            )),
          );
        }
      }
      return findings;
    } catch (caught) {
      return loginFinding(at, container, source.user, caught);
    }
  });
}

/** A gate that can't log in fails the restore that waits for it, when the service is down already. */
async function askGate(
  engine: Engine,
  at: ConfigPath,
  gate: { readonly container: string; readonly user: string; readonly database: string },
  outer: AbortSignal,
): Findings {
  const container = await findContainer(engine, gate.container);
  if (container?.state !== 'running') return [];
  const pg: PostgresExec = containerExec(engine, gate.container);
  return bounded(outer, [...at, 'container'], `the server in ${container.name}`, async (signal) => {
    try {
      const { user, database } = gate;
      await runSql(pg, { user }, { database, sql: 'select 1;' }, signal);
      return [];
    } catch (caught) {
      return loginFinding(at, container, gate.user, caught);
    }
  });
}

function loginFinding(
  at: ConfigPath,
  container: ContainerInfo,
  user: string,
  caught: unknown,
): SurveyFinding[] | Findings {
  if (!isHoldfastError(caught) || caught.code === 'DOCKER_UNREACHABLE') throw caught;
  const exitCode = caught.facts['exitCode'];
  if (exitCode === 126 || exitCode === 127 || /executable file not found/.test(caught.message)) {
    return error(
      'not-a-server',
      [...at, 'container'],
      `${container.name} (${container.image}) holds no PostgreSQL server: ${caught.message}`,
      'name the container of the server',
    );
  }
  if (caught.code === 'POSTGRES_UNREACHABLE') {
    return error(
      'no-answer',
      [...at, 'container'],
      `the server in ${container.name} takes no connections: ${caught.message}`,
      'see its log; start it, or wait until it is up',
    );
  }
  const made = container.env['POSTGRES_USER'];
  const fix =
    made !== undefined && made !== user
      ? `the server was made with POSTGRES_USER=${made}: set user: ${made}`
      : (caught.hint ?? 'correct "user" or "passwordFile"');
  return error(
    'login',
    [...at, 'user'],
    `"${user}" can't log into ${container.name}: ${caught.message}`,
    fix,
  );
}

async function bounded(
  outer: AbortSignal,
  at: ConfigPath,
  what: string,
  ask: (signal: AbortSignal) => Findings,
): Findings {
  const timeout = AbortSignal.timeout(TIMEOUT_MS);
  try {
    return await ask(AbortSignal.any([outer, timeout]));
  } catch (caught) {
    if (outer.aborted || !timeout.aborted) throw caught;
    return error(
      'no-answer',
      at,
      `${what} did not answer within ${TIMEOUT_MS / 1000} s`,
      'see its log',
    );
  }
}

function error(code: string, at: ConfigPath, message: string, fix: string): Findings {
  return Promise.resolve([{ severity: 'error', code, path: at, message, fix }]);
}
