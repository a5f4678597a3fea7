/** A restored cluster against what the manifest of its dump promises. Pure. */
import type { DatabaseInfo, PostgresInfo } from '../../format/manifest.js';
import type { DatabaseContent, TableState } from './content.js';
import type { ClusterState, DatabaseState } from './inspect.js';

export type MismatchKind =
  | 'role-missing'
  | 'role-unexpected'
  | 'tablespace-missing'
  | 'database-missing'
  | 'database-unexpected'
  | 'database-owner'
  | 'database-encoding'
  | 'database-locale'
  | 'table-missing'
  | 'table-unexpected'
  | 'row-count'
  | 'not-counted'
  | 'extension-rows'
  | 'row-content'
  | 'large-objects'
  | 'large-object-content'
  | 'extension-missing'
  | 'extension-version';

export interface Mismatch {
  readonly kind: MismatchKind;
  /** error: the restore is not what was backed up · warning: worth a look, nothing is lost */
  readonly severity: 'error' | 'warning';
  readonly database?: string;
  /** The table, extension, role … that differs, as a person would write it. */
  readonly subject: string;
  readonly expected: string | number | null;
  readonly actual: string | number | null;
}

/**
 * Compares by name: roles, tablespaces, databases with owner, encoding and locale, tables with exact
 * row counts, large objects, extensions. Of the actual cluster, what the dump can't account for is
 * reported too, except the bootstrap role, template0 and databases without content, which every
 * fresh cluster has.
 * @param actual From inspectCluster with rows counted.
 */
export function compareWithManifest(
  expected: Omit<PostgresInfo, 'container' | 'image' | 'data'>,
  actual: ClusterState,
): Mismatch[] {
  return [
    ...compareRoles(expected, actual),
    ...expected.tablespaces
      .filter((name) => !actual.tablespaces.some((tablespace) => tablespace.name === name))
      .map((name) => missing('tablespace-missing', name)),
    ...compareDatabases(expected, actual),
  ];
}

/** What a comparison by digests found in one database, and how much of it could be compared so. */
export interface ComparedContent {
  readonly mismatches: readonly Mismatch[];
  /** Tables whose content was compared. */
  readonly byContent: number;
  /** Tables without a digest: too large for one, or of a dump that recorded none. */
  readonly byCount: number;
}

/**
 * Compares the rows of a database by their digests, where the dump recorded them.
 * @param found Read with digests, at least of the tables that have one in `wanted`. A table whose
 *   number of rows differs, or that is missing, is told as that.
 */
export function compareDigests(
  wanted: Pick<DatabaseInfo, 'name' | 'tables' | 'largeObjectDigest'>,
  found: Pick<DatabaseContent, 'tables' | 'largeObjectDigest'>,
): ComparedContent {
  const database = wanted.name;
  const withDigest = wanted.tables.filter(({ digest }) => digest !== undefined);
  const tables = new Map(found.tables.map((table) => [keyOf(table), table]));
  const mismatches = withDigest.flatMap((table): Mismatch[] => {
    const actual = tables.get(keyOf(table));
    const about = {
      severity: 'error',
      database,
      subject: `${table.schema}.${table.table}`,
    } as const;
    if (actual === undefined) {
      return [{ ...about, kind: 'table-missing', expected: table.rows, actual: null }];
    }
    if (actual.rows === null) return [notCounted(database, table)];
    if (actual.rows !== table.rows) {
      return [{ ...about, kind: 'row-count', expected: table.rows, actual: actual.rows }];
    }
    // As many rows; what is in them can't be told by whoever can't read them.
    if (actual.digest === undefined) return [notCounted(database, table)];
    const digests = { expected: table.digest ?? null, actual: actual.digest ?? null };
    return digests.expected === digests.actual
      ? []
      : [{ ...about, kind: 'row-content', ...digests }];
  });
  const settled = withoutMoved(mismatches, wanted.tables, found.tables);
  settled.push(...compareLargeObjects(wanted, found));
  const unread = settled.filter(
    ({ kind, subject }) => kind === 'not-counted' && subject !== 'large objects',
  ).length;
  const byContent = withDigest.length - unread;
  return { mismatches: settled, byContent, byCount: wanted.tables.length - byContent };
}

/**
 * Leaves out what is told of the partitions of a table whose rows are all there. A restore gives the values
 * of an enum other ids, and so other hashes: the rows of a table that is partitioned by them lie in other
 * partitions afterwards, as pg_dump means them to.
 */
