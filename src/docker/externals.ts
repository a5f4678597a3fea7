/**
 * Networks and volumes that compose files name as external: compose does not make them, and a bare
 * machine has none.
 */
import { parse } from 'yaml';
import { z } from 'zod';
import { runCompose, type ComposeProject } from './compose.js';
import { parseAnswer, statusOf, type Engine } from './engine.js';
import { createVolume, findVolume } from './volumes.js';

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
const configSchema = z.object({ networks: thingsSchema, volumes: thingsSchema });
const listSchema = z.array(z.object({ Name: z.string() }));

export interface Externals {
  readonly networks: readonly string[];
  readonly volumes: readonly string[];
}

/** The real names of what a resolved compose file calls external. Pure. */
export function externalsOf(config: unknown): Externals {
  const parsed = configSchema.safeParse(config).data;
  return { networks: realNames(parsed?.networks), volumes: realNames(parsed?.volumes) };
}

function realNames(things: z.output<typeof thingsSchema>): string[] {
  return Object.entries(things ?? {}).flatMap(([key, thing]) => {
    const { external, name } = thing ?? {};
    if (external === undefined || external === false) return [];
    return [(external === true ? undefined : external.name) ?? name ?? key];
  });
}

/**
 * Makes what a project needs from outside and is missing: plain bridges, and empty volumes for those
 * that no backup holds. @returns what was made, in words
 * @throws HoldfastError COMPOSE_FAILED, DOCKER_FAILED
 */
export async function ensureExternals(
  engine: Engine,
  project: ComposeProject,
  signal: AbortSignal,
): Promise<string[]> {
  const { stdout } = await runCompose(project, ['config'], { signal, timeoutMs: 60_000 });
  const { networks, volumes } = externalsOf(parse(stdout));
  const made: string[] = [];
  for (const name of networks) {
    if (await ensureNetwork(engine, name)) made.push(`network ${name}`);
  }
  for (const name of volumes) {
    if ((await findVolume(engine, name)) !== undefined) continue;
    await createVolume(engine, { name, driver: 'local', options: {}, labels: {} });
    made.push(`volume ${name}, empty`);
  }
  return made;
}

/** @returns false where it was there */
async function ensureNetwork(engine: Engine, name: string): Promise<boolean> {
  const found: unknown = await engine.call({ action: 'list networks' }, (abortSignal) =>
    engine.docker.listNetworks({ filters: { name: [name] }, abortSignal }),
  );
  // The filter finds parts of names, too.
  if (parseAnswer(listSchema, found, 'list networks').some(({ Name }) => Name === name)) {
    return false;
  }
  try {
    await engine.call({ action: `create network ${name}` }, (abortSignal) =>
      engine.docker.createNetwork({ Name: name, CheckDuplicate: true, abortSignal }),
    );
    return true;
  } catch (error) {
    // Another service of the stack was faster.
    if (statusOf(error) === 409) return false;
    throw error;
  }
}
