/** A PostgreSQL server's databases into an artifact. */
import { Context } from '@temporalio/activity';
import type { PostgresSource } from '../../src/format/config/sources.js';
import type { Config } from '../../src/format/config/schema.js';
import { inspectContainer, type ContainerInfo } from '../../src/docker/containers/containers.js';
import type { Engine } from '../../src/docker/engine/engine.js';
import { inspectVolume } from '../../src/docker/volumes/volumes.js';
import { messageOf } from '../../src/base/errors.js';
import { count, formatBytes } from '../../src/base/words.js';
import { containerExec } from '../../src/postgres/client/container.js';
import { dataLocation } from '../../src/postgres/client/data-location.js';
import { dumpCluster } from '../../src/postgres/dump/dump.js';
import { readReplication } from '../../src/postgres/client/replication.js';
import { saveSettings } from '../../src/postgres/settings/save-settings.js';
import type { LoginRoute } from '../../src/postgres/client/ready.js';
import type { Work } from '../../src/base/progress.js';
import type { ArtifactFile, PostgresInfo } from '../../src/format/manifest.js';
import type { SourceReference } from '../shared/source-reference.js';
import {
  checkDigest,
  guarded,
  withHeartbeat,
  type ActivityDependencies,
} from '../shared/runtime.js';
import { saveArtifact, type SavedArtifact } from './save.js';
import { postgresSource, loginOf, pgdataOf } from '../shared/postgres-source.js';

// eslint-disable-next-line @typescript-eslint/explicit-module-boundary-types -- the type is the product
export function createDumpActivities(dependencies: ActivityDependencies) {
  const { config, engine, runLog } = dependencies;
  return {
    dumpDatabase: guarded(async (input: SourceReference): Promise<SavedArtifact> => {
      checkDigest(config, input.configDigest);
      const source = postgresSource(dependencies, input);
      return withHeartbeat(input, 'dump', async (work) => {
        const container = await inspectContainer(engine, source.container);
        const pg = containerExec(engine, { container: source.container });
        const login = await loginOf(source);
        return saveArtifact(
          dependencies,
          input,
          Context.current().info.attempt,
          work,
          async ({ directory: destination }) => {
            const dumped = await dumpCluster(
              pg,
              {
                ...login,
                databases: source.databases,
                format: source.format,
                destination,
                compressionLevel: config.backups.compressionLevel,
                digestUpToBytes: source.digestTablesUpTo,
                owner: `${config.stack}/${input.service}/${input.source}`,
              },
              work,
            );
            await runLog.write(
              `PostgreSQL dump created successfully: ${count(dumped.postgres.databases.length, 'database')}, ` +
                formatBytes(dumped.totals.storedBytes),
            );
            for (const note of notDigested(dumped.postgres.databases)) await runLog.write(note);
            const beside = await saveBeside(
              config,
              source,
              { pg, login, container, destination },
              work,
            );
            const stored = beside.file?.sizeBytes ?? 0;
            return {
              kind: 'postgres',
              files: [...dumped.files, ...(beside.file === undefined ? [] : [beside.file])],
              totals: { ...dumped.totals, storedBytes: dumped.totals.storedBytes + stored },
              consistency: { state: 'consistent', changed: [], policy: 'degrade' },
              quiesce: 'snapshot',
              postgres: {
                ...dumped.postgres,
                ...beside.info,
                container: source.container,
                image: container.image,
                data: await whereData(engine, container),
              },
              problems: [
                ...dumped.postgres.notDumped.map(({ name, reason }) => ({
                  code: 'NOT_DUMPED',
                  message: `database ${name} was not dumped: ${reason}`,
                })),
                ...notCounted(dumped.postgres.databases).map((message) => ({
                  code: 'NOT_COUNTED',
                  message,
                })),
                ...beside.problems,
              ].map((problem) => ({ service: input.service, source: input.source, ...problem })),
              tools: { postgres: dumped.postgres.clientVersion },
            };
          },
        );
      });
    }),
  };
}

/** So many tables of a server are named; the manifest has all. */
const NAMED = 20;

/** What is in the dump, but a restore of it can't be held to: not even the number of rows is known. */
function notCounted(databases: PostgresInfo['databases']): string[] {
  return databases.flatMap(({ name, unanswered = [] }) => {
    const some = unanswered.filter(({ what }) => what === 'rows' || what === 'everything');
    if (some.length === 0) return [];
    return [
      `the rows of ${describeUnanswered(name, some)}: they are in the dump, but nobody can say how many`,
    ];
  });
}

function notDigested(databases: PostgresInfo['databases']): string[] {
  return databases.flatMap(({ name, unanswered = [] }) => {
    const some = unanswered.filter(({ what }) => what === 'digest');
    return some.length === 0 ? [] : [`no digest of ${describeUnanswered(name, some)}`];
  });
}

function describeUnanswered(
  database: string,
  some: NonNullable<PostgresInfo['databases'][number]['unanswered']>,
): string {
  const named = some.slice(0, NAMED).map(({ subject, reason }) => `${subject} (${reason})`);
  const more = some.length > NAMED ? ` and ${some.length - NAMED} more` : '';
  return `database ${database} could not be asked for: ${named.join(', ')}${more}`;
}

interface Beside {
  readonly file?: ArtifactFile;
  readonly info: Pick<PostgresInfo, 'settings' | 'replication'>;
  readonly problems: readonly { readonly code: string; readonly message: string }[];
}

/** What no dump holds of a server. It costs only itself where it can't be had. */
async function saveBeside(
  config: Config,
  source: PostgresSource,
  {
    pg,
    login,
    container,
    destination,
  }: LoginRoute & {
    readonly container: ContainerInfo;
    readonly destination: string;
  },
  work: Work,
): Promise<Beside> {
  const problems: { code: string; message: string }[] = [];
  const orProblem = async <T>(what: string, action: () => Promise<T>): Promise<T | undefined> => {
    try {
      return await action();
    } catch (error) {
      work.signal.throwIfAborted();
      problems.push({ code: 'NOT_SAVED', message: `${what} not saved: ${messageOf(error)}` });
      return undefined;
    }
  };
  const settings = source.serverSettings
    ? await orProblem('the server’s settings were', () =>
        saveSettings(
          pg,
          login,
          {
            destination,
            mounted: container.mounts.map((mount) => mount.destination),
            compressionLevel: config.backups.compressionLevel,
          },
          work.signal,
        ),
      )
    : undefined;
  const replication = await orProblem('what of replication is there was', () =>
    readReplication(pg, login, work.signal),
  );
  return {
    ...(settings === undefined ? {} : { file: settings.file }),
    info: {
      ...(settings === undefined ? {} : { settings: settings.info }),
      ...(replication === undefined ? {} : { replication }),
    },
    problems,
  };
}

/** Where the server keeps its data, so that a bare machine can be given the same place. */
async function whereData(engine: Engine, container: ContainerInfo): Promise<PostgresInfo['data']> {
  const location = dataLocation(container.mounts, pgdataOf(container));
  switch (location.type) {
    case 'bind':
    case 'unknown':
      return location;
    case 'volume': {
      const { name, driver, options, labels } = await inspectVolume(engine, location.name);
      return { type: 'volume', volume: { name, driver, options, labels } };
    }
  }
}
