/**
 * Which compose projects the services of a configuration are: what runs on the host and what its files
 * say, held against the configuration.
 */
import { realpath } from 'node:fs/promises';
import path from 'node:path';
import { z } from 'zod';
import { namesIn } from '../../format/config/names.js';
import type { Config, ServiceConfig } from '../../format/config/schema.js';
import { HoldfastError } from '../../base/errors.js';
import { detectCompose } from './detect-compose.js';
import { composeFiles } from './compose.js';
import { COMPOSE_PROJECT_LABEL } from '../containers/container-info.js';
import { parseAnswer, type Engine } from '../engine/engine.js';
import { readProjectFiles } from './project-files.js';
import {
  findProjects,
  projectByRule,
  type HostProjects,
  type ProjectFinding,
  type ProjectService,
} from './project-rule.js';
import { own } from '../../base/own.js';

export type { ProjectFinding } from './project-rule.js';

const PROJECT_NAME_VARIABLE = 'COMPOSE_PROJECT_NAME';
const VOLUME_LABEL = 'com.docker.compose.volume';
export const WORKING_DIRECTORY_LABEL = 'com.docker.compose.project.working_dir';
export const CONFIG_FILES_LABEL = 'com.docker.compose.project.config_files';

const labelled = z.record(z.string(), z.string()).nullish();
const listedSchema = z.array(z.object({ Names: z.array(z.string()), Labels: labelled }));
const volumesSchema = z.object({
  Volumes: z.array(z.object({ Name: z.string(), Labels: labelled })).nullish(),
});

/** All containers and volumes that compose has made on this host: two calls, however many there are. */
export async function hostProjects(engine: Engine): Promise<HostProjects> {
  const filters = { label: [COMPOSE_PROJECT_LABEL] };
  const listed: unknown = await engine.call({ action: 'list containers' }, (abortSignal) =>
    engine.docker.listContainers({ all: true, filters, abortSignal }),
  );
  const listedVolumes: unknown = await engine.call({ action: 'list volumes' }, (abortSignal) =>
    engine.docker.listVolumes({ filters, abortSignal }),
  );
  const containers = parseAnswer(listedSchema, listed, 'list containers');
  const volumes = parseAnswer(volumesSchema, listedVolumes, 'list volumes').Volumes ?? [];
  return {
    containers: containers.flatMap(({ Names, Labels }) => {
      const project = Labels?.[COMPOSE_PROJECT_LABEL];
      const workingDirectory = Labels?.[WORKING_DIRECTORY_LABEL];
      const files = Labels?.[CONFIG_FILES_LABEL] ?? '';
      if (project === undefined) return [];
      return [
        {
          name: (Names[0] ?? '').replace(/^\//, ''),
          project,
          ...(workingDirectory === undefined ? {} : { workingDirectory }),
          configFiles: files.split(',').filter((file) => file !== ''),
        },
      ];
    }),
    volumes: volumes.flatMap(({ Name, Labels }) => {
      const project = Labels?.[COMPOSE_PROJECT_LABEL];
      const key = Labels?.[VOLUME_LABEL];
      return project === undefined || key === undefined ? [] : [{ name: Name, project, key }];
    }),
  };
}

/**
 * A finding for each service with compose files: its project, how it was found, and what is wrong with
 * it. For checks before anything is touched.
 * @throws HoldfastError DOCKER_UNREACHABLE, DOCKER_FAILED
 */
export async function surveyProjects(
  engine: Engine,
  config: Pick<Config, 'services'>,
): Promise<ProjectFinding[]> {
  const withCompose = Object.entries(config.services).filter(
    ([, { compose }]) => compose !== undefined,
  );
  if (withCompose.length === 0) return [];
  const host = await hostProjects(engine);
  const major = await composeMajor();
  const services = await Promise.all(
    withCompose.map(([name, service]) => projectService(name, service, major)),
  );
  return findProjects(services, host);
}

/**
 * The configuration with the project of every service in it that can be told. What `recorded` says of a
 * service counts: what a run began with it ends with, whatever became of its containers.
 */
export async function withProjects<C extends Pick<Config, 'services'>>(
  engine: Engine,
  config: C,
  recorded: Readonly<Record<string, string>> = {},
  /** Of a backup: for services of which nothing is left to tell it. */
  saved: Readonly<Record<string, string>> = {},
): Promise<C> {
  const open = Object.entries(config.services).filter(
    ([name, { compose }]) =>
      compose !== undefined && compose.project === undefined && own(recorded, name) === undefined,
  );
  const found = new Map(Object.entries(recorded));
  if (open.length > 0) {
    for (const { service, project, by } of await surveyProjects(engine, config)) {
      const known = by === 'rule' ? (own(saved, service) ?? project) : project;
      if (known !== undefined && !found.has(service)) found.set(service, known);
    }
  }
  return {
    ...config,
    services: Object.fromEntries(
      Object.entries(config.services).map(([name, service]) => {
        const project = own(recorded, name) ?? service.compose?.project ?? found.get(name);
        return service.compose === undefined || project === undefined
          ? [name, service]
          : [name, { ...service, compose: { ...service.compose, project } }];
      }),
    ),
  };
}

/** Service → project, of those that have one. Pure. */
export function projectsIn({ services }: Pick<Config, 'services'>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(services).flatMap(([name, { compose }]) =>
      compose?.project === undefined ? [] : [[name, compose.project]],
    ),
  );
}

