/** Whether the host can take a restore: everything that is wrong is named at once. */
import path from 'node:path';
import { filesBase } from '../../src/format/config/artifacts.js';
import { remapConfig } from '../../src/config/remap.js';
import { requireProjects } from '../../src/docker/compose/project.js';
import { detectCompose } from '../../src/docker/compose/detect-compose.js';
import { composeFiles } from '../../src/docker/compose/compose.js';
import {
  imageEnvironment,
  imagesOf,
  postgresMajor,
  whyNotPullable,
  type NeededImage,
} from '../../src/docker/engine/images.js';
import { listContainers } from '../../src/docker/containers/containers.js';
import { HoldfastError, isHoldfastError, messageOf } from '../../src/base/errors.js';
import { spaceProblems, withSurvey } from '../../src/plan/restore/host-survey.js';
import type { Mapping } from '../../src/format/mapping.js';
import type { RestorePlan, RestoreServicePlan } from '../../src/plan/restore/restore-types.js';
import { formatBytes } from '../../src/base/words.js';
import { majorOf } from '../../src/postgres/client/version.js';
import type { Work } from '../../src/base/progress.js';
import { readArtifact } from '../../src/store/write/artifact.js';
import { isOldFile } from '../../src/legacy/old-records.js';
import { resolveInside } from '../../src/store/layout.js';
import { barriersTo, plannedThings } from '../rollback/barrier.js';
import { homeOf } from '../shared/compose-of.js';
import { containersOf } from '../shared/containers.js';
import { checkContainers } from './preflight-containers.js';
import { checkDatabases } from './preflight-databases.js';
import { checkLibraries } from './preflight-libraries.js';
import { checkTrees } from './preflight-trees.js';
import { checkVolumes } from './preflight-volumes.js';
import { recoverHost } from '../rollback/recovery.js';
import { tablespacesInTheWay } from '../restore/restore-tablespaces.js';
import { restoredComposeFiles } from '../restore/restored-compose.js';
import {
  checkDigest,
  guarded,
  projectOf,
  serviceOf,
  withHeartbeat,
  type ActivityDependencies,
} from '../shared/runtime.js';
import { surveyHost } from '../survey/survey.js';
import { own } from '../../src/base/own.js';

// eslint-disable-next-line @typescript-eslint/explicit-module-boundary-types -- the type is the product
export function createPreflightActivities(dependencies: ActivityDependencies) {
  return {
    /**
     * Docker and compose answer, images are there or can be had, servers are not older than the
     * dumps, there is room for the new beside the old. Nothing is touched.
     */
    preflightHost: guarded(
      async (input: {
        restoreId: string;
        configDigest: string;
        plan: RestorePlan;
        map?: Mapping | undefined;
      }): Promise<void> => {
        checkDigest(dependencies.config, input.configDigest);
        await withHeartbeat({ service: '', source: 'host' }, 'check', async (work) => {
          const report = await recoverHost(dependencies);
          const config = await requireProjects(
            dependencies.engine,
            dependencies.config,
            input.plan.stages.flat().map(({ service }) => service),
          );
          // The record, which says it too, is only opened when all is well.
          const mapped = input.map !== undefined;
          const named = {
            ...dependencies,
            config: input.map === undefined ? config : remapConfig(config, input.map),
          };
          const problems = [
            ...barriersTo(plannedThings(named.config, input.plan), report, { mapped }),
            ...(await problemsOf(named, input.plan, mapped, work)),
          ];
          const [only, ...others] = problems;
          if (only === undefined) return;
          if (others.length === 0 && isHoldfastError(only)) throw only;
          const messages = problems.map(messageOf);
          throw new HoldfastError('RESTORE_FAILED', messages.join('; '), {
            facts: { problems: messages },
            hint: 'nothing was touched',
          });
        });
      },
    ),
  };
}

/** @throws HoldfastError DOCKER_UNREACHABLE: the one reason for all that would follow */
async function problemsOf(
  dependencies: ActivityDependencies,
  plan: RestorePlan,
  mapped: boolean,
  work: Work,
): Promise<unknown[]> {
  const problems: unknown[] = [];
  const note = async (check: () => Promise<void>): Promise<void> => {
    try {
      await check();
    } catch (error) {
      work.signal.throwIfAborted();
      if (isHoldfastError(error) && error.code === 'DOCKER_UNREACHABLE') throw error;
      problems.push(error);
    }
  };
  const services = plan.stages.flat();
  if (services.some(({ hasContainers }) => hasContainers)) {
    await dependencies.engine.ping();
    await note(async () => {
      await detectCompose();
    });
  }
  for (const service of services) {
    await note(() => checkCompose(dependencies, service));
    if (mapped) await note(() => checkHome(dependencies, service));
    await note(() => checkTrees(dependencies, service));
    await note(() => checkContainers(dependencies, service.service));
    await note(() => checkVolumes(dependencies, service));
    await note(() => checkImages(dependencies, service, work));
    await note(() => checkLibraries(dependencies, service, work));
    await note(() => checkDatabases(dependencies, service, work));
    await note(() => checkTablespaces(dependencies, service, work));
  }
  await note(() => checkSpace(dependencies, plan));
  return problems;
}

