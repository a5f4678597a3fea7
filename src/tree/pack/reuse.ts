/**
 * Parts that need not be written again, because nothing of what they hold has changed since.
 *
 * A part is known by the state of all its entries (path, link target, type, size, mtime, ctime, inode,
 * mode, owner). ctime is what makes this safe: the kernel sets it at every change of content or
 * attributes and no program can set it back. Two things escape it, and both only shortly after a
 * change: a second change within one tick of the clock, and a store through a memory mapping to a page
 * that is already dirty, which leaves no mark until the page has been written back (30 s by default,
 * `vm.dirty_expire_centisecs`, plus 5 s until the next look). So a part is trusted later only if
 * nothing in it had changed within {@link SETTLE_MS} before it was read.
 */
import { createHash } from 'node:crypto';
import { link, lstat } from 'node:fs/promises';
import type { ArtifactFile } from '../../format/manifest.js';
import type { Entry } from '../index/entry.js';
import { type KnownPart, cannotLink } from '../../format/known-parts.js';

/** How long before a scan everything in a part must have been at rest for the part to be trusted. */
export const SETTLE_MS = 60_000;

/** Says how parts are written: a part of another recipe is never taken for one of this. */
const RECIPE = 'holdfast-part-2';

/**
 * The state of a part in one value: the same means nothing of it has changed.
 * @param holds `files, in full`: written without looking for holes; others may hold zeros in their place
 */
export function partFingerprint(
  holds: 'directories' | 'files' | 'files, in full',
  states: Iterable<string>,
): string {
  const hash = createHash('sha256').update(`${RECIPE} ${holds}\0`);
  for (const state of states) hash.update(`${state}\0`, 'latin1');
  return hash.digest('hex');
}

/** The latest change of any of the entries, nanoseconds since the epoch. */
export function newestChange(entries: Iterable<Entry>): bigint {
  let newest = 0n;
  for (const { ctimeNs } of entries) if (ctimeNs > newest) newest = ctimeNs;
  return newest;
}

/** Had everything been at rest for long enough when the scan began? */
export function isSettled(newestCtimeNs: bigint, scanBegunAtMs: number, settleMs: number): boolean {
  return newestCtimeNs < BigInt(scanBegunAtMs - settleMs) * 1_000_000n;
}

/**
 * Milliseconds to wait before a scan that began at this time tells all later changes apart from the
 * ones it saw: a tick of the kernel's clock (10 ms at most), two seconds on file systems whose times
 * are whole seconds. 0 when nothing changed that shortly before.
 */
export function unclearForMs(newestCtimeNs: bigint, scanBegunAtMs: number): number {
  const tickMs = newestCtimeNs % 1_000_000_000n === 0n ? 2_000 : 20;
  const untilMs = Number(newestCtimeNs / 1_000_000n) + tickMs;
  // A time that lies ahead is a wrong clock: waiting would not help.
  return untilMs > scanBegunAtMs && untilMs <= scanBegunAtMs + tickMs ? untilMs - scanBegunAtMs : 0;
}

/** The state of an index in one value: of its parts, in their order. */
export function indexFingerprint(parts: readonly ArtifactFile[]): string {
  const hash = createHash('sha256').update(`${RECIPE} index\0`);
  for (const { name, state } of parts) hash.update(`${name} ${state?.fingerprint ?? ''}\0`);
  return hash.digest('hex');
}

/**
 * Makes a known part a file of a new artifact. The cheap check: it is a regular file of the recorded
 * size. @returns false when it is not, or the file system can't link it: then it is written anew
 */
async function linkPart(known: KnownPart, target: string): Promise<boolean> {
  try {
    const found = await lstat(known.path);
    if (!found.isFile() || found.size !== known.file.sizeBytes) return false;
    await link(known.path, target);
    return true;
  } catch (error) {
    if (cannotLink(error)) return false;
    throw error;
  }
}

/**
 * Links the first of the known files that is in the wanted state.
 * @returns what it is; undefined when there is none, or none could be linked
 */
export async function linkSame(
  known: readonly KnownPart[],
  wanted: { readonly role: ArtifactFile['role']; readonly fingerprint: string },
  target: string,
): Promise<ArtifactFile | undefined> {
  for (const each of known) {
    const { role, state } = each.file;
    if (role !== wanted.role || state?.fingerprint !== wanted.fingerprint || !state.settled)
      continue;
    if (await linkPart(each, target)) return each.file;
  }
  return undefined;
}
