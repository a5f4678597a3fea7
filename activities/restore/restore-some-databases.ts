/** Some databases of a running server from their archives, beside all others of it. */
import { findContainer, startContainer } from '../../src/docker/containers/containers.js';
import type { PostgresSource } from '../../src/format/config/sources.js';
import { asideDatabase } from '../../src/postgres/replace/aside-name.js';
import { describeDisabled, describeSlots } from '../../src/postgres/replace/held-database.js';
import {
  beforeAside,
  bringDatabaseBack,
  holdsOf,
  loadDatabases,
  setDatabaseAside,
  type LoadDatabasesOptions,
} from '../../src/postgres/replace/replace-database.js';
import type { LoginRoute } from '../../src/postgres/client/ready.js';
import type { PostgresExec, ServerLogin } from '../../src/postgres/client/exec.js';
import type { Work } from '../../src/base/progress.js';
import { readArtifact } from '../../src/store/write/artifact.js';
import { resolveInside } from '../../src/store/layout.js';
import type { DatabasesStep } from '../../src/store/records/restore-shapes.js';
import { readStep, writeStep } from '../../src/store/records/restore-record.js';
import { withFileLock } from '../../src/base/files/lock.js';
import { compareRestored, describeLeft } from './compare-databases.js';
import { composeServerUp, readyServer } from './database-server.js';
import { postgresSource } from '../shared/postgres-source.js';
import { lockFile } from '../shared/places.js';
import { forRestore, requireOpen } from './restore-context.js';
import type { RestoreReference } from './restore-tree.js';
import {
  checkDigest,
  guarded,
  serviceOf,
  withHeartbeat,
  type ActivityDependencies,
} from '../shared/runtime.js';

interface RestoredDatabases {
  readonly aside?: string;
  readonly verified: string;
  /** What is not as it was before, though it was restored as recorded. */
  readonly warnings?: readonly string[];
  /** What of the dump could not be made again, and how to make it; all rows are there. */
  readonly problems?: readonly string[];
}

// eslint-disable-next-line @typescript-eslint/explicit-module-boundary-types -- the type is the product
export function createRestoreSomeDatabasesActivities(dependencies: ActivityDependencies) {
  return {
    /** The old databases go aside by renaming; a second attempt drops what the first had loaded. */
    restoreSomeDatabases: guarded(
      async (
        input: RestoreReference & { databases: readonly string[] },
      ): Promise<RestoredDatabases> => {
        const named = await forRestore(dependencies, input.restoreId);
        const { config, runLog } = named;
        const { root } = config.backups;
        checkDigest(config, input.configDigest);
        const source = postgresSource(named, input);
        const lock = lockFile(root, 'restore', input.service, input.source);
        return withHeartbeat(input, 'prepare', (work) =>
          withFileLock(lock, { mode: 'wait', signal: work.signal }, async () => {
            await requireOpen(root, input);
            const directory = await resolveInside(root, input.artifactPath);
            const manifest = await readArtifact(directory);
            const { pg, login } = await runningServer(named, input, source, work);
            const undo = await register(root, input, pg, login, source.container, work);
            const { databases } = input;
            const dump = { directory, files: manifest.files, databases };
            const { postgres } = manifest;
            const problems = await loadOnce(root, input, { pg, login }, { undo, dump }, work);
            if (postgres !== undefined) {
              const comparing = { expected: () => postgres, databases };
              problems.push(...(await compareRestored({ pg, login }, comparing, work)));
            }
            await writeStep(root, input.restoreId, {
              ...stepOf(input, undo),
              state: 'done',
            });
            const aside = undo.databases.filter(({ existed }) => existed).map((one) => one.aside);
            const verified = `${databases.join(', ')} as recorded`;
            await runLog.write(`Restored ${verified} in ${source.container}`);
            for (const problem of problems) await runLog.write(`${source.container}: ${problem}`);
            const warnings = await changedByRestore({ pg, login }, undo, work.signal);
            return {
              verified,
              ...(aside.length === 0 ? {} : { aside: aside.join(', ') }),
              ...(warnings.length === 0 ? {} : { warnings }),
              ...(problems.length === 0 ? {} : { problems }),
            };
          }),
        );
      },
    ),
  };
}

/**
 * Sets the old databases aside and loads the new ones, unless an attempt before this one, killed while
 * it compared, did that. @returns what could not be made again
 */
