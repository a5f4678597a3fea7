/** Parts of earlier artifacts that a later backup may link in place of writing them again. */
import path from 'node:path';
import { systemCodeOf } from '../base/errors.js';
import type { ArtifactFile } from './manifest.js';

export interface KnownPart {
  /** Absolute. */
  readonly path: string;
  readonly file: ArtifactFile;
}

/** The parts of an artifact that a later backup may link, and its index. */
export function knownParts(directory: string, files: readonly ArtifactFile[]): KnownPart[] {
  return files.flatMap((file) =>
    file.state?.settled === true ? [{ path: path.join(directory, file.name), file }] : [],
  );
}

/** Gone or unreadable, too many links, another file system, or one without hard links. */
export function cannotLink(error: unknown): boolean {
  const codes = ['ENOENT', 'EMLINK', 'EXDEV', 'EPERM', 'EOPNOTSUPP', 'ENOTSUP', 'EIO', 'EUCLEAN'];
  return codes.includes(systemCodeOf(error) ?? '');
}
