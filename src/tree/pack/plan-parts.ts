/** A scan into the parts that are to be made of it, one after another: only one at a time is in memory. */
import type { Entry } from '../index/entry.js';
import { Cutter, partTarget } from './cut.js';
import { newestChange, partFingerprint } from './reuse.js';
import { readScan, type ScanFile } from '../scan/scan-file.js';

export interface Part {
  /** Position in the artifact, from 0. */
  readonly index: number;
  readonly holds: 'directories' | 'files';
  readonly count: number;
  /** Bytes of files in it, a hard-linked file once. */
  readonly contentBytes: number;
  /** Some of it says that it is one hole, which is not to be relied upon. */
  readonly claimsHoles: boolean;
  readonly fingerprint: string;
  readonly newestCtimeNs: bigint;
  readonly batches: () => AsyncIterable<readonly Entry[]> | Iterable<readonly Entry[]>;
}

/** The same parts each time it is called with the same scan. */
export async function* planParts(
  scan: ScanFile,
  targetBytes: number = partTarget(scan.contentBytes),
): AsyncGenerator<Part, void, void> {
  const { count, fingerprint, newestCtimeNs } = scan.directories;
  yield {
    index: 0,
    holds: 'directories',
    count,
    contentBytes: 0,
    claimsHoles: false,
    fingerprint: partFingerprint('directories', [fingerprint]),
    newestCtimeNs,
    batches: () => directoriesOf(scan),
  };
  const cutter = new Cutter(scan.hardLinks, targetBytes);
  let index = 0;
  const partOf = ({ entries, contentBytes }: ReturnType<Cutter['end']>[number]): Part => {
    const claimsHoles = entries.some(({ claimsHole }) => claimsHole);
    return {
      index: (index += 1),
      holds: 'files',
      count: entries.length,
      contentBytes,
      claimsHoles,
      fingerprint: partFingerprint(claimsHoles ? 'files, in full' : 'files', statesOf(entries)),
      newestCtimeNs: newestChange(entries),
      batches: () => [entries],
    };
  };
  for await (const batch of readScan(scan)) {
    for (const entry of batch) {
      for (const part of cutter.push(entry)) yield partOf(part);
    }
  }
  for (const part of cutter.end()) yield partOf(part);
}

async function* directoriesOf(scan: ScanFile): AsyncGenerator<readonly Entry[], void, void> {
  for await (const batch of readScan(scan)) {
    yield batch.filter(({ type }) => type === 'directory');
  }
}

function* statesOf(entries: readonly Entry[]): Generator<string> {
  for (const { state } of entries) yield state;
}
