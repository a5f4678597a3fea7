/** Where the activities keep what must survive them, below the root of the store. */
import { createHash } from 'node:crypto';
import path from 'node:path';
import { joinNames, splitNames } from '../../src/format/record-names.js';

/** Which containers a run has stopped: written before they are, read by whoever comes next. */
export function stoppedDirectory(root: string): string {
  return path.join(root, '.holdfast', 'stopped');
}

export function stoppedFile(root: string, runId: string, service: string, source?: string): string {
  const names = source === undefined ? [runId, service] : [runId, service, source];
  return path.join(stoppedDirectory(root), `${joinNames('--', names)}.json`);
}

/** What a record of stopped containers is of, by its file's name. */
export interface StoppedOf {
  /** Id of the set or of the restore. */
  readonly runId: string;
  readonly service: string;
  /** A backup holds its sources; a restore stops services. */
  readonly source?: string;
}

/**
 * @param isService tells the names of earlier versions apart, which joined odd names as they were
 */
export function stoppedOf(file: string, isService: (name: string) => boolean): StoppedOf {
  const [runId = '', ...parts] = splitNames('--', path.basename(file, '.json'));
  for (let length = parts.length; length > 0; length -= 1) {
    const service = parts.slice(0, length).join('--');
    if (!isService(service)) continue;
    const source = parts.slice(length).join('--');
    return { runId, service, ...(source === '' ? {} : { source }) };
  }
  const [service = '', ...rest] = parts;
  return { runId, service, ...(rest.length === 0 ? {} : { source: rest.join('--') }) };
}

/** Which quiesce hooks were run without their `after`. */
export function hookDirectory(root: string): string {
  return path.join(root, '.holdfast', 'hooks');
}

export function hookFile(root: string, runId: string, service: string, source: string): string {
  // Names may hold the separator: the sum tells them apart.
  const sum = createHash('sha256')
    .update(JSON.stringify([service, source]))
    .digest('hex');
  const name = `${runId}--${service}--${source}--${sum.slice(0, 8)}`;
  return path.join(hookDirectory(root), `${name}.json`);
}

/** What an attempt at unpacking a source has done so far. */
export function unpackJournal(
  root: string,
  restoreId: string,
  service: string,
  source: string,
): string {
  const name = joinNames('--', [restoreId, service, source]);
  return path.join(root, '.holdfast', 'unpacked', `${name}.jsonl`);
}

export function lockFile(root: string, ...names: readonly string[]): string {
  return path.join(root, '.holdfast', 'locks', `${joinNames('--', names)}.lock`);
}
