/** Versions of the client programs that sit next to the server. */
import { HoldfastError } from '../../base/errors.js';
import { clientError } from './client-error.js';
import type { PostgresExec } from './exec.js';

export interface ClientVersion {
  /** As the program tells it, e.g. `pg_dump (PostgreSQL) 15.18`. */
  readonly text: string;
  readonly major: number;
}

/**
 * @throws HoldfastError COMMAND_FAILED where there is no such program; VERSION_INCOMPATIBLE where
 *   its answer can't be understood.
 */
export async function clientVersion(
  pg: PostgresExec,
  program: 'pg_dump' | 'pg_restore' | 'psql',
  signal: AbortSignal,
): Promise<ClientVersion> {
  const result = await pg.capture([program, '--version'], { env: { LC_ALL: 'C' }, signal });
  if (result.exitCode !== 0) throw clientError(program, result, 'COMMAND_FAILED');
  const text = result.stdout.trim();
  const major = /\(PostgreSQL\) (\d+)/.exec(text)?.[1];
  if (major === undefined) {
    throw new HoldfastError('VERSION_INCOMPATIBLE', `${program} told an unknown version: ${text}`);
  }
  return { text, major: Number.parseInt(major, 10) };
}

/** 15 from 150018, as in `server_version_num` since PostgreSQL 10. */
export function majorOf(versionNumber: number): number {
  return Math.floor(versionNumber / 10_000);
}
