/**
 * Restores a server's databases the guide's way: stop the container, put its data directory aside,
 * let compose start it on an empty one, wait until it accepts connections, load, analyze, and compare
 * with what was recorded at dump time.
 *
 * One activity, so that a second attempt begins where the first did: the old data stays aside, and
 * whatever a killed attempt had loaded is removed before anything is loaded again.
 */
import { chown, lstat, mkdir, readdir } from 'node:fs/promises';
import path from 'node:path';
import { mountsIn } from '../../src/base/files/places.js';
import { isPinned } from '../../src/tree/swap/place.js';
import { planSwap, stagePath, swapIn } from '../../src/tree/swap/replace.js';
import type { PostgresSource } from '../../src/format/config/sources.js';
import type { ServiceConfig } from '../../src/format/config/schema.js';
import {
  findContainer,
  startContainer,
  stopContainer,
} from '../../src/docker/containers/containers.js';
import { emptyVolume } from './volume-extract.js';
import { stageVolume, stagingName } from '../../src/docker/volumes/aside.js';
import { swapVolume } from '../../src/docker/volumes/volume-swap.js';
import { findVolume } from '../../src/docker/volumes/volumes.js';
import { HoldfastError } from '../../src/base/errors.js';
import { dataLocation } from '../../src/postgres/client/data-location.js';
import { drillRoot, isBelow, isDrillId } from '../../src/format/drill-names.js';
import { mapName, mapPath } from '../../src/format/mapping.js';
import { expectedOfScript } from '../../src/legacy/read-old-script.js';
import type { SettingsPlan } from '../../src/postgres/settings/apply-settings.js';
import type { LoginRoute } from '../../src/postgres/client/ready.js';
import { describeReplication, readReplication } from '../../src/postgres/client/replication.js';
import { loadDump, type LoadResult } from '../../src/postgres/load/restore.js';
import type { Work } from '../../src/base/progress.js';
import type { ArtifactManifest, PostgresInfo, VolumeInfo } from '../../src/format/manifest.js';
import { readRestorable } from '../../src/legacy/old-records.js';
import { readRestoreRecord, readStep, writeStep } from '../../src/store/records/restore-record.js';
import { pathExists, removeTree } from '../../src/base/files/durable.js';
import { withFileLock } from '../../src/base/files/lock.js';
import { compareRestored, describeLeft } from './compare-databases.js';
import { composeServerUp, readyServer, routeInto } from './database-server.js';
import { pgdataOf, postgresSource } from '../shared/postgres-source.js';
import { forRestore, restoreLock, volumeToRestore, requireOpen } from './restore-context.js';
import type { RestoreReference } from './restore-tree.js';
import { prepareTablespaces, type DataPlace } from './restore-tablespaces.js';
import {
  settingsAtEnd,
  settingsForLoad,
  type SettingsForLoad,
  type SettingsTarget,
} from './server-settings.js';
import {
  checkDigest,
  guarded,
  serviceOf,
  withHeartbeat,
  type ActivityDependencies,
} from '../shared/runtime.js';

// eslint-disable-next-line @typescript-eslint/explicit-module-boundary-types -- the type is the product
export function createRestoreDatabaseActivities(dependencies: ActivityDependencies) {
  return {
    restoreDatabase: guarded(async (input: RestoreDatabaseInput): Promise<RestoredDatabase> =>
      databaseRestorer(await forRestore(dependencies, input.restoreId))(input),
    ),
  };
}

interface ToLoad {
  readonly service: ServiceConfig;
  readonly source: PostgresSource;
  readonly place: DataPlace;
  readonly directory: string;
  readonly manifest: ArtifactManifest;
  readonly recorded: PostgresInfo;
}

interface Loaded {
  readonly aside?: string;
  readonly problems: string[];
  /** What of the settings waits for the end. */
  readonly settings?: SettingsPlan;
}

interface RestoredDatabase {
  readonly aside?: string;
  readonly verified: string;
  /** What a person should know: what is not as it was. */
  readonly warnings?: readonly string[];
  /** What of the dump could not be made again, and how to make it; all rows are there. */
  readonly problems?: readonly string[];
  /** How long the comparison with the manifest took. */
  readonly compareMs: number;
}

