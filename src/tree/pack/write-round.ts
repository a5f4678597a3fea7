/** One round over a scan: every part is taken over, linked or written. */
import path from 'node:path';
import type { Work } from '../../base/progress.js';
import type { ArtifactFile } from '../../format/manifest.js';
import { removeTree } from '../../base/files/durable.js';
import type { ArchiveOptions } from './archive-options.js';
import { noteFinished } from './finished-parts.js';
import { eachInParallel, usualParallelism } from '../../base/parallel.js';
import { writePart } from './part.js';
import { planParts, type Part } from './plan-parts.js';
import type { TreeReader } from '../scan/reader.js';
import { isSettled, linkSame } from './reuse.js';
import type { ScanFile } from '../scan/scan-file.js';

/** A part this large would leave the other processors idle at the end: zstd uses them all for it. */
const LARGE_PART_BYTES = 1024 ** 3;

export interface RoundPart {
  readonly file: ArtifactFile;
  readonly disturbed: boolean;
  readonly complaints: readonly string[];
  /** See WrittenPart. */
  readonly padded: readonly string[];
}

export interface Round extends ArchiveOptions {
  readonly reader: TreeReader;
  readonly settleMs: number;
  /** From 0; parts of different rounds have different names until the last one is over. */
  readonly round: number;
  readonly scan: ScanFile;
  /** The parts of the round before: what is not as it was then is removed. */
  readonly previous: readonly RoundPart[];
  /** Gets the names of files that a failure must remove. */
  readonly unfinished: Set<string>;
}

/** @returns the parts in order, and how many of them had to be read */
export async function writeRound(
  round: Round,
  work: Work,
): Promise<{ parts: readonly RoundPart[]; read: number }> {
  const parts: RoundPart[] = [];
  const writers = round.writers ?? usualParallelism();
  const previous = new Map(
    round.previous
      .filter(({ disturbed }) => !disturbed)
      .map((part) => [part.file.state?.fingerprint, part]),
  );
  const kept = new Set<string>();
  const progress = { bytes: 0, entries: 0 };
  const { contentBytes: totalBytes } = round.scan;
  const report = (): void => work.report({ phase: 'read', ...progress, totalBytes });
  let read = 0;
  await eachInParallel(
    planParts(round.scan, round.partTargetBytes),
    writers,
    async (part, signal) => {
      const same = previous.get(part.fingerprint) ?? (await linkKnown(round, part));
      if (same === undefined) {
        read += 1;
        parts[part.index] = await write(round, part, writers, signal, (bytes) => {
          progress.bytes += bytes;
          report();
        });
      } else {
        kept.add(same.file.name);
        parts[part.index] = same;
        progress.bytes += part.contentBytes;
      }
      progress.entries += part.count;
      report();
    },
    work.signal,
  );
  for (const { file } of round.previous) {
    if (!kept.has(file.name)) await removeTree(path.join(round.destination, file.name));
  }
  return { parts, read };
}

async function linkKnown(round: Round, part: Part): Promise<RoundPart | undefined> {
  const name = temporaryName(round, part);
  round.unfinished.add(name);
  const wanted = { role: 'part', fingerprint: part.fingerprint } as const;
  const file = await linkSame(round.known ?? [], wanted, path.join(round.destination, name));
  if (file !== undefined)
    return { file: { ...file, name }, disturbed: false, complaints: [], padded: [] };
  round.unfinished.delete(name);
  return undefined;
}

async function write(
  round: Round,
  part: Part,
  writers: number,
  signal: AbortSignal,
  onBytes: (bytes: number) => void,
): Promise<RoundPart> {
  const name = temporaryName(round, part);
  round.unfinished.add(name);
  const written = await writePart(part, round.reader, {
    directory: round.destination,
    name,
    compressionLevel: round.compressionLevel,
    threads: part.contentBytes >= LARGE_PART_BYTES ? writers : 1,
    priority: round.priority,
    throttle: round.throttle,
    signal,
    onBytes,
  });
  const file: ArtifactFile = {
    ...written.file,
    state: {
      fingerprint: part.fingerprint,
      readAt: new Date(round.scan.begunAtMs).toISOString(),
      settled:
        !written.disturbed &&
        written.file.entries === part.count &&
        isSettled(part.newestCtimeNs, round.scan.begunAtMs, round.settleMs),
      setId: round.setId,
    },
  };
  if (round.journal !== undefined) {
    await noteFinished(round.journal, [file]);
    round.unfinished.delete(name);
  }
  return { ...written, file };
}

/** Temporary until the last round is whole: until then parts of the one before may be taken over. */
function temporaryName(round: Round, part: Part): string {
  return `part-${round.round}-${part.index}.tmp`;
}
