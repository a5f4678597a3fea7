/** Which compose service makes a container: asked of the files, since the container may be gone. */
import { parse } from 'yaml';
import { z } from 'zod';
import { HoldfastError } from '../errors.js';
import { composeServices, composeUp, runCompose, type ComposeProject } from './compose.js';

const configSchema = z.object({
  services: z.record(z.string(), z.object({ container_name: z.string().optional() })),
});

/**
 * The service with that `container_name`, else the one compose itself would name so
 * (`<project>_<service>_1` or with dashes).
 * @throws HoldfastError CONTAINER_NOT_FOUND, COMPOSE_FAILED
 */
export async function composeServiceOf(
  project: ComposeProject,
  container: string,
  signal: AbortSignal,
): Promise<string> {
  const { stdout } = await runCompose(project, ['config'], { signal, timeoutMs: 60_000 });
  const { services } = configSchema.parse(parse(stdout));
  for (const [service, { container_name: name }] of Object.entries(services)) {
    const given = [`${project.project}_${service}_1`, `${project.project}-${service}-1`];
    if (name === undefined ? given.includes(container) : name === container) return service;
  }
  throw new HoldfastError(
    'CONTAINER_NOT_FOUND',
    `no service of compose project ${project.project} makes the container ${container}`,
    {
      hint: 'name it with container_name in the compose file, or correct "container"',
      facts: { container, services: Object.keys(services) },
    },
  );
}

/** Starts one service of a project and nothing else of it. */
export async function composeUpOnly(
  project: ComposeProject,
  service: string,
  signal: AbortSignal,
): Promise<void> {
  const all = await composeServices(project, signal);
  await composeUp({ ...project, signal, except: all.filter((other) => other !== service) });
}
