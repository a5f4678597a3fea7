/**
 * A compose project as compose resolves it, several files and variables and all. Asked once for an
 * operation: the answer takes most of a second.
 */
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { parse } from 'yaml';
import { z } from 'zod';
import { HoldfastError } from '../../base/errors.js';
import { runCompose, type ComposeProject } from './compose.js';
import type { DependencyCondition, ServiceDefinition } from './start-plan.js';

const thingsSchema = z
  .record(
    z.string(),
    z
      .object({
        name: z.string().optional(),
        external: z.union([z.boolean(), z.object({ name: z.string().optional() })]).optional(),
      })
      .nullish(),
  )
  .nullish();
const configSchema = z.object({
  services: z
    .record(
      z.string(),
      z
        .looseObject({
          container_name: z.string().optional(),
          profiles: z.array(z.string()).nullish().catch(undefined),
          scale: z.number().int().min(0).nullish().catch(undefined),
          deploy: z
            .object({ replicas: z.number().int().min(0).nullish() })
            .nullish()
            .catch(undefined),
          depends_on: z
            .union([
              z.array(z.string()),
              z.record(z.string(), z.object({ condition: z.string().nullish() }).nullish()),
            ])
            .nullish()
            .catch(undefined),
          links: z.array(z.string()).nullish().catch(undefined),
          volumes_from: z.array(z.string()).nullish().catch(undefined),
          network_mode: z.string().nullish().catch(undefined),
          ipc: z.string().nullish().catch(undefined),
          pid: z.string().nullish().catch(undefined),
        })
        .nullish(),
    )
    .nullish(),
  networks: thingsSchema,
  volumes: thingsSchema,
});

export interface ComposeModel {
  readonly project: string;
  /** Names of services with the `container_name` they give, if they do. */
  readonly services: ReadonlyMap<string, string | undefined>;
  /** All services, those of profiles that are not active too. */
  readonly definitions: readonly ServiceDefinition[];
  /** What compose does not make itself, by real names. */
  readonly externalNetworks: readonly string[];
  readonly externalVolumes: readonly string[];
}

/** @throws HoldfastError COMPOSE_FAILED */
export async function resolveCompose(
  project: ComposeProject,
  signal: AbortSignal,
): Promise<ComposeModel> {
  const { stdout } = await runCompose(project, ['config'], {
    signal,
    timeoutMs: 60_000,
    // v2 leaves the others out.
    profiles: await profilesIn(project),
  });
  return composeModel(project.project, parse(stdout));
}

/** All profiles that the files name. */
async function profilesIn({ home, files }: ComposeProject): Promise<string[]> {
  const profiles = new Set<string>();
  for (const file of files) {
    const text = await readFile(path.resolve(home, file), 'utf8').catch(() => '');
    let document: unknown;
    try {
      document = parse(text);
    } catch {
      continue; // compose itself will say what is wrong with it
    }
    const { services } = configSchema.safeParse(document).data ?? {};
    for (const service of Object.values(services ?? {})) {
      for (const profile of service?.profiles ?? []) profiles.add(profile);
    }
  }
  return [...profiles];
}

/** From what `compose config` prints, parsed. Pure. */
export function composeModel(project: string, config: unknown): ComposeModel {
  const { services, networks, volumes } = configSchema.safeParse(config).data ?? {};
  const entries = Object.entries(services ?? {});
  return {
    project,
    services: new Map(entries.map(([name, service]) => [name, service?.container_name])),
    definitions: entries.map(([name, service]) =>
      definitionOf(name, service ?? {}, { networks, volumes }),
    ),
    externalNetworks: externalNames(networks),
    externalVolumes: externalNames(volumes),
  };
}

type ComposeService = NonNullable<
  NonNullable<NonNullable<z.output<typeof configSchema>['services']>[string]>
>;

function definitionOf(
  name: string,
  service: ComposeService,
  shared: Record<string, unknown>,
): ServiceDefinition {
  const joins = [service.network_mode, service.ipc, service.pid].flatMap((mode) =>
    mode?.startsWith('service:') === true ? [mode.slice('service:'.length)] : [],
  );
  const ordered = [...(service.links ?? []), ...(service.volumes_from ?? [])].flatMap((one) => {
    const [first = ''] = one.split(':');
    return first === 'container' ? [] : [{ service: first, condition: 'started' as const }];
  });
  return {
    name,
    profiles: service.profiles ?? [],
    scale: service.scale ?? service.deploy?.replicas ?? 1,
    dependsOn: [...dependenciesOf(service.depends_on), ...ordered],
    joins,
    digest: createHash('sha256').update(stable({ service, shared })).digest('hex'),
  };
}

function dependenciesOf(dependsOn: ComposeService['depends_on']): ServiceDefinition['dependsOn'] {
  if (dependsOn === null || dependsOn === undefined) return [];
  if (Array.isArray(dependsOn)) {
    return dependsOn.map((service) => ({ service, condition: 'started' }));
  }
  return Object.entries(dependsOn).map(([service, dependency]) => ({
    service,
    condition: conditionOf(dependency?.condition ?? ''),
  }));
}

function conditionOf(condition: string): DependencyCondition {
  if (condition === 'service_healthy') return 'healthy';
  return condition === 'service_completed_successfully' ? 'completed' : 'started';
}

/** JSON with keys in one order: compose prints them in any. */
function stable(value: unknown): string {
  return JSON.stringify(value, (_key, inner: unknown) =>
    typeof inner === 'object' && inner !== null && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1)))
      : inner,
  );
}

function externalNames(things: z.output<typeof thingsSchema>): string[] {
  return Object.entries(things ?? {}).flatMap(([key, thing]) => {
    const { external, name } = thing ?? {};
    if (external === undefined || external === false) return [];
    return [(external === true ? undefined : external.name) ?? name ?? key];
  });
}

/**
 * The service that makes a container, which may be gone: the one with that `container_name`, else the
 * one compose itself would name so (`<project>_<service>_1` or with dashes). Pure.
 * @throws HoldfastError CONTAINER_NOT_FOUND
 */
export function serviceOfContainer({ project, services }: ComposeModel, container: string): string {
  for (const [service, name] of services) {
    const given = [`${project}_${service}_`, `${project}-${service}-`].some(
      (start) => container.startsWith(start) && /^\d+$/.test(container.slice(start.length)),
    );
    if (name === undefined ? given : name === container) return service;
  }
  throw new HoldfastError(
    'CONTAINER_NOT_FOUND',
    `no service of compose project ${project} makes the container ${container}`,
    {
      hint: 'name it with container_name in the compose file, or correct "container"',
      facts: { container, services: [...services.keys()] },
    },
  );
}
