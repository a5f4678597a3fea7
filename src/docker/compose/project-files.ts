/** What a compose project's own files say of its name, read as they are: compose is not asked. */
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { parse } from 'yaml';
import { z } from 'zod';
import { readTextIfExists } from '../../base/files/durable.js';

const fileSchema = z.object({
  name: z.string().optional(),
  volumes: z
    .record(
      z.string(),
      z.object({ name: z.string().optional(), external: z.unknown().optional() }).nullish(),
    )
    .nullish(),
});

export interface ProjectFiles {
  /** `name:`, with variables replaced. */
  readonly name?: string;
  /** Keys of the volumes that compose makes and names itself. */
  readonly ownVolumes: readonly string[];
  /** Variables of `.env`. */
  readonly dotenv: ReadonlyMap<string, string>;
}

/**
 * Reads compose files (absolute) and the `.env` of their directory. What is missing or can't be read
 * says nothing: whoever needs it will say so.
 */
export async function readProjectFiles(
  directory: string,
  files: readonly string[],
): Promise<ProjectFiles> {
  const dotenv = parseDotenv(
    (await readTextIfExists(path.join(directory, '.env')).catch(() => undefined)) ?? '',
  );
  const texts = await Promise.all(files.map((file) => readFile(file, 'utf8').catch(() => '')));
  return { ...declaredIn(texts, dotenv), dotenv };
}

/** From the texts of compose files, later ones overriding earlier ones. Pure. */
export function declaredIn(
  texts: readonly string[],
  variables: ReadonlyMap<string, string>,
): Pick<ProjectFiles, 'name' | 'ownVolumes'> {
  let name: string | undefined;
  const own = new Map<string, boolean>();
  for (const text of texts) {
    let document: unknown;
    try {
      document = parse(text);
    } catch {
      continue; // compose itself will say what is wrong with it
    }
    const found = fileSchema.safeParse(document).data;
    name = found?.name ?? name;
    for (const [key, volume] of Object.entries(found?.volumes ?? {})) {
      const theirs =
        volume?.name !== undefined || (volume?.external !== undefined && volume.external !== false);
      own.set(key, (own.get(key) ?? true) && !theirs);
    }
  }
  const ownVolumes = [...own].filter(([, isOwn]) => isOwn).map(([key]) => key);
  return {
    ...(name === undefined ? {} : { name: interpolate(name, variables) }),
    ownVolumes,
  };
}

/** `KEY=value` lines as compose reads them: comments, `export`, quotes. Pure. */
export function parseDotenv(text: string): Map<string, string> {
  const variables = new Map<string, string>();
  for (const line of text.split(/\r?\n/)) {
    const [, key = '', rest = ''] =
      /^\s*(?:export\s+)?([A-Za-z_][\w.-]*)\s*=\s*(.*?)\s*$/.exec(line) ?? [];
    if (key === '') continue;
    const quoted = /^(["'])(.*?)\1\s*(?:#.*)?$/.exec(rest);
    variables.set(key, quoted?.[2] ?? rest.replace(/(^|\s+)#.*$/, ''));
  }
  return variables;
}

/** `$X`, `${X}`, `${X:-default}`, `${X-default}`; a variable that is not known is empty. */
function interpolate(text: string, variables: ReadonlyMap<string, string>): string {
  return text.replace(
    /\$(?:\{(\w+)(?::?-([^}]*))?\}|(\w+))/g,
    (_whole, braced: string | undefined, fallback: string | undefined, plain: string | undefined) =>
      variables.get(braced ?? plain ?? '') ?? fallback ?? '',
  );
}
