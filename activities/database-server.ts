/** Bringing up a database server alone: what else is in its project would connect to it. */
import type { PostgresSource, ServiceConfig } from '../src/config/schema.js';
import { composeUpOnly } from '../src/docker/compose.js';
import { resolveCompose, serviceOfContainer } from '../src/docker/compose-model.js';
import type { Engine } from '../src/docker/engine.js';
import { ensureExternals } from '../src/docker/externals.js';
import { containerExec } from '../src/postgres/container.js';
import { waitUntilReady } from '../src/postgres/restore.js';
import type { PostgresExec } from '../src/postgres/server.js';
import type { Work } from '../src/progress.js';
import { composeProjectOf } from './containers.js';
import { loginOf } from './dump.js';

interface ServerOf {
  /** Of the service. */
  readonly name: string;
  readonly service: ServiceConfig;
  readonly source: PostgresSource;
}

/**
 * Makes and starts the server's container from its compose files, and nothing else of them.
 * @throws HoldfastError COMPOSE_FAILED, CONTAINER_NOT_FOUND
 */
export async function composeServerUp(
  engine: Engine,
  { name, service, source }: ServerOf,
  signal: AbortSignal,
): Promise<void> {
  const project = await composeProjectOf(name, service);
  const model = await resolveCompose(project, signal);
  await ensureExternals(engine, model);
  await composeUpOnly(project, serviceOfContainer(model, source.container), signal);
}

/** Waits until the server takes connections. @throws HoldfastError when it does not in its start time */
export async function readyServer(
  engine: Engine,
  source: PostgresSource,
  work: Work,
): Promise<PostgresExec> {
  const pg = containerExec(engine, { container: source.container });
  await waitUntilReady(pg, { ...(await loginOf(source)), timeoutMs: source.startTimeout }, work);
  return pg;
}
