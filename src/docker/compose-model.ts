/**
 * A compose project as compose resolves it, several files and variables and all. Asked once for an
 * operation: the answer takes most of a second.
 */
import { parse } from 'yaml';
import { z } from 'zod';
import { HoldfastError } from '../errors.js';
import { runCompose, type ComposeProject } from './compose.js';

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
    .record(z.string(), z.object({ container_name: z.string().optional() }).nullish())
    .nullish(),
  networks: thingsSchema,
  volumes: thingsSchema,
});

export interface ComposeModel {
  readonly project: string;
  /** Names of services with the `container_name` they give, if they do. */
  readonly services: ReadonlyMap<string, string | undefined>;
  /** What compose does not make itself, by real names. */
  readonly externalNetworks: readonly string[];
  readonly externalVolumes: readonly string[];
}

/** @throws HoldfastError COMPOSE_FAILED */
export async function resolveCompose(
  project: ComposeProject,
  signal: AbortSignal,
): Promise<ComposeModel> {
  const { stdout } = await runCompose(project, ['config'], { signal, timeoutMs: 60_000 });
  return composeModel(project.project, parse(stdout));
}

/** From what `compose config` prints, parsed. Pure. */
export function composeModel(project: string, config: unknown): ComposeModel {
  const { services, networks, volumes } = configSchema.safeParse(config).data ?? {};
  const entries = Object.entries(services ?? {});
  return {
    project,
    services: new Map(entries.map(([name, service]) => [name, service?.container_name])),
    externalNetworks: externalNames(networks),
    externalVolumes: externalNames(volumes),
  };
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
    const given = [`${project}_${service}_1`, `${project}-${service}-1`];
    if (name === undefined ? given.includes(container) : name === container) return service;
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
