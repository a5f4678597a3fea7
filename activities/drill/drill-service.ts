/** A drill's service: its compose files adapted, its gates asked behind the ports it does not publish. */
import { lstat, mkdir, readdir, realpath } from 'node:fs/promises';
import path from 'node:path';
import type { Config } from '../../src/format/config/schema.js';
import { detectCompose } from '../../src/docker/compose/detect-compose.js';
import { composeFiles, runCompose } from '../../src/docker/compose/compose.js';
import { containerLogsTail, listContainers } from '../../src/docker/containers/containers.js';
import { bindSources, type HostPlace } from '../../src/docker/drill/adapt-service.js';
import { drillCompose, parseCompose } from '../../src/docker/drill/drill-compose.js';
import { unsafePath } from '../../src/docker/drill/drill-unsafe.js';
import { imageEnvironment } from '../../src/docker/engine/images.js';
import { createNetwork } from '../../src/docker/engine/networks.js';
import { createVolume, findVolume } from '../../src/docker/volumes/volumes.js';
import { HoldfastError, isHoldfastError, messageOf, systemCodeOf } from '../../src/base/errors.js';
import { redactText } from '../../src/base/redact.js';
import { DRILL_COMPOSE_FILE, drillName, drillRoot, isBelow } from '../../src/format/drill-names.js';
import type { NotTried } from '../../src/format/drill-result.js';
import type { Work } from '../../src/base/progress.js';
import { homeOf } from '../shared/compose-of.js';
import { type ServiceReference } from '../shared/containers.js';
import { drillLabels } from './drill-labels.js';
import { writePrivately } from './drill.js';
import { forRestore } from '../restore/restore-context.js';
import {
  checkDigest,
  guarded,
  projectOf,
  serviceOf,
  withHeartbeat,
  type ActivityDependencies,
} from '../shared/runtime.js';
import { type GateOutcome, drillOf, writeAdapted } from './adapted-service.js';
import { passGates } from './drill-gates.js';

export interface AdaptedService {
  /** Compose services that will be started. */
  readonly started: readonly string[];
  readonly notTried: readonly NotTried[];
  readonly notes: readonly string[];
}

const LOG_LINES = 20;
const LONGEST_OUTPUT = 4_000;

// eslint-disable-next-line @typescript-eslint/explicit-module-boundary-types -- the type is the product
export function createDrillServiceActivities(dependencies: ActivityDependencies) {
  const { config, engine } = dependencies;
  return {
    /**
     * Makes of the restored compose files the one the drill starts the service with, and the networks
     * and volumes it names. Repeatable.
     * @throws HoldfastError COMPOSE_FAILED, CONFIG_INVALID (no compose file was restored), DOCKER_FAILED
     *   (an image is missing)
     */
    adaptDrillService: guarded(async (input: ServiceReference): Promise<AdaptedService> => {
      checkDigest(config, input.configDigest);
      return withHeartbeat({ service: input.service, source: 'start' }, 'adapt', (work) =>
        adapt(dependencies, input, work),
      );
    }),

    /** Waits for the service's gates. @throws HoldfastError HEALTH_GATE_FAILED */
    passDrillGates: guarded(async (input: ServiceReference): Promise<GateOutcome> => {
      checkDigest(config, input.configDigest);
      return withHeartbeat({ service: input.service, source: 'health' }, 'health', (work) =>
        passGates(dependencies, input, work),
      );
    }),

    /** The last output of the service's containers that are not as they should be; else of all. */
    readDrillOutput: guarded(
      async (
        input: Pick<ServiceReference, 'restoreId' | 'service'>,
      ): Promise<{ output: string }> => {
        return withHeartbeat(
          { service: input.service, source: 'output' },
          'read',
          async ({ report }) => {
            const { config: mapped } = await forRestore(dependencies, input.restoreId);
            const project = projectOf(input.service, serviceOf(mapped, input.service));
            if (project === undefined) return { output: '' };
            const all = await listContainers(engine, { composeProject: project });
            const bad = all.filter(
              ({ state, health }) => state !== 'running' || !['none', 'healthy'].includes(health),
            );
            const parts: string[] = [];
            for (const { id, name, composeService, healthLog } of bad.length > 0 ? bad : all) {
              const log = await containerLogsTail(engine, id, LOG_LINES).catch(messageOf);
              const probe = healthLog === '' ? '' : `\nhealth check: ${healthLog}`;
              report({ phase: 'read', bytes: 0, entries: parts.length + 1, totalBytes: 0 });
              parts.push(`${composeService ?? name}: ${redactText(log.trim())}${probe}`);
            }
            return { output: parts.join('\n').slice(-LONGEST_OUTPUT) };
          },
        );
      },
    ),
  };
}

