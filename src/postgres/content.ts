/**
 * What is in one database, asked in SQL: one statement list for inspecting, and for counting inside
 * the snapshot a dump is taken from.
 */
import { z } from 'zod';
import { quoteLiteral } from './server.js';

/** none: the tables only · count: exact rows · digest: exact rows and content digests */
export type RowDetail = 'none' | 'count' | 'digest';

/** What of a database is looked at. */
export interface ContentScope {
  readonly rows: RowDetail;
  /**
   * Digests only of what a dump holds, of tables (and the large objects, taken together) of at most
   * this size on disk; all by default.
   */
  readonly digestUpToBytes?: number;
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
});
const summarySchema = z.object({
  type: z.literal('summary'),
  largeObjects: z.number().int().min(0),
  largeObjectDigest: z.string().optional(),
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
]);
export type ContentLine = z.output<typeof contentLineSchema>;
export type TableState = Omit<z.output<typeof tableSchema>, 'type'>;
export type SequenceState = Omit<z.output<typeof sequenceSchema>, 'type'>;

export interface DatabaseContent {
  readonly tables: readonly TableState[];
  readonly sequences: readonly SequenceState[];
  readonly largeObjects: number;
  readonly largeObjectDigest?: string;
  readonly extensions: readonly { readonly name: string; readonly version: string }[];
}

/**
 * Tables that hold rows of their own: a partitioned table's rows are its partitions', a foreign
 * table's are elsewhere, a temporary one's nobody else's. On a standby unlogged ones can't be read.
 */
const RELATIONS = `
  from pg_class c
  join pg_namespace n on n.oid = c.relnamespace
  cross join lateral (select exists (
    select from pg_depend d
    where d.classid = 'pg_class'::regclass and d.objid = c.oid and d.deptype = 'e') as member) e
  where n.nspname !~ '^pg_' and n.nspname <> 'information_schema'
    and (c.relkind = 'r' or (c.relkind = 'm' and c.relispopulated))
    and c.relpersistence <> 't'
    and not (c.relpersistence = 'u' and pg_is_in_recovery())`;

const KIND = `case when e.member then 'extension-table' when c.relkind = 'm' then 'materialized-view' else 'table' end`;

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

/** In versions before this one the text of a floating-point number is another. */
export const DIGESTS_FROM_VERSION_NUMBER = 120_000;

function sumOfHashes(text: string): string {
  return `coalesce(sum(hashtextextended((${text}) collate "C", 0)), 0)::text`;
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

/** psql input that answers one {@link ContentLine} a line. Run it inside one transaction. */
export function contentSql({ rows, digestUpToBytes, only }: ContentScope): string {
  const relations = only === undefined ? RELATIONS : `${RELATIONS} and ${isOneOf(only)}`;
  const upTo = (size: string): string =>
    digestUpToBytes === undefined ? 'true' : `${size} <= ${digestUpToBytes}`;
  const isDigested =
    digestUpToBytes === undefined
      ? 'true'
      : `${KIND} = 'table' and ${upTo('pg_table_size(c.oid)')}`;
  const digest =
    rows === 'digest'
      ? `case when ${isDigested}
           then format($d$, 'digest', ${TABLE_DIGEST}$d$, ${COLUMNS}) else '' end`
      : `''`;
  const tables =
    rows === 'none'
      ? `select jsonb_build_object('type', 'table', 'schema', n.nspname, 'table', c.relname,
           'kind', ${KIND}, 'rows', null) ${relations} order by n.nspname, c.relname;`
      : `select format($q$select jsonb_build_object('type', 'table', 'schema', %L::text, 'table', %L::text,
             'kind', %L::text, 'rows', count(*)%s) from only %I.%I t$q$,
           n.nspname, c.relname, ${KIND}, ${digest}, n.nspname, c.relname)
         ${relations} order by n.nspname, c.relname \\gexec`;
  const largeObjects =
    rows === 'digest'
      ? `, 'largeObjectDigest', case when ${upTo("pg_table_size('pg_largeobject')")} then (${LARGE_OBJECT_DIGEST})::text end`
      : '';
  return `
select jsonb_strip_nulls(jsonb_build_object('type', 'summary',
  'largeObjects', (select count(*) from pg_largeobject_metadata)
  ${largeObjects},
  'extensions', coalesce((select jsonb_agg(
     jsonb_build_object('name', extname, 'version', extversion) order by extname) from pg_extension), '[]')));
select jsonb_build_object('type', 'sequence', 'schema', schemaname, 'sequence', sequencename,
  'lastValue', last_value::text) from pg_sequences order by schemaname, sequencename;
${tables}
`;
}

function isOneOf(tables: NonNullable<ContentScope['only']>): string {
  const names = tables.map(
    ({ schema, table }) => `(${quoteLiteral(schema)}, ${quoteLiteral(table)})`,
  );
  return names.length === 0
    ? 'false'
    : `(n.nspname::text, c.relname::text) in (values ${names.join(', ')})`;
}

/** Parses the lines {@link contentSql} answers. */
export function parseContent(lines: readonly string[]): DatabaseContent {
  const tables: TableState[] = [];
  const sequences: SequenceState[] = [];
  let summary: z.output<typeof summarySchema> | undefined;
  for (const text of lines) {
    const line = contentLineSchema.parse(JSON.parse(text));
    switch (line.type) {
      case 'table': {
        const { schema, table, kind, rows, digest } = line;
        tables.push({ schema, table, kind, rows, ...(digest === undefined ? {} : { digest }) });
        break;
      }
      case 'sequence': {
        const { schema, sequence, lastValue } = line;
        sequences.push({ schema, sequence, lastValue });
        break;
      }
      case 'summary':
        summary = line;
        break;
    }
  }
  return {
    tables,
    sequences,
    largeObjects: summary?.largeObjects ?? 0,
    extensions: summary?.extensions ?? [],
    ...(summary?.largeObjectDigest === undefined
      ? {}
      : { largeObjectDigest: summary.largeObjectDigest }),
  };
}
