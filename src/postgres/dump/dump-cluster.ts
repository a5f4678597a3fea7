/** The whole cluster as one script of pg_dumpall, as the hand-written backup scripts make it. */
import { HoldfastError } from '../../base/errors.js';
import type { Work } from '../../base/progress.js';
import type { DatabaseInfo } from '../../format/manifest.js';
import { LOCK_WAIT_MS, type DumpedFiles, type DumpOptions, type DumpPlan } from './dump-plan.js';
import { dumpScript } from './dump-script.js';
import { readContent } from '../inspect/inspect.js';
import type { ScriptScanner } from '../inspect/script-scan.js';
import { quoteIdentifier } from '../client/sql-text.js';
import type { PostgresExec } from '../client/exec.js';

/**
 * Runs pg_dumpall. It takes a snapshot of its own in each database, which nobody can join: rows are
 * counted in the script as it streams by.
 * @throws HoldfastError as dumpCluster; DUMP_INCOMPLETE (facts: missing) when the script lacks a database.
 */
export async function dumpWholeCluster(
  pg: PostgresExec,
  options: DumpOptions,
  plan: DumpPlan,
  work: Work,
): Promise<DumpedFiles> {
  const { dumpable } = plan.chosen;
  // Before the dump: tables of extensions hold rows that the script does not.
  const contents = new Map<string, DatabaseInfo>();
  const extensionTables = new Set<string>();
  for (const database of dumpable) {
    const content = await readContent(pg, options, database.name, { rows: 'none' }, work.signal);
    for (const { kind, schema, table } of content.tables) {
      if (kind === 'extension-table') extensionTables.add(key(database.name, schema, table));
    }
    contents.set(database.name, {
      name: database.name,
      owner: database.owner,
      encoding: database.encoding,
      collate: database.collate,
      ctype: database.ctype,
      sizeBytes: database.sizeBytes,
      tables: [],
      largeObjects: 0,
      extensions: [...content.extensions],
    });
  }
  const dump = await dumpScript(
    pg,
    options,
    {
      argv: pgDumpallArgv(options, plan),
      applicationName: plan.applicationName,
      endSessions: () => plan.endSessions(),
      outputs: plan.outputs,
      fileName: 'cluster.sql.zst',
      role: 'cluster',
      compressionLevel: options.compressionLevel,
    },
    work,
  );
  assertHoldsAll(dump.scan, [...contents.keys()]);
  const databases = [...contents.values()].map((info): DatabaseInfo => {
    const scanned = dump.scan.databases.filter(({ name }) => name === info.name);
    return {
      ...info,
      tables: scanned
        .flatMap(({ tables }) => tables)
        .filter(({ schema, table }) => !extensionTables.has(key(info.name, schema, table))),
      largeObjects: scanned.reduce((total, { largeObjects }) => total + largeObjects, 0),
    };
  });
  const contentBytes = databases.reduce((total, { sizeBytes }) => total + sizeBytes, 0);
  const entries = databases.reduce((total, { tables }) => total + tables.length, 0);
  return {
    files: [{ ...dump.file, contentBytes, entries }],
    databases,
    warnings: dump.warnings,
  };
}

function pgDumpallArgv(options: DumpOptions, plan: DumpPlan): string[] {
  const dumped = plan.chosen.dumpable.map(({ name }) => name);
  const excluded = plan.catalogue.databases
    .map(({ name }) => name)
    .filter((name) => !dumped.includes(name));
  if (options.databases !== 'all' && excluded.length > 0 && plan.client.major < 12) {
    throw new HoldfastError(
      'DUMP_FAILED',
      `pg_dumpall ${plan.client.major} can't leave databases out`,
      { hint: 'use format "custom", or "all" databases' },
    );
  }
  return [
    'pg_dumpall',
    '--no-password',
    `--username=${options.user}`,
    `--lock-wait-timeout=${options.lockWaitMs ?? LOCK_WAIT_MS}`,
    // Patterns as in psql's \l: in double quotes nothing is special but the quote itself.
    ...(options.databases === 'all'
      ? []
      : excluded.map((name) => `--exclude-database=${quoteIdentifier(name)}`)),
  ];
}

/** Databases that refuse connections are left out by pg_dumpall without a word; so may be others. */
function assertHoldsAll(scan: ScriptScanner, expected: readonly string[]): void {
  const made = new Set([...scan.created, 'postgres', 'template1']);
  const connected = new Set(scan.databases.map(({ name }) => name));
  const missing = expected.filter((name) => !made.has(name) || !connected.has(name));
  if (missing.length === 0) return;
  throw new HoldfastError(
    'DUMP_INCOMPLETE',
    `pg_dumpall left out ${missing.map((name) => JSON.stringify(name)).join(', ')}`,
    { facts: { missing } },
  );
}

function key(database: string, schema: string, table: string): string {
  return JSON.stringify([database, schema, table]);
}
