/** One entry of a tree, and which entries of which tree are meant. */
import type { BytePath } from '../../base/files/byte-paths.js';

/** Which entries of which directory. Globs as in {@link file://./glob.ts}, relative to the root. */
export interface TreeSpec {
  /** Absolute directory. */
  readonly root: string;
  readonly include: readonly string[];
  readonly exclude: readonly string[];
  /** Do not enter other mounts, except those an include names. */
  readonly oneFileSystem: boolean;
  /** Mount points below the root, where they are known: a device number does not tell bind mounts. */
  readonly mounts?: readonly BytePath[] | undefined;
}

export type EntryType =
  'file' | 'directory' | 'symlink' | 'fifo' | 'character' | 'block' | 'socket';

export interface Entry {
  readonly path: BytePath;
  readonly type: EntryType;
  /** Bytes of a file's content; 0 for everything else. */
  readonly sizeBytes: number;
  /** Nanoseconds since the epoch. */
  readonly mtimeNs: bigint;
  readonly ctimeNs: bigint;
  readonly inode: bigint;
  readonly device: bigint;
  /** Permission bits with setuid, setgid and sticky. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly linkCount: number;
  /**
   * A file that says it takes no room, where that need not mean it is one hole (network and FUSE file
   * systems, small files, blocks not counted yet). GNU tar with `--sparse` would never read it.
   */
  readonly claimsHole: boolean;
  /** Target of a symlink, bytes as in {@link BytePath}; `''` otherwise. */
  readonly linkTarget: BytePath;
  /**
   * Path, link target, type, size, mtime, ctime, inode, mode and owner in one string: equal for two
   * scans only if nothing changed that a change of content, owner or attributes would touch. The
   * device is not in it (its number changes with a reboot), nor the link count (which shows in ctime).
   */
  readonly state: string;
}
