/** What the last backup of a source left that the next one may link. */
import { lstat } from 'node:fs/promises';
import { knownParts, type KnownPart } from '../../format/known-parts.js';
import { isHoldfastError, systemCodeOf } from '../../base/errors.js';
import { identityOf } from '../write/artifact-files.js';
import { readManifest } from '../write/artifact.js';
import { readCatalogue } from './catalogue.js';
import { resolveInside } from '../layout.js';
import type { SetFile } from '../../format/manifest.js';

export interface PreviousOptions {
  readonly stack: string;
  readonly service: string;
  readonly source: string;
  /** Parts that were written before this time are left out, so that they are written anew. */
  readonly writtenAfter: Date;
  /** Parts of after now are left out, too: by a clock that was ahead they would never grow old. */
  readonly now?: Date | undefined;
  /** `<device>:<inode>` of files that a verification found damaged. */
  readonly damaged?: ReadonlySet<string>;
}

/** A clock that was put right by minutes. */
const CLOCK_TOLERANCE_MS = 10 * 60_000;

/** Artifacts that are looked at when the newest one can't be read. */
const MOST_LOOKED_AT = 3;

/**
 * Parts of the newest published artifact of a source. Each was read back and compared with its hash
 * before its set was published; one that was found damaged since is not among them.
 */
export async function previousParts(root: string, options: PreviousOptions): Promise<KnownPart[]> {
  const { sets } = await readCatalogue(root);
  const artifacts = sets
    .filter(({ stack, origin }) => stack === options.stack && origin === undefined)
    .flatMap((set) => artifactOf(set, options))
    .sort((left, right) => (left.setId < right.setId ? 1 : -1))
    .slice(0, MOST_LOOKED_AT);
  for (const artifact of artifacts) {
    try {
      const directory = await resolveInside(root, artifact.path);
      const { manifest, manifestSha256 } = await readManifest(directory);
      if (manifestSha256 !== artifact.manifestSha256) continue;
      const young = manifest.files.filter(
        ({ state }) =>
          state !== undefined && isBetween(state.readAt, options.writtenAfter, options.now),
      );
      return await withoutDamaged(knownParts(directory, young), options.damaged ?? new Set());
    } catch (error) {
      // Whatever is wrong with an old artifact or its disk, verifying tells; a new one can do without.
      if (!isHoldfastError(error) && systemCodeOf(error) === undefined) throw error;
    }
  }
  return [];
}

function isBetween(at: string, from: Date, now: Date = new Date()): boolean {
  const atMs = Date.parse(at);
  return atMs > from.getTime() && atMs <= now.getTime() + CLOCK_TOLERANCE_MS;
}

function artifactOf(
  set: SetFile,
  { service, source }: PreviousOptions,
): { setId: string; path: string; manifestSha256: string }[] {
  return set.artifacts
    .filter((artifact) => artifact.service === service && artifact.source === source)
    .map(({ path, manifestSha256 }) => ({ setId: set.id, path, manifestSha256 }));
}

async function withoutDamaged(
  parts: readonly KnownPart[],
  damaged: ReadonlySet<string>,
): Promise<KnownPart[]> {
  if (damaged.size === 0) return [...parts];
  const sound: KnownPart[] = [];
  for (const part of parts) {
    const found = await lstat(part.path, { bigint: true }).catch(() => undefined);
    if (found !== undefined && !damaged.has(identityOf(found))) sound.push(part);
  }
  return sound;
}
