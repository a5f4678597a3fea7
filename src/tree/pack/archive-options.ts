import type { ChangePolicy } from '../../format/config/sources.js';
import type { Priority } from '../../base/process/process.js';
import type { TreeSpec } from '../index/entry.js';
import { type TreeReader } from '../scan/reader.js';
import type { KnownPart } from '../../format/known-parts.js';

export interface ArchiveOptions {
  readonly spec: TreeSpec;
  /** Existing empty directory; gets `part-00001.tar.zst` … and `index.jsonl.zst`. */
  readonly destination: string;
  /** zstd's level, 1 to 19. */
  readonly compressionLevel: number;
  /** What it means that something keeps changing while it is read. */
  readonly onChange: ChangePolicy;
  /** A tree without a single file or link is not an error. */
  readonly allowEmpty: boolean;
  /** The set this is for; parts say in which one they were written. */
  readonly setId: string;
  /** How the bytes are reached; read directly by default. */
  readonly reader?: TreeReader;
  /** Where to cut; by the tree's size by default. */
  readonly partTargetBytes?: number;
  /** Parts that may be linked when nothing of theirs has changed, those preferred first. */
  readonly known?: readonly KnownPart[];
  /** A file beside the destination where finished parts are noted, to survive a kill. */
  readonly journal?: string;
  /** How many parts are written at a time; as many as there are processors, at most 4, by default. */
  readonly writers?: number;
  /** Of zstd where it is not tar's child; tar's own is the reader's. */
  readonly priority?: Priority;
  /** Asked before bytes of the tree go on to be compressed: slows the reading down. */
  readonly throttle?: (bytes: number) => Promise<void>;
  readonly settleMs?: number;
}
