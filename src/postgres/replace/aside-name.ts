/** Names of databases that a restore has put aside. */
import { createHash } from 'node:crypto';

const PREFIX = 'holdfast_aside_';

/** The name a database has while it is aside; PostgreSQL cuts names at 63 bytes, this has 40. */
export function asideDatabase(database: string, restoreId: string): string {
  const hash = createHash('sha256').update(database).digest('hex').slice(0, 8);
  return `${PREFIX}${restoreId}_${hash}`;
}

/** Is it the safety copy of a restore? Those are closed to everybody. */
export function isAsideDatabase(database: {
  readonly name: string;
  readonly allowConnections: boolean;
}): boolean {
  return database.name.startsWith(PREFIX) && !database.allowConnections;
}