async function adapt(
  dependencies: ActivityDependencies,
  { restoreId, service: name }: ServiceReference,
  work: Work,
): Promise<AdaptedService> {
  const { config, engine } = dependencies;
  const { workspace, real, mapped, workflowId } = await drillOf(dependencies, restoreId);
  const service = serviceOf(mapped, name);
  if (service.compose === undefined) return { started: [], notTried: [], notes: [] };
  const project = projectOf(name, serviceOf(real, name)) ?? name;
  const home = homeOf(name, service);
  const { version } = await detectCompose();
  const { stdout } = await runCompose(
    // Under the project's own name: so it tells what the real things are called.
    { home, project, files: await restoredComposeFiles(home, service.compose.files) },
    ['config'],
    { signal: work.signal, timeoutMs: 60_000 },
  );
  const compose = parseCompose(stdout);
  const labels = drillLabels(config, restoreId, workflowId);
  const adapted = drillCompose(compose, {
    drillId: restoreId,
    workspace,
    project,
    imageSeparator: version.startsWith('1.') ? '_' : '-',
    containers: containersNamed(config),
    labels,
    memoryBytes: config.drill.memory,
    places: await lookAtPlaces(bindSources(compose, workspace), workspace),
  });
  for (const image of adapted.images) await requireImage(dependencies, name, image);
  for (const directory of adapted.emptyDirectories) await makeInside(directory, workspace);
  for (const network of adapted.networks) {
    const internal = !config.drill.internet;
    await createNetwork(engine, { name: drillName(restoreId, network), labels, internal });
  }
  for (const volume of adapted.volumes) {
    const wanted = { name: drillName(restoreId, volume), driver: 'local', options: {}, labels };
    if ((await findVolume(engine, wanted.name)) === undefined) await createVolume(engine, wanted);
  }
  // JSON is YAML without doubt about what is text: `restart: no` would be a truth value.
  await writePrivately(path.join(home, DRILL_COMPOSE_FILE), JSON.stringify(adapted.file));
  await writeAdapted(workspace, name, { ...adapted, project: drillName(restoreId, project) });
  return {
    started: adapted.started,
    notTried: adapted.notStarted.map(({ service: what, reason }) => ({
      service: name,
      what,
      reason,
    })),
    notes: adapted.notes.map((note) => `${name}: ${note}`),
  };
}

async function restoredComposeFiles(home: string, patterns: readonly string[]): Promise<string[]> {
  try {
    return await composeFiles(home, patterns);
  } catch (error) {
    if (!isHoldfastError(error) || error.code !== 'CONFIG_INVALID') throw error;
    throw new HoldfastError(
      'CONFIG_INVALID',
      `the backup holds no compose file ${patterns.join(', ')}: on a new machine the service could not start`,
      { hint: 'add it to a files source of the service', cause: error },
    );
  }
}

/** Every container name the configuration uses, as the real stack has it. */
function containersNamed(config: Config): string[] {
  return Object.values(config.services).flatMap(({ sources, health = [] }) => [
    ...Object.values(sources).flatMap((source) =>
      source.kind === 'postgres' ? [source.container] : [],
    ),
    ...health.flatMap((check) => ('container' in check ? [check.container] : [])),
  ]);
}

async function requireImage(
  { engine }: ActivityDependencies,
  service: string,
  image: string,
): Promise<void> {
  if ((await imageEnvironment(engine, image)) !== undefined) return;
  throw new HoldfastError('RESTORE_FAILED', `the image ${image} is not on this host`, {
    facts: { service, image },
    hint: 'a drill uses the images that are there: pull or build it, then drill again',
  });
}

/** What is at each path of the host, links followed as the engine would follow them. */
async function lookAtPlaces(
  paths: readonly string[],
  workspace: string,
): Promise<Map<string, HostPlace>> {
  const root = await realpath(drillRoot(workspace));
  const places = new Map<string, HostPlace>();
  for (const one of paths) places.set(one, await lookAt(one, root));
  return places;
}

async function lookAt(given: string, root: string): Promise<HostPlace> {
  let at: string;
  try {
    at = await realpath(given);
  } catch (error) {
    const code = systemCodeOf(error);
    if (code === 'ENOENT' || code === 'ENOTDIR') return missingPlace(given, root);
    return { kind: 'unsafe', reason: messageOf(error) };
  }
  if (isBelow(at, root)) return { kind: 'workspace' };
  const reason = unsafePath(at);
  if (reason !== undefined) return { kind: 'unsafe', reason };
  const stats = await lstat(at);
  if (stats.isFile()) return { kind: 'file' };
  if (!stats.isDirectory()) return { kind: 'unsafe', reason: 'it is a socket or a device' };
  // Through a socket even a read-only mount reaches whoever listens.
  const entries = await readdir(at, { withFileTypes: true }).catch(() => []);
  return entries.some((entry) => entry.isSocket())
    ? { kind: 'unsafe', reason: 'sockets are in it' }
    : { kind: 'directory' };
}

/** Missing, but below a link that leads out: whoever makes it would make it there. */
async function missingPlace(given: string, root: string): Promise<HostPlace> {
  if (await isLink(given)) return { kind: 'unsafe', reason: 'it is a link to nothing' };
  for (let at = path.dirname(given); at !== '/'; at = path.dirname(at)) {
    const real = await realpath(at).catch(() => undefined);
    if (real === undefined) continue;
    const wasInside = isBelow(at, root);
    if (wasInside && !isBelow(real, root)) {
      return { kind: 'unsafe', reason: `${at} is a link that leads out of what was restored` };
    }
    break;
  }
  return { kind: 'missing' };
}

async function isLink(given: string): Promise<boolean> {
  return lstat(given).then(
    (stats) => stats.isSymbolicLink(),
    () => false,
  );
}

async function makeInside(directory: string, workspace: string): Promise<void> {
  if (!isBelow(directory, drillRoot(workspace))) {
    throw new HoldfastError('INTERNAL', `a drill would make ${directory}`);
  }
  await mkdir(directory, { recursive: true });
}
