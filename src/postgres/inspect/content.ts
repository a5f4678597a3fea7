/**
 * What is in one database, asked in SQL: for inspecting, and for counting inside the snapshot a dump
 * is taken from. How the questions are put so that one that fails costs no other: ask-content.ts.
 */
import { z } from 'zod';
import { quoteLiteral } from '../client/server.js';
import { quoteIdentifier } from '../client/sql-text.js';

/** none: the tables only · count: exact rows · digest: exact rows and content digests */
export type RowDetail = 'none' | 'count' | 'digest';

/** What of a database is looked at. */
export interface ContentScope {
  readonly rows: RowDetail;
  /**
   * Digests of no materialized views, and of tables (and the large objects, taken together) of at
   * most this size on disk; all by default.
   */
  readonly digestUpToBytes?: number;
  /** With rows counted only: digests of the tables of extensions all the same, up to this size. */
  readonly digestExtensionTablesUpToBytes?: number;
  /** What a dump computes anew or does not record (materialized views, sequences) is not looked at. */
  readonly dumpedOnly?: boolean;
  /** These tables alone; all by default. */
  readonly only?: readonly { readonly schema: string; readonly table: string }[];
}

const tableSchema = z.object({
  type: z.literal('table'),
  schema: z.string(),
  table: z.string(),
  /**
   * materialized-view: a restore computes it anew, so its rows need not equal a stale original ·
   * extension-table: made by CREATE EXTENSION, of which a dump holds only what the extension chose
   */
  kind: z.enum(['table', 'materialized-view', 'extension-table']),
  rows: z.number().int().min(0).nullable(),
  digest: z.string().optional(),
  /** Of an extension's table. */
  extension: z.string().optional(),
  /** Of a partition: `schema.table` of the topmost table it belongs to. */
  root: z.string().optional(),
});
/** A table that is there to be asked about. */
const foundSchema = tableSchema.omit({ type: true, rows: true, digest: true }).extend({
  type: z.literal('found'),
  /** Its name as SQL. */
  relation: z.string(),
  /** `t."a", t."b"`: what a digest is taken of; absent where none is wanted. */
  columns: z.string().optional(),
});
/** Why a question was not answered, where the server said. */
const reasonSchema = z.object({
  type: z.literal('reason'),
  schema: z.string(),
  table: z.string(),
  reason: z.string(),
});
const largeObjectsSchema = z.object({ type: z.literal('large-objects'), digest: z.string() });
/** Where unqualified names lead in this database. */
const pathSchema = z.object({
  type: z.literal('path'),
  /** As `search_path` is written. */
  own: z.string(),
  schemas: z.array(z.string()),
});
const summarySchema = z.object({
  type: z.literal('summary'),
  largeObjects: z.number().int().min(0),
  extensions: z.array(z.object({ name: z.string(), version: z.string() })),
});
const sequenceSchema = z.object({
  type: z.literal('sequence'),
  schema: z.string(),
  sequence: z.string(),
  /** As text: it may be larger than a JavaScript number holds. */
  lastValue: z.string().nullable(),
});
export const contentLineSchema = z.discriminatedUnion('type', [
  tableSchema,
  summarySchema,
  sequenceSchema,
  foundSchema,
  reasonSchema,
  largeObjectsSchema,
  pathSchema,
]);
export type ContentLine = z.output<typeof contentLineSchema>;
export type TableState = Omit<z.output<typeof tableSchema>, 'type'>;
export type FoundTable = Omit<z.output<typeof foundSchema>, 'type'>;
export type SequenceState = Omit<z.output<typeof sequenceSchema>, 'type'>;

export interface DatabaseContent {
  readonly tables: readonly TableState[];
  readonly sequences: readonly SequenceState[];
  readonly largeObjects: number;
  readonly largeObjectDigest?: string;
  readonly extensions: readonly { readonly name: string; readonly version: string }[];
  /** What could not be found out, though all else was. */
  readonly unanswered: readonly Unanswered[];
}

/** Of a database nobody can connect to. */
export const NO_CONTENT: DatabaseContent = {
  tables: [],
  sequences: [],
  largeObjects: 0,
  extensions: [],
  unanswered: [],
};

/** A question the server has no answer to. */
export interface Unanswered {
  /** everything: not even which tables · rows: not even how many · digest: what is in them */
  readonly what: 'everything' | 'rows' | 'digest' | 'sequences';
  /** `schema.table`, or `large objects`. */
  readonly subject: string;
  /** In the server's words. */
  readonly reason: string;
}