/**
 * {@link withProjects}, for a run that is about to touch these services: none of them may be in doubt,
 * or configured as another project than the one that runs.
 * @throws HoldfastError CONFIG_INVALID naming all that is wrong (facts: problems)
 */
export async function requireProjects<C extends Pick<Config, 'services'>>(
  engine: Engine,
  config: C,
  services: readonly string[],
): Promise<C> {
  const wrong = (await surveyProjects(engine, config)).filter(
    ({ service, problem }) => problem !== undefined && services.includes(service),
  );
  if (wrong.length > 0) throw projectsUnclear(wrong);
  return withProjects(engine, config);
}

function projectsUnclear(findings: readonly ProjectFinding[]): HoldfastError {
  const problems = findings.flatMap(({ service, problem }) =>
    problem === undefined ? [] : [`${service}: ${problem.message}`],
  );
  return new HoldfastError('CONFIG_INVALID', problems.join('; '), {
    facts: { problems },
    hint:
      findings.find(({ problem }) => problem !== undefined)?.problem?.fix ?? 'set compose.project',
  });
}

async function projectService(
  name: string,
  service: ServiceConfig,
  major: 1 | 2,
): Promise<ProjectService> {
  const { home = '/', compose } = service;
  const files = await composeFiles(home, compose?.files ?? []).catch(() => []);
  const read = await readProjectFiles(
    home,
    files.map((file) => path.resolve(home, file)),
  );
  const real = await realpath(home).catch(() => home);
  const { containers, volumes } = namesIn({ services: { [name]: service } });
  return {
    service: name,
    ...(compose?.project === undefined ? {} : { configured: compose.project }),
    homes: [...new Set([path.resolve(home), real])],
    files,
    containers: [...containers],
    volumes: [...volumes],
    ownVolumes: read.ownVolumes,
    byRule: projectByRule(
      {
        environment: process.env[PROJECT_NAME_VARIABLE],
        dotenv: read.dotenv.get(PROJECT_NAME_VARIABLE),
        inFile: read.name,
        directory: home,
      },
      major,
    ),
  };
}

/** Which rules hold. Where there is no compose at all, those of today's. */
async function composeMajor(): Promise<1 | 2> {
  const found = await detectCompose().catch(() => undefined);
  return found?.version.startsWith('1.') === true ? 1 : 2;
}
