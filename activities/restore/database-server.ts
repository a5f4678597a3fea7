import type { PostgresSource } from '../../src/format/config/sources.js';
/** Bringing up a database server alone: what else is in its project would connect to it. */
import type { Config } from '../../src/format/config/schema.js';
import { composeUpOnly } from '../../src/docker/compose/compose.js';
import { resolveCompose, serviceOfContainer } from '../../src/docker/compose/compose-model.js';
import {
  findContainer,
  inspectContainer,
  startContainer,
} from '../../src/docker/containers/containers.js';
import type { Engine } from '../../src/docker/engine/engine.js';
import { ensureExternals } from '../../src/docker/compose/externals.js';
import { containerExec } from '../../src/postgres/client/container.js';
import { pickRoute, waitUntilReady, type LoginRoute } from '../../src/postgres/client/ready.js';
import type { PostgresExec } from '../../src/postgres/client/exec.js';
import type { Work } from '../../src/base/progress.js';
import { readDefinitionsBefore } from '../../src/store/records/restore-running.js';
import { composeProjectOf } from '../shared/compose-of.js';
import { loginOf } from '../shared/postgres-source.js';

interface ServerOf {
  /** Under the names of the restore. */
  readonly config: Config;
  readonly restoreId: string;
  /** Of the service. */
  readonly name: string;
  readonly source: PostgresSource;
}

/**
 * Starts the server's container and nothing else of its compose files; makes it where it is missing or
 * configured otherwise now. The very same one is only started: it may have been made with variables of a
 * shell, which nobody knows any more.
 * @throws HoldfastError COMPOSE_FAILED, CONTAINER_NOT_FOUND
 */
export async function composeServerUp(
  engine: Engine,
  { config, restoreId, name, source }: ServerOf,
  signal: AbortSignal,
): Promise<void> {
  const project = await composeProjectOf({ config }, { restoreId, service: name });
  const model = await resolveCompose(project, signal);
  await ensureExternals(engine, model);
  const found = await findContainer(engine, source.container);
  const service =
    found?.composeProject === project.project && found.composeService !== undefined
      ? found.composeService
      : serviceOfContainer(model, source.container);
  const before = await readDefinitionsBefore(config.backups.root, restoreId, name);
  const now = model.definitions.find((one) => one.name === service)?.digest;
  if (found !== undefined && now !== undefined && before?.get(service) === now) {
    await startContainer(engine, found.id);
    return;
  }
  await composeUpOnly(project, service, signal);
}

/**
 * Waits until the server takes connections, by whichever way there is in.
 * @throws HoldfastError LOGIN_REFUSED; POSTGRES_UNREACHABLE when it does not in its start time
 */
export async function readyServer(
  engine: Engine,
  source: PostgresSource,
  work: Work,
): Promise<LoginRoute> {
  const [first, ...others] = await loginRoutes(engine, source, work.signal);
  const options = { ...first.login, timeoutMs: source.startTimeout, others };
  return (await waitUntilReady(first.pg, options, work)).route;
}

/** The way into a server that runs. @throws HoldfastError LOGIN_REFUSED, POSTGRES_UNREACHABLE */
export async function routeInto(
  engine: Engine,
  source: PostgresSource,
  signal: AbortSignal,
): Promise<LoginRoute> {
  return pickRoute(await loginRoutes(engine, source, signal), signal);
}

/** The operating system's user that runs the server in the official images. */
const SERVER_OS_USER = 'postgres';

/**
 * The ways into a server, the configured one first. A cluster that initdb has just made knows neither
 * a role that was made by SQL later nor a password that was changed later: it knows what the
 * container's environment says.
 */
async function loginRoutes(
  engine: Engine,
  source: PostgresSource,
  signal: AbortSignal,
): Promise<[LoginRoute, ...LoginRoute[]]> {
  const { container } = source;
  const pg = containerExec(engine, { container });
  const configured = await loginOf(source);
  const env = (await inspectContainer(engine, container)).env;
  const bootstrap = {
    user: env['POSTGRES_USER'] ?? 'postgres',
    password: await bootstrapPassword(pg, env, signal),
  };
  const asServer = containerExec(engine, { container, osUser: SERVER_OS_USER });
  return [
    { pg, login: configured },
    ...(bootstrap.user === configured.user && bootstrap.password === configured.password
      ? []
      : [{ pg, login: bootstrap }]),
    // `peer` on the socket lets in who is called like the role.
    { pg: asServer, login: bootstrap },
  ];
}

async function bootstrapPassword(
  pg: PostgresExec,
  env: Readonly<Record<string, string>>,
  signal: AbortSignal,
): Promise<string | undefined> {
  const file = env['POSTGRES_PASSWORD_FILE'];
  if (file === undefined || file === '') return env['POSTGRES_PASSWORD'];
  try {
    const { exitCode, stdout } = await pg.capture(['cat', file], { signal });
    return exitCode === 0 ? stdout.replace(/\n+$/, '') : undefined;
  } catch {
    signal.throwIfAborted();
    return undefined; // the container is being restarted: the other routes tell why
  }
}
