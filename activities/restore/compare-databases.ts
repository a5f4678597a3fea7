/** Loaded databases held against what the manifest of their dump says, and what is told of them. */
import {
  compareWithManifest,
  describeMismatch,
  type Mismatch,
} from '../../src/postgres/inspect/compare.js';
import { CountingPulse } from '../../src/postgres/dump/counting-pulse.js';
import { inspectCluster, type ClusterState } from '../../src/postgres/inspect/inspect.js';
import type { LoginRoute } from '../../src/postgres/client/ready.js';
import type { LeftObject } from '../../src/postgres/load/left-object.js';
import { HoldfastError } from '../../src/base/errors.js';
import type { Work } from '../../src/base/progress.js';
import type { PostgresInfo } from '../../src/format/manifest.js';

/** What an extension's tables may take on disk for their rows to be compared: built-in rows are few. */
export const EXTENSION_TABLES_UP_TO_BYTES = 64 * 1024 * 1024;
/** So many are named in a message; all of them are in the worker's log. */
const NAMED = 50;
const LONGEST_SQL = 500;

export interface Comparing {
  readonly expected: (state: ClusterState) => Omit<PostgresInfo, 'container' | 'image' | 'data'>;
  /** These alone are compared; the whole cluster by default. */
  readonly databases?: readonly string[];
}

/**
 * Counts the rows of every table, with heartbeats as it goes, and compares.
 * @returns What could not be compared, or is known to differ without rows being lost from the dump.
 * @throws HoldfastError RESTORE_MISMATCH naming what differs
 */
export async function compareRestored(
  { pg, login }: LoginRoute,
  { expected, databases }: Comparing,
  work: Work,
): Promise<string[]> {
  const pulse = new CountingPulse(pg, login, work);
  try {
    const scope = {
      rows: 'count',
      digestExtensionTablesUpToBytes: EXTENSION_TABLES_UP_TO_BYTES,
      ...(databases === undefined ? {} : { databases }),
    } as const;
    const state = await inspectCluster(pg, { ...login, ...scope }, work.signal, pulse.onAnswer);
    const found = compareWithManifest(expected(state), state).filter(
      ({ database }) =>
        databases === undefined || (database !== undefined && databases.includes(database)),
    );
    refuseErrors(found.filter(({ severity }) => severity === 'error'));
    return found
      .filter(({ kind }) => kind === 'not-counted' || kind === 'extension-rows')
      .slice(0, NAMED)
      .map(describeMismatch);
  } finally {
    pulse.stop();
  }
}

function refuseErrors(wrong: readonly Mismatch[]): void {
  if (wrong.length === 0) return;
  const lines = wrong.slice(0, 20).map(describeMismatch);
  throw new HoldfastError(
    'RESTORE_MISMATCH',
    `the restored databases differ from what was dumped: ${lines.slice(0, 3).join('; ')}`,
    { facts: { differences: lines, count: wrong.length } },
  );
}

/** A sentence for each object of a dump that could not be made again, with the SQL that makes it. */
export function describeLeft(left: readonly LeftObject[]): string[] {
  const told = left.slice(0, NAMED).map(({ database, what, reason, sql }) => {
    const cut = sql.length > LONGEST_SQL ? `${sql.slice(0, LONGEST_SQL)}…` : sql;
    const fix = cut === '' ? '' : `; to make it: ${cut}`;
    return `database ${database}: ${what} could not be made again: ${reason}${fix}`;
  });
  return left.length > NAMED ? [...told, `and ${left.length - NAMED} more`] : told;
}
