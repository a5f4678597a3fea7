/** Where the activities keep what must survive them, below the root of the store. */
import { createHash } from 'node:crypto';
import path from 'node:path';

/** Which containers a run has stopped: written before they are, read by whoever comes next. */
export function stoppedDirectory(root: string): string {
  return path.join(root, '.holdfast', 'stopped');
}

export function stoppedFile(root: string, runId: string, service: string, source?: string): string {
  const name = source === undefined ? `${runId}--${service}` : `${runId}--${service}--${source}`;
  return path.join(stoppedDirectory(root), `${name}.json`);
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
  return path.join(root, '.holdfast', 'unpacked', `${restoreId}--${service}--${source}.jsonl`);
}

export function lockFile(root: string, ...names: readonly string[]): string {
  return path.join(root, '.holdfast', 'locks', `${names.join('--')}.lock`);
}
