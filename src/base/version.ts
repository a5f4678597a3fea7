/** The version of the package this code belongs to. */
import { readFileSync } from 'node:fs';
import { z } from 'zod';

const packageSchema = z.object({ name: z.literal('holdfast'), version: z.string() });

/** dist/src/base/version.js and src/base/version.ts are at different depths. */
const CANDIDATES = ['../../package.json', '../../../package.json'];

/** `unknown` where no package.json is found. */
export function holdfastVersion(): string {
  for (const candidate of CANDIDATES) {
    try {
      const text = readFileSync(new URL(candidate, import.meta.url), 'utf8');
      return packageSchema.parse(JSON.parse(text)).version;
    } catch {
      // not the level this file was compiled to
    }
  }
  return 'unknown';
}
