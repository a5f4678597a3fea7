/**
 * Some files of an artifact, picked by chance: which ones is decided by a seed and their names alone, so
 * that the same seed finds the same files again and another one finds others.
 */
import { createHash } from 'node:crypto';
import type { Work } from '../../base/progress.js';
import type { ArtifactManifest } from '../../format/manifest.js';
import { readIndex } from '../index/index-reader.js';
import { pathFromJson, type BytePath } from '../../base/files/byte-paths.js';
import type { Selection } from './select-entries.js';

/** An index may have millions of small files; of more than these nobody learns more. */
export const MOST_SAMPLED_FILES = 10_000;

export interface SampleSize {
  /** Files are taken until they have as many bytes. */
  readonly sampleBytes: number;
  /** What is taken never has more; a file that has by itself is never taken. */
  readonly mostBytes: number;
}

export interface SampledFile {
  readonly path: BytePath;
  readonly sizeBytes: number;
  readonly part: string;
}

interface Candidate extends SampledFile {
  /** SHA-256 of seed and path, hex. */
  readonly key: string;
}

/**
 * Takes files in any order and keeps those that come first by the hash of seed and path, until they
 * have as many bytes as asked for: the last of them may exceed that. Only these are in memory.
 */
export class SampleChoice {
  /** A heap, the last by hash on top. */
  readonly #heap: Candidate[] = [];
  #bytes = 0;

  constructor(
    readonly seed: string,
    readonly size: SampleSize,
    readonly mostFiles = MOST_SAMPLED_FILES,
  ) {}

  offer(file: SampledFile): void {
    if (file.sizeBytes > this.size.mostBytes) return;
    const key = createHash('sha256')
      .update(`${this.seed}\0`)
      .update(file.path, 'latin1')
      .digest('hex');
    const top = this.#heap[0];
    if (top !== undefined && this.#isEnough(this.#bytes, this.#heap.length) && key > top.key) {
      return;
    }
    this.#push({ path: file.path, sizeBytes: file.sizeBytes, part: file.part, key });
    for (let last = this.#heap[0]; last !== undefined; last = this.#heap[0]) {
      if (!this.#isEnough(this.#bytes - last.sizeBytes, this.#heap.length - 1)) break;
      this.#pop();
    }
  }

  /** How many are in memory. */
  get held(): number {
    return this.#heap.length;
  }

  /** In the order of their hashes. At least one where any file fits. */
  taken(): readonly SampledFile[] {
    const files = [...this.#heap].sort((left, right) => (left.key < right.key ? -1 : 1));
    const dropped = new Set<Candidate>();
    if (this.#bytes > this.size.mostBytes) {
      // The largest first: what is left then is more than half of what there is room for.
      const largest = files.reduce((one, other) => (other.sizeBytes > one.sizeBytes ? other : one));
      let bytes = 0;
      for (const file of [largest, ...files.filter((one) => one !== largest)]) {
        if (bytes + file.sizeBytes > this.size.mostBytes) dropped.add(file);
        else bytes += file.sizeBytes;
      }
    }
    return files
      .filter((file) => !dropped.has(file))
      .map(({ path, sizeBytes, part }) => ({ path, sizeBytes, part }));
  }

  #isEnough(bytes: number, files: number): boolean {
    return (files > 0 && bytes >= this.size.sampleBytes) || files >= this.mostFiles;
  }

  #push(candidate: Candidate): void {
    const heap = this.#heap;
    this.#bytes += candidate.sizeBytes;
    let at = heap.push(candidate) - 1;
    while (at > 0) {
      const above = (at - 1) >> 1;
      const parent = heap[above];
      if (parent === undefined || parent.key >= candidate.key) break;
      heap[at] = parent;
      at = above;
    }
    heap[at] = candidate;
  }

  #pop(): void {
    const heap = this.#heap;
    this.#bytes -= heap[0]?.sizeBytes ?? 0;
    const moved = heap.pop();
    if (moved === undefined || heap.length === 0) return;
    let at = 0;
    for (;;) {
      const left = 2 * at + 1;
      const right = left + 1;
      const below = (heap[right]?.key ?? '') > (heap[left]?.key ?? '') ? right : left;
      const child = heap[below];
      if (child === undefined || child.key <= moved.key) break;
      heap[at] = child;
      at = below;
    }
    heap[at] = moved;
  }
}

/**
 * A selection of regular files for `extractTo`. Reads the index twice, and whole; a hard-linked file is
 * its first name. Empty where no file fits.
 * @throws HoldfastError as {@link readIndex}
 */
export async function selectSample(
  directory: string,
  manifest: ArtifactManifest,
  sample: SampleSize & { readonly seed: string },
  work: Work,
): Promise<Selection> {
  const choice = new SampleChoice(sample.seed, sample);
  for await (const { type, hardLinkOf, path, sizeBytes, part } of readIndex(
    directory,
    work,
    manifest,
  )) {
    if (type !== 'file' || hardLinkOf !== undefined) continue;
    choice.offer({ path: pathFromJson(path), sizeBytes, part });
  }
  const files = choice.taken();
  const paths = new Set(files.map(({ path }) => path));
  const above = new Set(files.flatMap(({ path }) => [...ancestorsOf(path)]));
  const parents = new Set<BytePath>();
  const parts = new Set(files.map(({ part }) => part));
  // Their parents may be in any part, before or after them.
  for await (const { type, path: json, part } of readIndex(directory, work, manifest)) {
    if (type !== 'directory') continue;
    const path = json === '.' ? '' : pathFromJson(json);
    if (!above.has(path)) continue;
    parents.add(path);
    parts.add(part);
  }
  return {
    selects: (path) => paths.has(path),
    parents,
    heirs: new Map(),
    parts,
    entries: files.length,
    bytes: files.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0),
    unmatched: [],
  };
}

function* ancestorsOf(path: BytePath): Generator<BytePath> {
  for (let at = path; at !== '';) {
    at = at.slice(0, Math.max(0, at.lastIndexOf('/')));
    yield at;
  }
}
