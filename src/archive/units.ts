/** The topmost entries of a tree that a set of globs names: what a restore replaces, one rename each. */
import { readdir } from 'node:fs/promises';
import { compileGlobs, type Glob } from './glob.js';
import { absoluteBytes, pathFromBuffer, pathToBuffer, pathToText, type BytePath } from './paths.js';
import { systemCodeOf } from '../errors.js';

/** Names a restore gives to what it unpacks and puts aside; never part of a tree's own content. */
export const RESTORE_NAME = /^\..*\.holdfast-(new|aside|discard)-[0-9_]+$/s;

export interface UnitPatterns {
  readonly include: readonly string[];
  readonly exclude: readonly string[];
}

/**
 * Paths relative to `root`, as bytes, sorted: entries that an include matches itself, not looked into
 * further. A missing root has none.
 */
export async function listUnits(root: string, patterns: UnitPatterns): Promise<Buffer[]> {
  const include = compileGlobs(patterns.include);
  const exclude = compileGlobs(patterns.exclude);
  const units: BytePath[] = [];
  await collect(root, '', include, exclude, units);
  return units.sort().map(pathToBuffer);
}

async function collect(
  root: string,
  directory: BytePath,
  include: readonly Glob[],
  exclude: readonly Glob[],
  units: BytePath[],
): Promise<void> {
  let names;
  try {
    names = await readdir(absoluteBytes(root, directory), {
      withFileTypes: true,
      encoding: 'buffer',
    });
  } catch (error) {
    if (['ENOENT', 'ENOTDIR'].includes(systemCodeOf(error) ?? '')) return;
    throw error;
  }
  for (const entry of names) {
    const name = pathFromBuffer(entry.name);
    const path: BytePath = directory === '' ? name : `${directory}/${name}`;
    if (RESTORE_NAME.test(name)) continue;
    const text = pathToText(path);
    if (exclude.some((glob) => glob.matches(text))) continue;
    if (include.some((glob) => glob.matches(text))) units.push(path);
    else if (entry.isDirectory() && include.some((glob) => mayMatchBelow(glob, text))) {
      await collect(root, path, include, exclude, units);
    }
  }
}

function mayMatchBelow(glob: Glob, directory: string): boolean {
  const { fixedPrefix } = glob;
  return (
    fixedPrefix === '' ||
    `${directory}/`.startsWith(`${fixedPrefix}/`) ||
    `${fixedPrefix}/`.startsWith(`${directory}/`)
  );
}
