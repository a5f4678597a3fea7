/**
 * What is in one database, asked in SQL: one statement list for inspecting, and for counting inside
 * the snapshot a dump is taken from.
 */
import { z } from 'zod';

/** none: the tables only · count: exact rows · digest: exact rows and a content digest */
export type RowDetail = 'none' | 'count' | 'digest';

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

/** Sum of row hashes: the order of rows does not matter, each row's text does. */
const TABLE_DIGEST = `, 'digest', coalesce(sum(('x' || substr(md5((t.*)::text), 1, 16))::bit(64)::bigint::numeric), 0)::text`;
const LARGE_OBJECT_DIGEST = `, 'largeObjectDigest', (select coalesce(sum(('x' || substr(md5(loid::text || ':' || pageno::text || ':' || encode(data, 'hex')), 1, 16))::bit(64)::bigint::numeric), 0)::text from pg_largeobject)`;

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
export function contentSql(rows: RowDetail): string {
  const digest = rows === 'digest' ? TABLE_DIGEST : '';
  const tables =
    rows === 'none'
      ? `select jsonb_build_object('type', 'table', 'schema', n.nspname, 'table', c.relname,
           'kind', ${KIND}, 'rows', null) ${RELATIONS} order by n.nspname, c.relname;`
      : `select format($q$select jsonb_build_object('type', 'table', 'schema', %L::text, 'table', %L::text,
             'kind', %L::text, 'rows', count(*)${digest}) from only %I.%I t$q$,
           n.nspname, c.relname, ${KIND}, n.nspname, c.relname)
         ${RELATIONS} order by n.nspname, c.relname \\gexec`;
  return `
select jsonb_build_object('type', 'summary',
  'largeObjects', (select count(*) from pg_largeobject_metadata)
  ${rows === 'digest' ? LARGE_OBJECT_DIGEST : ''},
  'extensions', coalesce((select jsonb_agg(
     jsonb_build_object('name', extname, 'version', extversion) order by extname) from pg_extension), '[]'));
select jsonb_build_object('type', 'sequence', 'schema', schemaname, 'sequence', sequencename,
  'lastValue', last_value::text) from pg_sequences order by schemaname, sequencename;
${tables}
`;
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
