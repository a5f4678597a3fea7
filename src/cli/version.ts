/** The program's version, from the package it is part of. */
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';

const packageSchema = z.object({ name: z.literal('holdfast'), version: z.string() });

/** dist/src/cli/version.js and src/cli/version.ts are at different depths. */
const CANDIDATES = ['../../package.json', '../../../package.json'];

export function programVersion(): string {
  for (const candidate of CANDIDATES) {
    const file = fileURLToPath(new URL(candidate, import.meta.url));
    if (!existsSync(file)) continue;
    const parsed = packageSchema.safeParse(JSON.parse(readFileSync(file, 'utf8')));
    if (parsed.success) return parsed.data.version;
  }
  return 'unknown';
}