/**
 * Tables that hold rows of their own: a partitioned table's rows are its partitions', a foreign
 * table's are elsewhere, a temporary one's nobody else's. On a standby unlogged ones can't be read.
 */
const RELATIONS = `
  from pg_class c
  join pg_namespace n on n.oid = c.relnamespace
  left join lateral (
    select x.extname from pg_depend d join pg_extension x on x.oid = d.refobjid
    where d.classid = 'pg_class'::regclass and d.objid = c.oid and d.deptype = 'e'
      and d.refclassid = 'pg_extension'::regclass limit 1) e on true
  where n.nspname !~ '^pg_' and n.nspname <> 'information_schema'
    and (c.relkind = 'r' or (c.relkind = 'm' and c.relispopulated))
    and c.relpersistence <> 't'
    and not (c.relpersistence = 'u' and pg_is_in_recovery())`;

/** Versions before 12 have no pg_partition_root. */
const ROOT = `case when c.relispartition then (
    with recursive up(oid, depth) as (select c.oid, 0
      union all select i.inhparent, depth + 1 from up join pg_inherits i on i.inhrelid = up.oid)
    select s.nspname || '.' || r.relname from up join pg_class r on r.oid = up.oid
      join pg_namespace s on s.oid = r.relnamespace order by depth desc limit 1) end`;

const KIND = `case when e.extname is not null then 'extension-table' when c.relkind = 'm' then 'materialized-view' else 'table' end`;

/**
 * A sum of row hashes: it needs no order and no memory, and a row that is there twice counts twice.
 *
 * The same rows must give the same sum in another cluster, after a dump and its restore:
 * - rows are hashed as text, since the binary form holds OIDs, which a restore gives anew; the
 *   session settings that shape text are fixed ({@link questionEnv}), and from PostgreSQL 12 on
 *   numbers are written the same way by all versions ({@link DIGESTS_FROM_VERSION_NUMBER});
 * - columns by name: those of a child table come back in another order when a column was added to
 *   its parent later; no dropped ones, which a restore does not have, and no generated ones, which a
 *   dump does not hold;
 * - hashtextextended has been the same since PostgreSQL 11, and has to be: it decides in which
 *   partition a row lies. It costs a third of md5, and unlike md5 no cryptographic policy forbids it.
 */
const TABLE_DIGEST = sumOfHashes('row(%s)::text');

const COLUMNS = `(select string_agg(format('t.%I', a.attname), ', ' order by a.attname)
    from pg_attribute a
    where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
      and coalesce(to_jsonb(a)->>'attgenerated', '') = '')`;

/**
 * The same of all large objects: of each its size, and of its pages what is not zero. A hole is no
 * page at all, and comes back from a dump as a page of zeros.
 */
const LARGE_OBJECT_DIGEST = `
  (select ${sumOfHashes("loid || ':' || pageno || ':' || hex")} from (
     select loid, pageno, rtrim(encode(data, 'hex'), '0') as hex from pg_largeobject) p
   where hex <> '')::numeric
  + (select ${sumOfHashes("loid || ':' || size")} from (
     select loid, max(pageno::bigint * (current_setting('block_size')::int / 4) + octet_length(data)) as size
     from pg_largeobject group by loid) l)::numeric`;

/** So many schemas at most are looked through for a name. */
const MOST_SCHEMAS = 100;

/** In versions before this one the text of a floating-point number is another. */
export const DIGESTS_FROM_VERSION_NUMBER = 120_000;

function sumOfHashes(text: string): string {
  // Qualified: where a planner needs another search_path, functions of the same name may be in it.
  return `coalesce(pg_catalog.sum(pg_catalog.hashtextextended((${text}) collate "C", 0::bigint)), 0)::text`;
}

/**
 * psql input that takes the lock pg_dump takes on each table a dump reads. Whoever holds the lock
 * and the snapshot sees what pg_dump with the same snapshot sees: TRUNCATE and rewrites, which do
 * not respect snapshots, have to wait.
 */
export const LOCK_TABLES = `
select format('lock table only %I.%I in access share mode', n.nspname, c.relname)
${RELATIONS} and c.relkind = 'r' order by c.oid \\gexec
`;

/** An SQL expression: the search_path that sessions of this database have unless a role says otherwise. */
export const OWN_PATH_SQL = `coalesce((select substr(setting, length('search_path=') + 1)
     from pg_db_role_setting, unnest(setconfig) setting
     where setrole = 0 and setdatabase in (0, (select oid from pg_database where datname = current_database()))
       and setting like 'search\\_path=%' order by setdatabase desc limit 1), '"$user", public')`;