function withoutMoved(
  mismatches: readonly Mismatch[],
  wanted: DatabaseInfo['tables'],
  found: readonly TableState[],
): Mismatch[] {
  const roots = new Map(
    found.flatMap((table) => (table.root === undefined ? [] : [[nameOf(table), table.root]])),
  );
  const sums = new Map<string, Sums>();
  return mismatches.filter(({ kind, subject }) => {
    const root = roots.get(subject);
    if (root === undefined || (kind !== 'row-count' && kind !== 'row-content')) return true;
    const isOf = ({ schema, table }: { schema: string; table: string }): boolean =>
      roots.get(nameOf({ schema, table })) === root;
    const { rows, content } =
      sums.get(root) ?? compareSums(wanted.filter(isOf), found.filter(isOf));
    sums.set(root, { rows, content });
    return !rows || (kind === 'row-count' ? content === 'differs' : content !== 'agrees');
  });
}

interface Sums {
  /** Are there as many? */
  readonly rows: boolean;
  readonly content: 'agrees' | 'differs' | 'unknown';
}

/** All partitions of a table together. Digests are sums, so they can be added where all have one. */
function compareSums(wanted: readonly CountedTable[], found: readonly CountedTable[]): Sums {
  const rowsOf = (tables: readonly CountedTable[]): number =>
    tables.reduce((sum, { rows }) => sum + (rows ?? Number.NaN), 0);
  const digestOf = (tables: readonly CountedTable[]): bigint | undefined =>
    tables.every(({ digest }) => digest !== undefined)
      ? tables.reduce((sum, { digest }) => sum + BigInt(digest ?? 0), 0n)
      : undefined;
  const [before, now] = [digestOf(wanted), digestOf(found)];
  const isKnown = before !== undefined && now !== undefined;
  return {
    rows: rowsOf(wanted) === rowsOf(found),
    content: !isKnown ? 'unknown' : before === now ? 'agrees' : 'differs',
  };
}

type CountedTable = Pick<TableState, 'rows' | 'digest'>;

function compareLargeObjects(
  { name: database, largeObjectDigest }: Pick<DatabaseInfo, 'name' | 'largeObjectDigest'>,
  found: Pick<DatabaseContent, 'largeObjectDigest'>,
): Mismatch[] {
  if (largeObjectDigest === undefined || largeObjectDigest === found.largeObjectDigest) return [];
  const subject = 'large objects';
  if (found.largeObjectDigest === undefined) return [{ ...notCounted(database), subject }];
  return [
    {
      kind: 'large-object-content',
      severity: 'error',
      database,
      subject,
      expected: largeObjectDigest,
      actual: found.largeObjectDigest,
    },
  ];
}

/** One sentence for one mismatch. */
export function describeMismatch(mismatch: Mismatch): string {
  const { database, subject, expected, actual } = mismatch;
  const where = database === undefined ? '' : `${database}: `;
  if (mismatch.kind === 'row-content') {
    return `${where}${subject}: the rows are as many, but their content differs`;
  }
  if (mismatch.kind === 'large-object-content') {
    return `${where}the content of the large objects differs`;
  }
  if (mismatch.kind === 'not-counted') {
    return `${where}${subject}: what is in it could not be asked, so it was not compared`;
  }
  if (mismatch.kind === 'extension-rows') {
    return `${where}not in the dump: rows of ${subject}, which an extension made (${expected ?? 'none'} before, ${actual ?? 'none'} now)`;
  }
  const what = mismatch.kind.replace('-', ' ');
  return `${where}${subject}: ${what}: expected ${expected ?? 'none'}, found ${actual ?? 'none'}`;
}

function compareRoles(expected: Pick<PostgresInfo, 'roles'>, actual: ClusterState): Mismatch[] {
  return [
    ...expected.roles
      .filter((role) => !actual.roles.includes(role))
      .map((role) => missing('role-missing', role)),
    ...actual.roles
      .filter((role) => !expected.roles.includes(role) && role !== actual.server.bootstrapRole)
      .map((role) => unexpected('role-unexpected', role)),
  ];
}

function compareDatabases(
  expected: Pick<PostgresInfo, 'databases'>,
  actual: ClusterState,
): Mismatch[] {
  const mismatches: Mismatch[] = [];
  for (const wanted of expected.databases) {
    const found = actual.databases.find(({ name }) => name === wanted.name);
    if (found === undefined) mismatches.push(missing('database-missing', wanted.name));
    else mismatches.push(...compareDatabase(wanted, found));
  }
  for (const found of actual.databases) {
    const wanted = expected.databases.some(({ name }) => name === found.name);
    const hasContent = found.tables.length > 0 || found.largeObjects > 0;
    if (!wanted && hasContent) mismatches.push(unexpected('database-unexpected', found.name));
  }
  return mismatches;
}

