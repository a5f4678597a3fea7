/** Where a set lies while it is written. */
import path from 'node:path';
import { HoldfastError } from '../../base/errors.js';
import { INCOMING_DIRECTORY, relativeParts } from '../layout.js';
import { isSetId } from '../../format/set-id.js';

export const RUN_FILE = 'run.json';

export interface IncomingArtifact {
  readonly setId: string;
  /** The artifact's path relative to the root. */
  readonly relativePath: string;
}

/** Where a complete artifact lies until its set is published. @throws HoldfastError STORE_UNSAFE */
export function incomingArtifact(root: string, { setId, relativePath }: IncomingArtifact): string {
  relativeParts(relativePath);
  return path.join(incomingSet(root, setId), 'whole', relativePath);
}

/** `.incoming/<setId>`. @throws HoldfastError STORE_UNSAFE for what is no set id */
export function incomingSet(root: string, setId: string): string {
  if (!isSetId(setId)) {
    throw new HoldfastError('STORE_UNSAFE', `"${setId}" is not a set id`, { facts: { setId } });
  }
  return path.join(root, INCOMING_DIRECTORY, setId);
}
