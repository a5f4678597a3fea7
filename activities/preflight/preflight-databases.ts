/** Can the databases of a running server be put aside? Asked before anything is touched. */
import type { Config } from '../../src/format/config/schema.js';
import { findContainer } from '../../src/docker/containers/containers.js';
import type { Engine } from '../../src/docker/engine/engine.js';
import type { RestoreServicePlan } from '../../src/plan/restore/restore-types.js';
import { beforeAside } from '../../src/postgres/replace/replace-database.js';
import type { Work } from '../../src/base/progress.js';
import { routeInto } from '../restore/database-server.js';
import { postgresSource } from '../shared/postgres-source.js';

/**
 * Of a server that does not run nothing can be known: it is asked again when it does, and then still
 * before the first of its databases is touched.
 * @throws HoldfastError RESTORE_FAILED for a database that is held; LOGIN_REFUSED, NO_FREE_CONNECTION
 */
export async function checkDatabases(
  { config, engine }: { readonly config: Config; readonly engine: Engine },
  plan: RestoreServicePlan,
  work: Work,
): Promise<void> {
  for (const { source: name, databases } of plan.sources) {
    if (databases === undefined) continue;
    const source = postgresSource({ config }, { service: plan.service, source: name });
    if ((await findContainer(engine, source.container))?.state !== 'running') continue;
    const { pg, login } = await routeInto(engine, source, work.signal);
    for (const database of databases) await beforeAside(pg, login, database, work.signal);
  }
}
