/** What is in the benchmark's trees, decided by a seed alone. */
import { randomFor, type Random } from './random.js';

export type Content = 'incompressible' | 'text' | 'sparse';

export interface PlannedFile {
  /** Relative to the tree's root. */
  readonly path: string;
  readonly sizeBytes: number;
  readonly content: Content;
  /** Which third of the tree it belongs to. */
  readonly group: 'large' | 'medium' | 'small' | 'tiny';
}

export interface TreePlan {
  readonly seed: string;
  readonly files: readonly PlannedFile[];
  /** Further names: path → target, as a hard link's or a symlink's. */
  readonly hardLinks: readonly (readonly [string, string])[];
  readonly symlinks: readonly (readonly [string, string])[];
  readonly emptyDirectories: readonly string[];
}

const KIB = 1024;
const MIB = 1024 * KIB;

/**
 * A host's data in small: one third model shards that nothing can compress, one third logs and JSON
 * lines of some hundred KiB to a few MiB, one third small files in many directories; beside them
 * some sparse files, hard links, symlinks and empty directories.
 */
export function planTree(sizeBytes: number, seed: string): TreePlan {
  const third = Math.floor(sizeBytes / 3);
  const random = randomFor(seed, 'plan');
  const large = shards(third);
  const medium = mediumFiles(third, random);
  const small = smallFiles(third, random);
  const sparse = [0, 1].map((index): PlannedFile => ({
    path: `disks/image-${index}.raw`,
    sizeBytes: Math.ceil(sizeBytes / 64 / MIB) * MIB,
    content: 'sparse',
    group: 'medium',
  }));
  const linked = medium.filter((_, index) => index % 25 === 1);
  return {
    seed,
    files: [...large, ...medium, ...small, ...sparse],
    hardLinks: linked.map(({ path }, index) => [`links/hard-${index}.jsonl`, path]),
    symlinks: large.map(({ path }, index) => [`links/shard-${index}`, `../${path}`]),
    emptyDirectories: ['empty', 'empty-too/below'],
  };
}

function shards(bytes: number): PlannedFile[] {
  const count = 4;
  return Array.from({ length: count }, (_, index) => ({
    path: `models/model-${pad(index + 1, 5)}-of-${pad(count, 5)}.safetensors`,
    sizeBytes: Math.floor(bytes / count),
    content: 'incompressible',
    group: 'large',
  }));
}

function mediumFiles(bytes: number, random: Random): PlannedFile[] {
  const files: PlannedFile[] = [];
  for (let left = bytes; left > 0;) {
    const sizeBytes = Math.min(left, random.between(64 * KIB, 2 * MIB));
    files.push({
      path: `logs/${pad(Math.floor(files.length / 50), 3)}/run-${pad(files.length, 5)}.jsonl`,
      sizeBytes,
      content: 'text',
      group: 'medium',
    });
    left -= sizeBytes;
  }
  return files;
}

/** 35 KiB on average: about 10 000 files a GiB of the tree. */
function smallFiles(bytes: number, random: Random): PlannedFile[] {
  const files: PlannedFile[] = [];
  for (let left = bytes; left > 0;) {
    const sizeBytes = Math.min(left, random.between(1, 70 * KIB));
    const compressible = random.next() < 0.75;
    files.push({
      path:
        `files/${pad(Math.floor(files.length / 2000), 2)}/${pad(Math.floor(files.length / 100), 4)}/` +
        `${pad(files.length, 6)}.${compressible ? 'json' : 'png'}`,
      sizeBytes,
      content: compressible ? 'text' : 'incompressible',
      group: 'small',
    });
    left -= sizeBytes;
  }
  return files;
}

/** A cache of the worst kind: files of a few hundred bytes, 250 to a directory. */
export function planTinyTree(count: number, seed: string): TreePlan {
  const random = randomFor(seed, 'tiny');
  return {
    seed,
    files: Array.from({ length: count }, (_, index) => ({
      path:
        `${pad(Math.floor(index / 25_000), 2)}/${pad(Math.floor(index / 250), 5)}/` +
        `${pad(index, 7)}.json`,
      sizeBytes: random.between(0, 600),
      content: 'text',
      group: 'tiny',
    })),
    hardLinks: [],
    symlinks: [],
    emptyDirectories: [],
  };
}

function pad(value: number, digits: number): string {
  return String(value).padStart(digits, '0');
}
