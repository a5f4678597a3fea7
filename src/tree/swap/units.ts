/** The topmost entries of a tree that a set of globs names: what a restore replaces, one rename each. */
import { readdir } from 'node:fs/promises';
import { compileGlobs, type Glob } from '../../glob/glob.js';
import {
  absoluteBytes,
  pathFromBuffer,
  pathToBuffer,
  pathToText,
  type BytePath,
} from '../../base/files/byte-paths.js';
import { systemCodeOf } from '../../base/errors.js';

/** Names a restore gives to what it unpacks and puts aside; never part of a tree's own content. */
export const RESTORE_NAME = /^\..*\.holdfast-(new|aside|discard)-[0-9_]+$/s;

export interface UnitPatterns {
  readonly include: readonly string[];
  readonly exclude: readonly string[];
  /** Mount points below the root: they stay, and the directories that lead to them. */
  readonly mounts?: readonly BytePath[] | undefined;
}

/**
 * Paths relative to `root`, as bytes, sorted: entries that an include matches itself, not looked into
 * further. A missing root has none.
 */
export async function listUnits(root: string, patterns: UnitPatterns): Promise<Buffer[]> {
  const choice: Choice = {
    root,
    include: compileGlobs(patterns.include),
    exclude: compileGlobs(patterns.exclude),
    mounts: patterns.mounts ?? [],
    units: [],
  };
  await collect(choice, '', false);
  return choice.units.sort().map(pathToBuffer);
}

interface Choice {
  readonly root: string;
  readonly include: readonly Glob[];
  readonly exclude: readonly Glob[];
  readonly mounts: readonly BytePath[];
  readonly units: BytePath[];
}

/** @param included all that is in the directory counts, since it does itself */
async function collect(choice: Choice, directory: BytePath, included: boolean): Promise<void> {
  const { root, include, exclude, mounts, units } = choice;
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
    if (mounts.includes(path)) continue;
    const matches = included || include.some((glob) => glob.matches(text));
    const leadsToMount = mounts.some((mount) => mount.startsWith(`${path}/`));
    if (matches && !leadsToMount) units.push(path);
    else if (matches || include.some((glob) => mayMatchBelow(glob, text))) {
      if (entry.isDirectory()) await collect(choice, path, matches);
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
