/** The steps that only a drill has: opening it, adapting compose files, asking gates, taking it down. */
import { mkdir, statfs, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { namesIn } from '../../src/format/config/names.js';
import { filesBase } from '../../src/format/config/artifacts.js';
import { toStackView } from '../../src/config/stack-view.js';
import { detectCompose } from '../../src/docker/compose/detect-compose.js';
import { messageOf, HoldfastError } from '../../src/base/errors.js';
import { DRILL_MARKER_FILE, drillRoot, isBelow } from '../../src/format/drill-names.js';
import {
  describeMeasured,
  drillMapping,
  fitDrill,
  type StackNames,
} from '../../src/plan/drill/drill.js';
import { projectsIn, requireProjects } from '../../src/docker/compose/project.js';
import type { DrillResult, NotTried } from '../../src/format/drill-result.js';
import type { RestoreServicePlan } from '../../src/plan/restore/restore-types.js';
import { formatBytes } from '../../src/base/words.js';
import { readArtifact } from '../../src/store/write/artifact.js';
import { recordDrill } from '../../src/store/records/drills.js';
import { resolveInside } from '../../src/store/layout.js';
import type { RestoreRecord } from '../../src/store/records/restore-shapes.js';
import { readRestoreRecord, writeRestoreRecord } from '../../src/store/records/restore-record.js';
import { mkdirDurably, pathExists, writeFileDurably } from '../../src/base/files/durable.js';
import { noteRunningBefore } from '../../src/store/records/restore-running.js';
import { savedRunning } from '../restore/service-start.js';
import { reapDrills, tearDownDrill } from './drill-teardown.js';
import { aliveAt } from '../shared/liveness.js';
import {
  checkDigest,
  guarded,
  projectOf,
  serviceOf,
  whileWaiting,
  withHeartbeat,
  runOf,
  type ActivityDependencies,
} from '../shared/runtime.js';

export interface BeginDrillInput {
  readonly drillId: string;
  readonly configDigest: string;
  readonly setId: string;
  readonly setTier: string;
  readonly services: readonly RestoreServicePlan[];
}

export interface BegunDrill {
  /** Services that are drilled. */
  readonly services: readonly string[];
  readonly notTried: readonly NotTried[];
  /** Services of which only a sample is compared, and what it may take on disk; absent without any. */
  readonly sample?: { readonly services: readonly string[]; readonly mostBytes: number };
}

// eslint-disable-next-line @typescript-eslint/explicit-module-boundary-types -- the type is the product
export function createDrillActivities(dependencies: ActivityDependencies) {
  const { config, engine, runLog, client } = dependencies;
  const { root } = config.backups;
  return {
    /** Removes what dead drills left; with `kept`, also what was left up for looking at. */
    reapDrills: guarded(async ({ kept }: { kept: boolean }): Promise<{ reaped: string[] }> =>
      withHeartbeat({ service: '', source: 'reap' }, 'reap', async (work) => ({
        reaped: await reapDrills(dependencies, aliveAt(client), { kept }, work),
      })),
    ),

    /**
     * Checks the host and opens the drill's record, which says what there will be to remove; then
     * makes its workspace. Touches nothing of the stack.
     * @throws HoldfastError DISK_FULL, DOCKER_UNREACHABLE, COMPOSE_FAILED, RESTORE_FAILED
     */
    beginDrill: guarded(async (input: BeginDrillInput): Promise<BegunDrill> => {
      checkDigest(config, input.configDigest);
      return whileWaiting({ service: '', source: 'host' }, 'check', async () => {
        await engine.ping();
        if (input.services.some(({ hasContainers }) => hasContainers)) await detectCompose();
        const workspace = path.join(
          config.drill.workspace ?? path.join(root, '.drill'),
          input.drillId,
        );
        requireApart(dependencies, workspace);
        const fit = fitDrill(toStackView(config), input.services, {
          maxDiskBytes: config.drill.maxDisk,
          impossible: impossibleServices(dependencies, input.services),
          sample: config.drill.sample !== undefined,
        });
        const services = input.services.filter(({ service }) => fit.services.includes(service));
        if (services.length + fit.sampled.length === 0) {
          const reasons = fit.notTried.map(({ service, reason }) => `${service}: ${reason}`);
          throw new HoldfastError(
            'RESTORE_FAILED',
            `nothing of the set can be drilled: ${reasons.join('; ')}`,
          );
        }
        const spareBytes = await requireSpace(dependencies, workspace, services);
        const settled = await requireProjects(
          dependencies.engine,
          config,
          services.map(({ service }) => service),
        );
        const record: RestoreRecord = {
          format: 'holdfast-restore',
          version: 1,
          restoreId: input.drillId,
          setId: input.setId,
          ...runOf(),
          startedAt: new Date().toISOString(),
          state: 'running',
          map: drillMapping(input.drillId, workspace, await namesOf({ config: settled }, services)),
          projects: projectsIn(settled),
          purpose: 'drill',
          drill: { workspace, setTier: input.setTier, kept: false },
        };
        if ((await readRestoreRecord(root, input.drillId)) === undefined) {
          await noteRunningBefore(root, input.drillId, async () => ({
            services: [],
            saved: await savedRunning(root, { id: input.setId, tier: input.setTier }),
          }));
          await writeRestoreRecord(root, record);
          await runLog.write(`Starting drill ${input.drillId} of set ${input.setId}`);
        }
        await mkdirDurably(workspace, 0o700);
        await writeFileDurably(path.join(workspace, DRILL_MARKER_FILE), `${input.drillId}\n`);
        await mkdir(drillRoot(workspace), { recursive: true });
        return {
          services: fit.services,
          notTried: fit.notTried,
          ...(fit.sampled.length === 0
            ? {}
            : {
                sample: {
                  services: fit.sampled,
                  mostBytes: Math.floor(Math.min(fit.leftBytes, spareBytes)),
                },
              }),
        };
      });
    }),

    /** Notes that it stays up: only who asks for that takes it down. */
    keepDrill: guarded(async ({ drillId }: { drillId: string }): Promise<{ workspace: string }> => {
      return whileWaiting({ service: '', source: 'keep' }, 'keep', async () => {
        const record = await readRestoreRecord(root, drillId);
        if (record?.drill === undefined) {
          throw new HoldfastError('RESTORE_FAILED', `the drill ${drillId} is not there any more`);
        }
        await writeRestoreRecord(root, { ...record, drill: { ...record.drill, kept: true } });
        return { workspace: record.drill.workspace };
      });
    }),

    tearDownDrill: guarded(async ({ drillId }: { drillId: string }): Promise<void> => {
      await withHeartbeat({ service: '', source: 'tear down' }, 'tear down', (work) =>
        tearDownDrill(dependencies, drillId, work),
      );
    }),

    /** Remembers what was found, for `holdfast list` and for estimates. */
    recordDrill: guarded(async ({ result }: { result: DrillResult }): Promise<void> => {
      await whileWaiting({ service: '', source: 'record' }, 'record', () =>
        recordDrill(root, result),
      );
      await runLog.write(
        `Drill ${result.drillId} of set ${result.setId} ${result.status}; ` +
          describeMeasured(result),
      );
    }),
  };
}

/** @throws HoldfastError CONFIG_INVALID where the workspace lies in what is backed up */
function requireApart({ config }: ActivityDependencies, workspace: string): void {
  for (const [name, service] of Object.entries(config.services)) {
    const places = [
      service.home,
      ...Object.values(service.sources).map((source) =>
        source.kind === 'files' ? filesBase(service, source) : undefined,
      ),
    ];
    const around = places.find((place) => place !== undefined && isBelow(workspace, place));
    if (around === undefined) continue;
    throw new HoldfastError(
      'CONFIG_INVALID',
      `the workspace of drills, ${workspace}, lies in ${around} of the service ${name}`,
      { hint: 'set drill.workspace to a directory of its own' },
    );
  }
}

/** A server that no compose file makes can't be made a second time. */
function impossibleServices(
  { config }: ActivityDependencies,
  services: readonly RestoreServicePlan[],
): Map<string, string> {
  const found = new Map<string, string>();
  for (const { service, sources } of services) {
    if (serviceOf(config, service).compose !== undefined) continue;
    if (!sources.some(({ kind }) => kind === 'postgres')) continue;
    found.set(service, 'its database server is not made by a compose file');
  }
  return found;
}

/** All that the configuration and the set's manifests call by a name. */
async function namesOf(
  { config }: Pick<ActivityDependencies, 'config'>,
  services: readonly RestoreServicePlan[],
): Promise<StackNames> {
  const { volumes, containers } = namesIn(config);
  const projects = new Set<string>();
  for (const [name, service] of Object.entries(config.services)) {
    const project = projectOf(name, service);
    if (project !== undefined) projects.add(project);
  }
  for (const { service, sources } of services) {
    for (const { kind, artifact } of sources) {
      if (kind !== 'postgres') continue;
      serviceOf(config, service);
      const manifest = await readArtifact(await resolveInside(config.backups.root, artifact.path));
      const data = manifest.postgres?.data;
      if (data?.type === 'volume') volumes.add(data.volume.name);
      if (manifest.postgres !== undefined) containers.add(manifest.postgres.container);
    }
  }
  return { volumes: [...volumes], containers: [...containers], projects: [...projects] };
}

/**
 * What is unpacked must fit, and leave the disk's reserve alone: a drill that fills the disk would do
 * harm where it was to prove that there is none.
 * @returns what is left beside them for the workspace
 */
async function requireSpace(
  { config, engine }: ActivityDependencies,
  workspace: string,
  services: readonly RestoreServicePlan[],
): Promise<number> {
  const bytesOf = (volumes: boolean): number =>
    services
      .flatMap(({ sources }) => sources)
      .filter(({ kind }) => (kind === 'volume') === volumes)
      .reduce((sum, { artifact }) => sum + artifact.contentBytes, 0);
  const disks = new Map<string, { needed: number; free: number }>();
  let workspaceDisk: string | undefined;
  const { dockerRootDir } = await engine.info();
  for (const [place, bytes] of [
    [await existingParent(workspace), bytesOf(false)],
    // The engine's disk, where it is this host's.
    ...((await pathExists(dockerRootDir)) ? [[dockerRootDir, bytesOf(true)] as const] : []),
  ] as const) {
    const { bavail, blocks, bsize, type } = await statfs(place);
    const key = `${type}:${blocks}:${bavail}`;
    workspaceDisk ??= key;
    const reserved = (blocks * bsize * config.backups.minimumFree) / 100;
    const disk = disks.get(key) ?? { needed: 0, free: bavail * bsize - reserved };
    disks.set(key, { ...disk, needed: disk.needed + bytes });
  }
  for (const { needed, free } of disks.values()) {
    if (needed <= free) continue;
    throw new HoldfastError(
      'DISK_FULL',
      `the drill needs ${formatBytes(needed)}, ${formatBytes(Math.max(0, free))} may be used`,
      {
        facts: { neededBytes: needed, freeBytes: free },
        hint: 'set drill.maxDisk to leave out what is too large, or drill.workspace to another disk',
      },
    );
  }
  const { needed, free } = disks.get(workspaceDisk ?? '') ?? { needed: 0, free: 0 };
  return free - needed;
}

async function existingParent(target: string): Promise<string> {
  let at = target;
  while (!(await pathExists(at)) && at !== '/') at = path.dirname(at);
  return at;
}

/** Writes what only the worker's user may read: interpolated compose files hold passwords. */
export async function writePrivately(file: string, text: string): Promise<void> {
  await writeFile(file, text, { mode: 0o600 }).catch((error: unknown) => {
    throw new HoldfastError('RESTORE_FAILED', `can't write ${file}: ${messageOf(error)}`);
  });
}