function compareDatabase(wanted: DatabaseInfo, found: DatabaseState): Mismatch[] {
  const database = wanted.name;
  const mismatches: Mismatch[] = [];
  const differ = (
    kind: MismatchKind,
    subject: string,
    expected: string | number,
    actual: string | number,
    severity: Mismatch['severity'] = 'error',
  ): void => {
    if (expected !== actual) {
      mismatches.push({ kind, severity, database, subject, expected, actual });
    }
  };
  differ('database-owner', database, wanted.owner, found.owner);
  differ('database-encoding', database, wanted.encoding, found.encoding);
  differ('database-locale', 'collate', locale(wanted.collate), locale(found.collate));
  differ('database-locale', 'ctype', locale(wanted.ctype), locale(found.ctype));
  if (wanted.unanswered?.some(({ what }) => what === 'everything') === true) {
    mismatches.push(notCounted(database));
    return mismatches;
  }
  differ('large-objects', 'large objects', wanted.largeObjects, found.largeObjects);

  const tables = new Map(found.tables.map((table) => [keyOf(table), table]));
  const wantedKeys = new Set(wanted.tables.map(keyOf));
  for (const table of wanted.tables) {
    const subject = `${table.schema}.${table.table}`;
    const actual = tables.get(keyOf(table));
    if (actual === undefined) {
      mismatches.push({
        kind: 'table-missing',
        severity: 'error',
        database,
        subject,
        expected: table.rows,
        actual: null,
      });
    } else if (actual.rows === null) {
      mismatches.push(notCounted(database, table));
    } else if (actual.rows !== table.rows) {
      mismatches.push({
        kind: 'row-count',
        severity: 'error',
        database,
        subject,
        expected: table.rows,
        actual: actual.rows,
      });
    }
  }
  for (const table of found.tables) {
    const unasked = wanted.unanswered?.some(({ subject }) => subject === nameOf(table)) === true;
    if (table.kind === 'table' && !wantedKeys.has(keyOf(table)) && !unasked) {
      mismatches.push({
        kind: 'table-unexpected',
        severity: 'warning',
        database,
        subject: `${table.schema}.${table.table}`,
        expected: null,
        actual: table.rows,
      });
    }
  }
  mismatches.splice(0, Infinity, ...withoutMoved(mismatches, wanted.tables, found.tables));
  mismatches.push(...compareExtensionTables(wanted, tables));
  for (const extension of wanted.extensions) {
    const actual = found.extensions.find(({ name }) => name === extension.name);
    if (actual === undefined) {
      mismatches.push({ ...missing('extension-missing', extension.name), database });
    } else {
      // CREATE EXTENSION installs what the image offers: another image, another version.
      differ('extension-version', extension.name, extension.version, actual.version, 'warning');
    }
  }
  return mismatches;
}

/**
 * What an extension itself has put into its tables is no part of a dump, also where somebody changed
 * it. Only a difference in what both sides could read counts.
 */
function compareExtensionTables(
  wanted: DatabaseInfo,
  tables: ReadonlyMap<string, TableState>,
): Mismatch[] {
  return (wanted.extensionTables ?? []).flatMap((table): Mismatch[] => {
    const actual = tables.get(keyOf(table));
    if (actual?.digest === undefined || actual.digest === table.digest) return [];
    return [
      {
        kind: 'extension-rows',
        severity: 'warning',
        database: wanted.name,
        subject: `${table.schema}.${table.table}`,
        expected: table.rows,
        actual: actual.rows,
      },
    ];
  });
}

function notCounted(
  database: string,
  table?: { readonly schema: string; readonly table: string },
): Mismatch {
  return {
    kind: 'not-counted',
    severity: 'warning',
    database,
    subject: table === undefined ? 'all tables' : nameOf(table),
    expected: null,
    actual: null,
  };
}

function missing(kind: MismatchKind, subject: string): Mismatch {
  return { kind, severity: 'error', subject, expected: subject, actual: null };
}

function unexpected(kind: MismatchKind, subject: string): Mismatch {
  return { kind, severity: 'warning', subject, expected: null, actual: subject };
}

function nameOf({ schema, table }: { readonly schema: string; readonly table: string }): string {
  return `${schema}.${table}`;
}

function keyOf({ schema, table }: { readonly schema: string; readonly table: string }): string {
  return JSON.stringify([schema, table]);
}

/** `C.UTF-8`, `C.utf8`: the same locale as different systems write it. */
function locale(name: string): string {
  return name.replace(
    /\.(.*)$/,
    (_all, charset: string) => `.${charset.toLowerCase().replaceAll('-', '')}`,
  );
}
