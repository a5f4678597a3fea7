/** A server's databases into files of an artifact, with what a restore of them must give. */
import { createHash, randomBytes } from 'node:crypto';
import { HoldfastError } from '../../base/errors.js';
import type { Work } from '../../base/progress.js';
import { isAsideDatabase } from '../replace/aside-name.js';
import { NOT_UTF8 } from '../inspect/ask-content.js';
import type {
  ChosenDatabases,
  DumpedFiles,
  DumpOptions,
  DumpPlan,
  DumpResult,
} from './dump-plan.js';
import { dumpWholeCluster } from './dump-cluster.js';
import { dumpEachDatabase } from './dump-databases.js';
export type { DumpOptions, DumpResult } from './dump-plan.js';
import { OutputSet } from './output-file.js';
import {
  readCatalogue,
  type ClusterCatalogue,
  type DatabaseCatalogue,
} from '../inspect/inspect.js';
import type { PostgresExec } from '../client/exec.js';
import { endSessions, serverFacts } from '../client/server.js';
import { clientVersion, majorOf } from '../client/version.js';

/** Limit for ending sessions, which must not make a cancellation hang. */
const END_SESSIONS_MS = 10_000;

/**
 * Dumps a running server. Each database is consistent in itself; different databases are read
 * at different moments (as by pg_dumpall), not at one common instant. `postgres` and `template1` are
 * dumped like any other, with `all`; template0, which nobody changes, never is. A database that
 * allows no connections can't be read: it is named in `notDumped`.
 *
 * On failure, and when the signal fires, no file is left under its own name and no client program
 * is left on the server.
 * @throws HoldfastError DUMP_FAILED (no superuser, a lock not had in time, no such database …),
 *   DUMP_INCOMPLETE, VERSION_INCOMPATIBLE, POSTGRES_UNREACHABLE, DISK_FULL, or the signal's reason.
 */
export async function dumpCluster(
  pg: PostgresExec,
  options: DumpOptions,
  work: Work,
): Promise<DumpResult> {
  const server = await serverFacts(pg, options, 'DUMP_FAILED', work.signal);
  const client = await clientVersion(pg, 'pg_dump', work.signal);
  if (client.major < majorOf(server.versionNumber)) {
    throw new HoldfastError(
      'VERSION_INCOMPATIBLE',
      `pg_dump ${client.major} can't dump a server of version ${server.version}`,
      {
        facts: { clientVersion: client.text, serverVersion: server.version },
        hint: 'use the client programs of the server’s own version',
      },
    );
  }
  const owner = ownerPrefix(options.owner);
  // Of this attempt alone: one that was given up must not, when it fails, end its successor.
  const applicationName = owner + randomBytes(6).toString('hex');
  const end = (prefix: string): Promise<void> =>
    endSessions(pg, options, server, prefix, AbortSignal.timeout(END_SESSIONS_MS));
  await endSessions(pg, options, server, owner, work.signal);
  const catalogue = await readCatalogue(pg, options, server, work.signal);
  const chosen = chooseDatabases(catalogue, options.databases);
  const outputs = new OutputSet(options.destination);
  try {
    const plan = {
      catalogue,
      chosen,
      client,
      applicationName,
      endSessions: (name = applicationName) => end(name),
      outputs,
    };
    const dumped = await dumpFiles(pg, options, plan, work);
    await outputs.commit();
    return {
      files: dumped.files,
      postgres: {
        serverVersion: server.version,
        serverVersionNumber: server.versionNumber,
        clientVersion: client.text,
        format: options.format,
        user: options.user,
        roles: catalogue.roles,
        tablespaces: catalogue.tablespaces.map(({ name }) => name),
        databases: dumped.databases,
        notDumped: chosen.notDumped,
      },
      totals: {
        contentBytes: sum(dumped.files, (file) => file.contentBytes ?? 0),
        storedBytes: sum(dumped.files, (file) => file.sizeBytes),
        entries: sum(dumped.files, (file) => file.entries ?? 0),
      },
      warnings: dumped.warnings,
    };
  } catch (error) {
    await outputs.discard();
    // A server process that waits for a lock does not notice that its client is gone.
    await end(applicationName).catch(() => undefined); // the failure's reason is worth more
    throw error;
  }
}

async function dumpFiles(
  pg: PostgresExec,
  options: DumpOptions,
  plan: DumpPlan,
  work: Work,
): Promise<DumpedFiles> {
  switch (options.format) {
    case 'cluster':
      return dumpWholeCluster(pg, options, plan, work);
    case 'custom':
      return dumpEachDatabase(pg, options, plan, work);
  }
}

/**
 * Which databases are dumped, and which of the wanted ones can't be.
 * @throws HoldfastError DUMP_FAILED naming wanted databases that do not exist.
 */
export function chooseDatabases(
  catalogue: Pick<ClusterCatalogue, 'databases'>,
  wanted: 'all' | readonly string[],
): ChosenDatabases {
  const known = catalogue.databases;
  if (wanted !== 'all') {
    const missing = wanted.filter((name) => !known.some((database) => database.name === name));
    if (missing.length > 0) {
      throw new HoldfastError('DUMP_FAILED', `no such database: ${missing.join(', ')}`, {
        facts: { missing, existing: known.map((database) => database.name) },
        hint: 'correct "databases" in the configuration, or use "all"',
      });
    }
  }
  // A restore's safety copies are nobody's data any more.
  const chosen = known.filter((database) =>
    wanted === 'all' ? !isAsideDatabase(database) : wanted.includes(database.name),
  );
  const dumpable = chosen.filter((database) => whyNot(database) === undefined);
  const notDumped = chosen.flatMap((database) => {
    const reason = whyNot(database);
    return reason === undefined ? [] : [{ name: database.name, reason }];
  });
  return { dumpable, notDumped };
}

function whyNot({ name, valid, allowConnections }: DatabaseCatalogue): string | undefined {
  if (!valid) return 'an interrupted DROP DATABASE left it invalid; only dropping it is possible';
  if (!allowConnections) return 'it allows no connections (ALLOW_CONNECTIONS false)';
  if (name.includes(NOT_UTF8))
    return 'its name is not UTF-8; rename it (ALTER DATABASE … RENAME TO)';
  return undefined;
}

function ownerPrefix(owner: string | undefined): string {
  const key =
    owner === undefined
      ? randomBytes(8).toString('hex')
      : createHash('sha256').update(owner).digest('hex').slice(0, 16);
  return `holdfast-dump-${key}-`;
}

function sum<T>(items: readonly T[], amount: (item: T) => number): number {
  return items.reduce((total, item) => total + amount(item), 0);
}