function databaseRestorer(
  dependencies: ActivityDependencies,
): (input: RestoreDatabaseInput) => Promise<RestoredDatabase> {
  const { config, engine, runLog } = dependencies;
  const { root } = config.backups;
  return async (input) => {
    checkDigest(config, input.configDigest);
    const service = serviceOf(config, input.service);
    const source = postgresSource(dependencies, input);
    const lock = restoreLock(root, input.restoreId, input.service, input.source);
    return withHeartbeat(input, 'prepare', (work) =>
      withFileLock(lock, { mode: 'wait', signal: work.signal }, async () => {
        await requireOpen(root, input);
        const { directory, manifest } = await readRestorable(root, input.artifactPath);
        const recorded = postgresOf(manifest);
        const place = await placeToRestore(
          input.restoreId,
          await dataPlace(input.restoreId, service, source, recorded),
        );
        const { aside, problems, settings } =
          (await loadedBefore(input, { service, source, directory, recorded }, work)) ??
          (await loadAnew(input, { service, source, place, directory, manifest, recorded }, work));
        const comparedFrom = Date.now();
        const { verified, differing } = await compare(source, manifest, recorded, work);
        const compareMs = Date.now() - comparedFrom;
        problems.push(...differing);
        const loaded = await routeInto(engine, source, work.signal);
        const warnings = [
          ...(await settingsAtEnd(settingsTarget(input, service, source), loaded, settings, work)),
          ...notRestored(recorded, { aside, left: !wantsSettings(source, input) }),
          ...(await changedReplication(source, recorded, work)),
        ];
        await runLog.write(
          `PostgreSQL in ${source.container} restored: ${verified}` +
            (aside === undefined ? '' : `; the old data is kept in ${aside}`),
        );
        for (const text of [...problems, ...warnings]) {
          await runLog.write(`${source.container}: ${text}`);
        }
        return {
          verified,
          compareMs,
          ...(aside === undefined ? {} : { aside }),
          ...(problems.length === 0 ? {} : { problems }),
          ...(warnings.length === 0 ? {} : { warnings }),
        };
      }),
    );
  };

  /** Loading takes hours: an attempt after one that was killed while it compared does not do it again. */
  async function loadedBefore(
    input: RestoreDatabaseInput,
    dump: Pick<ToLoad, 'service' | 'source' | 'directory' | 'recorded'>,
    work: Work,
  ): Promise<Loaded | undefined> {
    const step = await readStep(root, input.restoreId, input.service, input.source);
    if (step?.state !== 'done' || step.loaded === undefined) return undefined;
    // The settings at whose end it was killed are those of the load once more.
    const { plan } = await startWithSettings(input, dump, work);
    const problems = [...step.loaded.problems];
    return {
      problems,
      ...(plan === undefined ? {} : { settings: plan }),
      ...(step.undo.kind === 'tree' && step.undo.existed ? { aside: step.undo.aside } : {}),
    };
  }

  async function startWithSettings(
    input: RestoreDatabaseInput,
    dump: Pick<ToLoad, 'service' | 'source' | 'directory' | 'recorded'>,
    work: Work,
  ): Promise<SettingsForLoad> {
    const { service, source, directory, recorded } = dump;
    const started = await startServer(input, service, source, work);
    const settings = wantsSettings(source, input) ? recorded.settings : undefined;
    const target = settingsTarget(input, service, source);
    return settingsForLoad(target, started, { directory, settings }, work);
  }

  function settingsTarget(
    input: RestoreReference,
    service: ServiceConfig,
    source: PostgresSource,
  ): SettingsTarget {
    const drill = isDrillId(input.restoreId);
    return { engine, source, graceMs: service.stopGrace, drill };
  }

  async function loadAnew(input: RestoreDatabaseInput, dump: ToLoad, work: Work): Promise<Loaded> {
    const { service, source, place } = dump;
    await stopServer(source.container, service);
    const { aside } = await freshData(input, place, work);
    const emptiedAt = new Date();
    const { route, plan } = await startWithSettings(input, dump, work);
    const { left } = await load(input, route, { ...dump, emptiedAt }, work);
    const problems = describeLeft(left);
    const step = await readStep(root, input.restoreId, input.service, input.source);
    if (step !== undefined) {
      const loaded = { at: new Date().toISOString(), problems };
      await writeStep(root, input.restoreId, { ...step, loaded });
    }
    return {
      problems: [...problems],
      ...(plan === undefined ? {} : { settings: plan }),
      ...(aside === undefined ? {} : { aside }),
    };
  }

  async function changedReplication(
    source: PostgresSource,
    recorded: PostgresInfo,
    work: Work,
  ): Promise<string[]> {
    const { pg, login } = await routeInto(engine, source, work.signal);
    return describeReplication(recorded.replication, await readReplication(pg, login, work.signal));
  }

  /** Configured, else what the container mounts now, else what it mounted when it was backed up. */
  async function dataPlace(
    restoreId: string,
    service: ServiceConfig,
    source: PostgresSource,
    recorded: PostgresInfo,
  ): Promise<DataPlace> {
    if (source.dataDirectory !== undefined) {
      return { type: 'bind', path: path.resolve(service.home ?? '/', source.dataDirectory) };
    }
    if (source.dataVolume !== undefined) {
      return { type: 'volume', volume: await volumeNamed(source.dataVolume, recorded) };
    }
    const container = await findContainer(engine, source.container);
    if (container !== undefined) {
      const location = dataLocation(container.mounts, pgdataOf(container));
      if (location.type === 'bind') return location;
      if (location.type === 'volume') {
        return { type: 'volume', volume: await volumeNamed(location.name, recorded) };
      }
    }
    if (recorded.data.type !== 'unknown') return mapped(restoreId, recorded.data);
    throw new HoldfastError(
      'RESTORE_FAILED',
      `where ${source.container} keeps its data is not known`,
      { hint: 'set dataDirectory or dataVolume in the source’s configuration' },
    );
  }

  /** A drill's data is its own, whatever was found out about the real one. */
  async function placeToRestore(restoreId: string, place: DataPlace): Promise<DataPlace> {
    if (place.type === 'volume') {
      return { type: 'volume', volume: await volumeToRestore(config, restoreId, place.volume) };
    }
    const workspace = (await readRestoreRecord(root, restoreId))?.drill?.workspace;
    if (workspace !== undefined && !isBelow(place.path, drillRoot(workspace))) {
      throw new HoldfastError('INTERNAL', `the drill ${restoreId} would touch ${place.path}`);
    }
    return place;
  }

  /** Where it was when it was backed up, under the names of this restore. */
  async function mapped(
    restoreId: string,
    place: Exclude<PostgresInfo['data'], { type: 'unknown' }>,
  ): Promise<DataPlace> {
    const map = (await readRestoreRecord(root, restoreId))?.map;
    if (map === undefined) return place;
    if (place.type === 'bind') return { type: 'bind', path: mapPath(place.path, map.paths) };
    const name = mapName(place.volume.name, map.volumes);
    return { type: 'volume', volume: { ...place.volume, name } };
  }

  async function volumeNamed(name: string, recorded: PostgresInfo): Promise<VolumeInfo> {
    const found = await findVolume(engine, name);
    if (found !== undefined) {
      const { driver, options, labels } = found;
      return { name, driver, options, labels };
    }
    return recorded.data.type === 'volume'
      ? { ...recorded.data.volume, name }
      : { name, driver: 'local', options: {}, labels: {} };
  }

  async function stopServer(container: string, service: ServiceConfig): Promise<void> {
    if ((await findContainer(engine, container)) === undefined) return;
    await stopContainer(engine, container, service.stopGrace);
  }

  /** The old data goes aside once; every attempt begins with an empty directory. */
  async function freshData(
    input: RestoreReference,
    place: DataPlace,
    work: Work,
  ): Promise<{ aside?: string }> {
    const earlier = await readStep(root, input.restoreId, input.service, input.source);
    const step = {
      service: input.service,
      source: input.source,
      at: earlier?.at ?? new Date().toISOString(),
    };
    if (place.type === 'bind') {
      await refuseMountPoint(place.path);
      if (earlier?.undo.kind === 'tree' && earlier.state === 'done') {
        const { mode, existed, aside } = earlier.undo;
        if (mode !== 'whole' || (existed && !(await pathExists(aside)))) {
          throw new HoldfastError('RESTORE_FAILED', `the old data of ${place.path} is not aside`, {
            facts: { path: place.path, aside },
            hint: 'nothing was removed; look where it is before going on',
          });
        }
        await emptyDirectory(earlier.undo.base);
        return earlier.undo.existed ? { aside: earlier.undo.aside } : {};
      }
      const stage = await stagePath(place.path, input.restoreId);
      await emptyLike(place.path, stage);
      const undo =
        earlier?.undo.kind === 'tree'
          ? earlier.undo
          : {
              ...(await planSwap(
                { base: place.path, include: ['**'], exclude: [] },
                stage,
                input.restoreId,
              )),
              kind: 'tree' as const,
              oldUnits: [],
              newUnits: [],
              carried: [],
              kept: undefined,
              listed: undefined,
            };
      await writeStep(root, input.restoreId, { ...step, undo, state: 'registered' });
      const swapped = await swapIn(undo);
      await writeStep(root, input.restoreId, { ...step, undo, state: 'done' });
      return swapped;
    }
    if (earlier?.undo.kind === 'volume' && earlier.state === 'done') {
      await emptyVolume(engine, earlier.undo.volume, work);
      return {};
    }
    const existed =
      earlier?.undo.kind === 'volume'
        ? earlier.undo.existed
        : (await findVolume(engine, place.volume.name)) !== undefined;
    const staging = stagingName(place.volume.name, input.restoreId);
    // Once the step is on disk the swap may be over and its staging used up: a new one would be empty
    // like it, and would be swapped in once more.
    if (earlier === undefined) await stageVolume(engine, place.volume.name, input.restoreId);
    const undo = {
      kind: 'volume' as const,
      volume: place.volume.name,
      stage: staging,
      existed,
    };
    await writeStep(root, input.restoreId, { ...step, undo, state: 'registered' });
    const swapped = await swapVolume(
      engine,
      { volume: place.volume, staging, asideId: input.restoreId },
      work,
    );
    await writeStep(root, input.restoreId, { ...step, undo, state: 'done' });
    return swapped;
  }

  /** Only the server: what else is in its project would connect while the databases are loaded. */
  async function startServer(
    input: RestoreReference,
    service: ServiceConfig,
    source: PostgresSource,
    work: Work,
  ): Promise<LoginRoute> {
    if (service.compose === undefined) await startContainer(engine, source.container);
    else {
      const { restoreId, service: name } = input;
      await composeServerUp(engine, { config, restoreId, name, source }, work.signal);
    }
    return readyServer(engine, source, work);
  }

  async function load(
    input: RestoreReference,
    { pg, login }: LoginRoute,
    dump: ToLoad & { readonly emptiedAt: Date },
    work: Work,
  ): Promise<LoadResult> {
    const { source, place } = dump;
    return loadDump(
      pg,
      {
        ...login,
        directory: dump.directory,
        files: dump.manifest.files,
        postgres: dump.recorded,
        initialisedAfter: dump.emptiedAt,
        prepareTablespaces: (wanted) =>
          prepareTablespaces({ root, engine }, input, { source, place, ...wanted }, work),
        // From here on the roles and passwords are the restored ones.
        afterGlobals: () => routeInto(engine, source, work.signal),
      },
      work,
    );
  }

  async function compare(
    source: PostgresSource,
    { importedFrom }: ArtifactManifest,
    recorded: PostgresInfo,
    work: Work,
  ): Promise<{ verified: string; differing: readonly string[] }> {
    const route = await routeInto(engine, source, work.signal);
    const differing = await compareRestored(
      route,
      {
        expected: (state) =>
          importedFrom === undefined ? recorded : expectedOfScript(recorded, state),
      },
      work,
    );
    const tables = recorded.databases.flatMap(({ tables: all }) => all);
    const rows = tables.reduce((sum, { rows: count }) => sum + count, 0);
    const verified = `${recorded.databases.length} databases, ${tables.length} tables, ${rows} rows as recorded`;
    return { verified, differing };
  }
}