async function loadOnce(
  root: string,
  input: RestoreReference,
  { pg, login }: LoginRoute,
  {
    undo,
    dump,
  }: {
    readonly undo: DatabasesStep;
    readonly dump: Omit<LoadDatabasesOptions, 'user' | 'password'>;
  },
  work: Work,
): Promise<string[]> {
  const earlier = await readStep(root, input.restoreId, input.service, input.source);
  if (earlier?.loaded !== undefined && earlier.state !== 'undone') {
    return [...earlier.loaded.problems];
  }
  for (const one of undo.databases) {
    if (one.existed) await setDatabaseAside(pg, login, one, work.signal);
  }
  const { left } = await loadDatabases(pg, { ...login, ...dump }, work);
  const problems = describeLeft(left);
  await writeStep(root, input.restoreId, {
    ...stepOf(input, undo),
    state: 'registered',
    loaded: { at: new Date().toISOString(), problems },
  });
  return [...problems];
}

/** How to take it back, on disk before anything is renamed; an attempt before this one knew best. */
async function register(
  root: string,
  input: RestoreReference & { databases: readonly string[] },
  pg: PostgresExec,
  login: ServerLogin,
  container: string,
  work: Work,
): Promise<DatabasesStep> {
  const earlier = await readStep(root, input.restoreId, input.service, input.source);
  if (earlier?.undo.kind === 'databases') return earlier.undo;
  const databases: DatabasesStep['databases'] = [];
  for (const database of input.databases) {
    const holds = await beforeAside(pg, login, database, work.signal);
    databases.push({
      database,
      aside: asideDatabase(database, input.restoreId),
      existed: holds !== undefined,
      ...(holds === undefined
        ? {}
        : {
            subscriptions: holds.subscriptions
              .filter(({ enabled }) => enabled)
              .map(({ name }) => name),
            allowConnections: holds.allowConnections,
          }),
    });
  }
  const undo: DatabasesStep = { kind: 'databases', container, databases };
  await writeStep(root, input.restoreId, { ...stepOf(input, undo), state: 'registered' });
  return undo;
}

/** Subscriptions that went on before and do not now, and slots that nobody fills any more. */
async function changedByRestore(
  { pg, login }: LoginRoute,
  undo: DatabasesStep,
  signal: AbortSignal,
): Promise<string[]> {
  const warnings: string[] = [];
  for (const { database, aside, existed, subscriptions = [] } of undo.databases) {
    const restored = await holdsOf(pg, login, database, signal);
    for (const subscription of restored?.subscriptions ?? []) {
      if (subscription.enabled || (existed && !subscriptions.includes(subscription.name))) continue;
      warnings.push(describeDisabled(database, subscription));
    }
    const old = existed ? await holdsOf(pg, login, aside, signal) : undefined;
    warnings.push(...describeSlots(database, old?.slots ?? []));
  }
  return warnings;
}

function stepOf(
  { service, source }: RestoreReference,
  undo: DatabasesStep,
): { service: string; source: string; at: string; undo: DatabasesStep } {
  return { service, source, at: new Date().toISOString(), undo };
}

type Context = Pick<ActivityDependencies, 'config' | 'engine'>;

/** The server, started where it does not run, alone. */
async function runningServer(
  { config, engine }: Context,
  { restoreId, service: name }: { readonly restoreId: string; readonly service: string },
  source: PostgresSource,
  work: Work,
): Promise<LoginRoute> {
  const service = serviceOf(config, name);
  const found = await findContainer(engine, source.container);
  if (found?.state !== 'running') {
    if (service.compose === undefined || found !== undefined) {
      await startContainer(engine, source.container);
    } else {
      await composeServerUp(engine, { config, restoreId, name, source }, work.signal);
    }
  }
  return readyServer(engine, source, work);
}

/** Puts the databases of a step back as they were. The server is needed for that: it is started. */
export async function bringDatabasesBack(
  context: Context,
  reference: { readonly restoreId: string; readonly service: string; readonly source: string },
  step: DatabasesStep,
  work: Work,
): Promise<void> {
  const source = postgresSource(context, reference);
  const { pg, login } = await runningServer(context, reference, source, work);
  for (const one of step.databases) await bringDatabaseBack(pg, login, one, work.signal);
}