/** psql input for what needs no table: extensions, large objects, and the path of the database. */
export const SUMMARY_SQL = `
select jsonb_build_object('type', 'summary',
  'largeObjects', (select count(*) from pg_largeobject_metadata),
  'extensions', coalesce((select jsonb_agg(
     jsonb_build_object('name', extname, 'version', extversion) order by extname) from pg_extension), '[]'));
select jsonb_build_object('type', 'path',
  'own', ${OWN_PATH_SQL},
  'schemas', coalesce((select jsonb_agg(nspname order by nspname) from (select nspname from pg_namespace
     where nspname !~ '^pg_' and nspname <> 'information_schema' order by nspname limit ${MOST_SCHEMAS}) n), '[]'));
`;

export const SEQUENCES_SQL = `select jsonb_build_object('type', 'sequence', 'schema', schemaname, 'sequence', sequencename,
  'lastValue', last_value::text) from pg_sequences order by schemaname, sequencename;`;

export const LARGE_OBJECTS_SQL = `select jsonb_build_object('type', 'large-objects', 'digest', (${LARGE_OBJECT_DIGEST})::text);`;

/** SQL that answers one `found` line for each table. */
export function tablesSql(scope: ContentScope): string {
  const { rows, only, dumpedOnly, digestUpToBytes, digestExtensionTablesUpToBytes } = scope;
  const upTo = (sizeBytes: number | undefined): string =>
    sizeBytes === undefined ? 'true' : `pg_table_size(c.oid) <= ${sizeBytes}`;
  const isDigested =
    rows === 'digest'
      ? `${upTo(digestUpToBytes)}${digestUpToBytes === undefined ? '' : ` and c.relkind <> 'm'`}`
      : rows === 'count' && digestExtensionTablesUpToBytes !== undefined
        ? `${KIND} = 'extension-table' and ${upTo(digestExtensionTablesUpToBytes)}`
        : 'false';
  return `
select jsonb_strip_nulls(jsonb_build_object('type', 'found', 'schema', n.nspname, 'table', c.relname, 'kind', ${KIND},
  'extension', e.extname, 'relation', format('%I.%I', n.nspname, c.relname), 'root', ${ROOT},
  'columns', case when ${isDigested} then coalesce(${COLUMNS}, '') end))
  ${RELATIONS}${only === undefined ? '' : ` and ${isOneOf(only)}`}${dumpedOnly === true ? ` and c.relkind <> 'm'` : ''}
  order by n.nspname, c.relname;
`;
}

/** Are the large objects to be digested, all of them together? An SQL condition. */
export function largeObjectsCondition({ rows, digestUpToBytes }: ContentScope): string {
  if (rows !== 'digest') return 'false';
  return digestUpToBytes === undefined
    ? 'true'
    : `pg_table_size('pg_largeobject') <= ${digestUpToBytes}`;
}

/** SQL that counts the rows of a table, with their digest where one is wanted; it answers a `table` line. */
export function countSql(found: FoundTable, withDigest: boolean): string {
  const { schema, table, kind, extension, relation, columns } = found;
  const fields = [
    `'type', 'table', 'schema', ${quoteLiteral(schema)}::text, 'table', ${quoteLiteral(table)}::text`,
    `'kind', ${quoteLiteral(kind)}::text`,
    `'rows', pg_catalog.count(*)`,
    ...(extension === undefined ? [] : [`'extension', ${quoteLiteral(extension)}::text`]),
    ...(withDigest && columns !== undefined
      ? [`'digest', ${TABLE_DIGEST.replace('%s', () => columns)}`]
      : []),
  ];
  return `select pg_catalog.jsonb_build_object(${fields.join(', ')}) from only ${relation} t`;
}

/** The path where names that leave their schema out are most likely found: told in search_path's syntax. */
export function widePath(
  { own, schemas }: { readonly own: string; readonly schemas: readonly string[] },
  first: string,
): string {
  const others = schemas.filter((name) => name !== first);
  return [own, ...[first, ...others].map(quoteIdentifier)].filter((part) => part !== '').join(', ');
}

function isOneOf(tables: NonNullable<ContentScope['only']>): string {
  const names = tables.map(
    ({ schema, table }) => `(${quoteLiteral(schema)}, ${quoteLiteral(table)})`,
  );
  return names.length === 0
    ? 'false'
    : `(n.nspname::text, c.relname::text) in (values ${names.join(', ')})`;
}
