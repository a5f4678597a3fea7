/** What a whole cluster holds: for the manifest of a dump, and for the comparison after a restore. */
import { z } from 'zod';
import { NOT_UTF8, askContent } from './ask-content.js';
import { INSPECTOR_NAME, questionEnv } from '../client/client-env.js';
import { NO_CONTENT, type ContentScope, type DatabaseContent } from './content.js';
import type { PostgresExec, ServerLogin } from '../client/exec.js';
import { queryJson, serverFacts, type ServerFacts } from '../client/server.js';
import { CONNECTION_WAITS_MS, untilConnected } from '../client/patience.js';
import { PsqlSession } from '../client/session.js';

const databaseSchema = z.object({
  name: z.string(),
  owner: z.string(),
  encoding: z.string(),
  collate: z.string(),
  ctype: z.string(),
  sizeBytes: z.number().int().min(0),
  allowConnections: z.boolean(),
  isTemplate: z.boolean(),
  /** False for what an interrupted DROP DATABASE left behind: nobody can connect to it. */
  valid: z.boolean(),
});
const clusterSchema = z.object({
  /** ISO time of the cluster's initdb, from the system identifier. */
  initialisedAt: z.string(),
  /** The server's data directory, as a path where the server runs. */
  dataDirectory: z.string(),
  roles: z.array(z.string()),
  tablespaces: z.array(z.object({ name: z.string(), location: z.string() })),
  databases: z.array(databaseSchema),
});

export type DatabaseCatalogue = z.output<typeof databaseSchema>;
/** Everything but the content of the databases. */
export interface ClusterCatalogue extends z.output<typeof clusterSchema> {
  readonly server: ServerFacts;
}
/** A database that refuses connections has no content here: empty lists and 0. */
export interface DatabaseState extends DatabaseCatalogue, DatabaseContent {}
export interface ClusterState extends Omit<ClusterCatalogue, 'databases'> {
  readonly databases: readonly DatabaseState[];
}

/**
 * The cluster's roles, tablespaces and databases; not template0, which nobody changes, and not the
 * roles PostgreSQL itself makes (`pg_…`).
 */
export async function readCatalogue(
  pg: PostgresExec,
  login: ServerLogin,
  server: ServerFacts,
  signal: AbortSignal,
): Promise<ClusterCatalogue> {
  const [cluster] = await queryJson(
    pg,
    login,
    {
      database: server.maintenanceDatabase,
      schema: clusterSchema,
      // Names as their bytes: they are the same in all databases, whatever the encoding of this one.
      env: { ...questionEnv(login), PGCLIENTENCODING: 'SQL_ASCII' },
      // The upper half of the identifier is the Unix time of initdb (BootStrapXLOG in xlog.c).
      sql: `
select jsonb_build_object(
  'initialisedAt', (select to_char(to_timestamp((system_identifier >> 32)::float8) at time zone 'UTC',
     'YYYY-MM-DD"T"HH24:MI:SS"Z"') from pg_control_system()),
  'dataDirectory', current_setting('data_directory'),
  'roles', (select jsonb_agg(rolname order by rolname) from pg_roles where rolname !~ '^pg_'),
  'tablespaces', coalesce((select jsonb_agg(jsonb_build_object('name', spcname,
     'location', pg_tablespace_location(oid)) order by spcname)
     from pg_tablespace where spcname !~ '^pg_'), '[]'),
  'databases', (select jsonb_agg(jsonb_build_object('name', datname, 'owner', pg_get_userbyid(datdba),
     'encoding', pg_encoding_to_char(encoding), 'collate', coalesce(datcollate::text, ''),
     'ctype', coalesce(datctype::text, ''), 'sizeBytes', coalesce(pg_database_size(oid), 0),
     'allowConnections', datallowconn, 'isTemplate', datistemplate,
     'valid', datconnlimit <> -2) order by datname)
     from pg_database where datname <> 'template0'));`,
    },
    signal,
  );
  return { ...clusterSchema.parse(cluster), server };
}

/**
 * Reads a whole cluster: one repeatable-read transaction per database, so the counts of one
 * database belong together.
 * @param options.rows `count` by default; `digest` also hashes every row, for drills and demos.
 * @param options.databases The content of these alone is read; of all by default.
 * @param onAnswer Told of each table as it was counted.
 * @throws HoldfastError POSTGRES_UNREACHABLE, COMMAND_FAILED (facts: database, stderr),
 *   VERSION_INCOMPATIBLE.
 */
export async function inspectCluster(
  pg: PostgresExec,
  options: ServerLogin & Partial<ContentScope> & { readonly databases?: readonly string[] },
  signal: AbortSignal,
  onAnswer?: () => void,
): Promise<ClusterState> {
  const server = await serverFacts(pg, options, 'COMMAND_FAILED', signal);
  const catalogue = await readCatalogue(pg, options, server, signal);
  const databases: DatabaseState[] = [];
  const scope: ContentScope = { ...options, rows: options.rows ?? 'count' };
  for (const database of catalogue.databases) {
    const { name, allowConnections, valid } = database;
    const isWanted = options.databases?.includes(name) ?? true;
    const isRead = isWanted && allowConnections && valid && !name.includes(NOT_UTF8);
    const content = isRead
      ? await readContent(pg, options, name, scope, signal, onAnswer)
      : NO_CONTENT;
    databases.push({ ...database, ...content });
  }
  return { ...catalogue, databases };
}

/**
 * The content of one database, read in one transaction.
 * @param onLine Told of each answer as it comes: of a large table only after a while.
 */
export async function readContent(
  pg: PostgresExec,
  login: ServerLogin,
  database: string,
  scope: ContentScope,
  signal: AbortSignal,
  onLine?: () => void,
): Promise<DatabaseContent> {
  // The first statement shows whether there was a connection to be had.
  const session = await untilConnected(
    async () => {
      const opened = await PsqlSession.open(
        pg,
        login,
        {
          database,
          applicationName: INSPECTOR_NAME,
          lockTimeoutMs: 0,
          failureCode: 'COMMAND_FAILED',
        },
        signal,
      );
      try {
        await opened.run('begin isolation level repeatable read read only;');
        return opened;
      } catch (error) {
        await opened.close();
        throw error;
      }
    },
    CONNECTION_WAITS_MS,
    signal,
  );
  try {
    const content = await askContent(session, scope, onLine);
    await session.run('commit;');
    return content;
  } finally {
    await session.close();
  }
}