type RestoreDatabaseInput = RestoreReference & {
  /** False leaves the server with what initdb made; the configuration may say so, too. */
  readonly serverSettings?: boolean;
};

function wantsSettings(source: PostgresSource, { serverSettings }: RestoreDatabaseInput): boolean {
  return source.serverSettings && serverSettings !== false;
}

/** Settings that do not come back, though they were there. */
function notRestored(
  { settings }: PostgresInfo,
  { aside, left }: { readonly aside: string | undefined; readonly left: boolean },
): string[] {
  if (left || settings !== undefined) return [];
  return [
    'the settings of the server (postgresql.conf, pg_hba.conf …) are not in this backup: they are what initdb makes' +
      (aside === undefined ? '' : `; those from before are in ${aside}`),
  ];
}

function postgresOf(manifest: ArtifactManifest): PostgresInfo {
  if (manifest.postgres !== undefined) return manifest.postgres;
  throw new HoldfastError('MANIFEST_INVALID', 'the artifact holds no PostgreSQL dump');
}

/** An own file system can't be renamed aside, and a server starts in no directory that holds an aside. */
export async function refuseMountPoint(directory: string): Promise<void> {
  const [inner] = await mountsIn(directory);
  if (inner === undefined && !(await isPinned(directory))) return;
  const why =
    inner === undefined ? 'is a mount point, or held by what it is in' : 'has mounts in it';
  throw new HoldfastError(
    'RESTORE_FAILED',
    `the data directory ${directory} ${why}: it can't be put aside`,
    {
      facts: { path: directory },
      hint: 'let the server use a directory below it (PGDATA), or a volume',
    },
  );
}

/** A new empty directory with owner and mode of the one it will replace. */
async function emptyLike(model: string, directory: string): Promise<void> {
  await removeTree(directory, { ours: true });
  await mkdir(directory, { recursive: true, mode: 0o700 });
  if (!(await pathExists(model))) return;
  const { uid, gid } = await lstat(model);
  await chown(directory, uid, gid);
}

async function emptyDirectory(directory: string): Promise<void> {
  for (const name of await readdir(directory)) {
    await removeTree(path.join(directory, name), { ours: true });
  }
}