/** A service that is not restored from files must have its compose file already. */
async function checkCompose(
  { config, engine }: ActivityDependencies,
  { service: name, sources }: RestoreServicePlan,
): Promise<void> {
  const service = serviceOf(config, name);
  if (service.compose === undefined) return;
  if (sources.length === 0) {
    await containersOf(engine, name, service);
    return;
  }
  const brought = Object.values(service.sources).some(
    (source) => source.kind === 'files' && filesBase(service, source) === service.home,
  );
  if (brought) return;
  await composeFiles(homeOf(name, service), service.compose.files);
}

/** Containers made from another home could not be made again by a roll-back. */
async function checkHome(
  { config, engine }: ActivityDependencies,
  { service: name, sources }: RestoreServicePlan,
): Promise<void> {
  const service = serviceOf(config, name);
  const project = projectOf(name, service);
  if (project === undefined || sources.length === 0) return;
  const home = homeOf(name, service);
  for (const { labels, name: container } of await listContainers(engine, {
    composeProject: project,
  })) {
    const from = labels['com.docker.compose.project.working_dir'];
    if (from === undefined || from === home) continue;
    throw new HoldfastError(
      'RESTORE_FAILED',
      `${container} of project ${project} was made in ${from}, ${name} is restored to ${home}`,
      {
        facts: { container, project, from, home },
        hint: `remove the project's containers first, or give it another name (--map project:${project}=…)`,
      },
    );
  }
}

/** The images of what will be started, and the version of a server that a dump goes into. */
async function checkImages(
  { config, engine }: ActivityDependencies,
  plan: RestoreServicePlan,
  work: Work,
): Promise<void> {
  if (plan.sources.length === 0) return;
  const problems: string[] = [];
  const needed = imagesOf(await restoredComposeFiles(config, plan, work));
  for (const { image } of new Map(needed.map((one) => [one.image, one])).values()) {
    if ((await imageEnvironment(engine, image)) !== undefined) continue;
    const reason = await whyNotPullable(engine, image);
    if (reason === undefined) continue;
    problems.push(`${plan.service}: image ${image} is not here and can't be pulled: ${reason}`);
  }
  problems.push(...(await olderServers({ config, engine }, plan, needed)));
  if (problems.length === 0) return;
  throw new HoldfastError('RESTORE_FAILED', problems.join('; '), {
    facts: { problems },
    hint: 'load the image (docker load), or make its registry reachable; nothing was touched',
  });
}

async function olderServers(
  { config, engine }: Pick<ActivityDependencies, 'config' | 'engine'>,
  plan: RestoreServicePlan,
  needed: readonly NeededImage[],
): Promise<string[]> {
  const problems: string[] = [];
  for (const step of plan.sources) {
    const source = own(serviceOf(config, plan.service).sources, step.source);
    if (source?.kind !== 'postgres') continue;
    // Its script is only read by its own check, which runs beside this; loading it looks once more.
    if (await isOldFile(config.backups.root, step.artifact.path)) continue;
    const directory = await resolveInside(config.backups.root, step.artifact.path);
    const dumped = (await readArtifact(directory)).postgres;
    const image = needed.find(({ containerName }) => containerName === source.container)?.image;
    if (dumped === undefined || image === undefined) continue;
    const major = postgresMajor((await imageEnvironment(engine, image)) ?? []);
    if (major === undefined || major >= majorOf(dumped.serverVersionNumber)) continue;
    problems.push(
      `${plan.service}/${step.source}: the dump is of PostgreSQL ${dumped.serverVersion}, ` +
        `${image} is PostgreSQL ${major}`,
    );
  }
  return problems;
}

/** A new server can't make a tablespace where the old one has it, if that can't be put aside. */
async function checkTablespaces(
  { config, engine }: Pick<ActivityDependencies, 'config' | 'engine'>,
  plan: RestoreServicePlan,
  work: Work,
): Promise<void> {
  const problems: string[] = [];
  for (const step of plan.sources) {
    const source = serviceOf(config, plan.service).sources[step.source];
    if (source?.kind !== 'postgres' || step.databases !== undefined) continue;
    if (await isOldFile(config.backups.root, step.artifact.path)) continue;
    const directory = await resolveInside(config.backups.root, step.artifact.path);
    const { files } = await readArtifact(directory);
    const script = files.find(({ role }) => role === 'globals' || role === 'cluster');
    if (script === undefined) continue;
    const file = path.join(directory, script.name);
    const inTheWay = await tablespacesInTheWay(engine, source, file, work);
    problems.push(...inTheWay.map((problem) => `${plan.service}/${step.source}: ${problem}`));
  }
  if (problems.length === 0) return;
  throw new HoldfastError('RESTORE_FAILED', problems.join('; '), {
    facts: { problems },
    hint: 'keep tablespaces in bind mounts or plain volumes of the host; nothing was touched',
  });
}

/** New and old are on disk together until the end: what comes must fit beside what is there. */
async function checkSpace(dependencies: ActivityDependencies, plan: RestorePlan): Promise<void> {
  const { space } = withSurvey(plan, await surveyHost(dependencies));
  const problems = spaceProblems(space, formatBytes);
  if (problems.length === 0) return;
  throw new HoldfastError('DISK_FULL', problems.join('; '), {
    facts: { problems },
    hint: 'make room, or discard safety copies of earlier restores (`holdfast discard`); nothing was touched',
  });
}
