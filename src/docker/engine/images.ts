/** Are the images there that a restore will need, or can they be had? */
import { parse } from 'yaml';
import { z } from 'zod';
import { assertPlainName, parseAnswer, statusOf, type Engine } from './engine.js';

/** How long a registry may take to say whether it has an image. */
const REGISTRY_MS = 15_000;

const fileSchema = z.object({
  services: z
    .record(
      z.string(),
      z
        .object({
          image: z.string().optional(),
          build: z.unknown().optional(),
          container_name: z.string().optional(),
        })
        .nullish(),
    )
    .nullish(),
});

export interface NeededImage {
  readonly composeService: string;
  readonly image: string;
  readonly containerName?: string;
}

/**
 * The images that compose files name, later files overriding earlier ones. Those that are built
 * beside, or whose name holds a variable, are left out: nothing can be said of them. Pure.
 */
export function imagesOf(composeFiles: readonly string[]): NeededImage[] {
  const found = new Map<string, { image?: string; built: boolean; containerName?: string }>();
  for (const text of composeFiles) {
    let document: unknown;
    try {
      document = parse(text);
    } catch {
      continue; // compose itself will say what is wrong with it
    }
    const { services } = fileSchema.safeParse(document).data ?? {};
    for (const [name, service] of Object.entries(services ?? {})) {
      const { image, container_name: containerName } = service ?? {};
      const earlier = found.get(name) ?? { built: false };
      found.set(name, {
        ...earlier,
        built: earlier.built || service?.build !== undefined,
        ...(image === undefined ? {} : { image }),
        ...(containerName === undefined ? {} : { containerName }),
      });
    }
  }
  return [...found].flatMap(([composeService, { image, built, containerName }]) =>
    image === undefined || built || image.includes('$')
      ? []
      : [{ composeService, image, ...(containerName === undefined ? {} : { containerName }) }],
  );
}

const inspectSchema = z.object({
  Id: z.string().default(''),
  Config: z.object({ Env: z.array(z.string()).nullish() }).nullish(),
});

/** The environment an image sets; undefined where it is not on this host. */
export async function imageEnvironment(
  engine: Engine,
  image: string,
): Promise<readonly string[] | undefined> {
  const found = await inspectImage(engine, image);
  return found === undefined ? undefined : (found.Config?.Env ?? []);
}

/** The id of an image, `sha256:…`; undefined where it is not on this host. */
export async function imageId(engine: Engine, image: string): Promise<string | undefined> {
  return (await inspectImage(engine, image))?.Id;
}

async function inspectImage(
  engine: Engine,
  image: string,
): Promise<z.output<typeof inspectSchema> | undefined> {
  try {
    const answer: unknown = await engine.call({ action: `inspect image ${image}` }, () =>
      engine.docker.getImage(assertPlainName(image, 'image')).inspect(),
    );
    return parseAnswer(inspectSchema, answer, 'inspect image');
  } catch (error) {
    if (statusOf(error) === 404) return undefined;
    throw error;
  }
}

/** Why an image that is not here can't be had; undefined where its registry has it. */
export async function whyNotPullable(engine: Engine, image: string): Promise<string | undefined> {
  try {
    await engine.call({ action: `look for image ${image}`, timeoutMs: REGISTRY_MS }, () =>
      engine.docker.getImage(assertPlainName(image, 'image')).distribution(),
    );
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

/** The major version of an official PostgreSQL image, from what its environment says. Pure. */
export function postgresMajor(environment: readonly string[]): number | undefined {
  const line = environment.find((one) => one.startsWith('PG_MAJOR='));
  const major = Number.parseInt(line?.slice('PG_MAJOR='.length) ?? '', 10);
  return Number.isNaN(major) ? undefined : major;
}
