/** Directories that a dump's tablespaces need and a dump can't bring. */
import { createReadStream } from 'node:fs';
import { z } from 'zod';
import { HoldfastError } from '../../base/errors.js';
import { decompressed } from '../dump/compress.js';
import { asBuffer } from '../client/bytes.js';
import type { PostgresExec, ServerLogin } from '../client/exec.js';
import { queryJson, quoteLiteral, type ServerFacts } from '../client/server.js';
import { SqlQuoting, fromLatin1, readIdentifier } from '../client/sql-text.js';

export interface TablespaceLocation {
  readonly name: string;
  readonly location: string;
}

/**
 * Checks that the directory of every tablespace in a script exists where the server runs.
 * @throws HoldfastError RESTORE_FAILED (facts: missing), before anything is loaded.
 */
export async function assertTablespaceDirectories(
  pg: PostgresExec,
  login: ServerLogin,
  server: ServerFacts,
  scriptFile: string,
  signal: AbortSignal,
): Promise<void> {
  const missing: string[] = [];
  for (const { name, location } of await tablespacesIn(scriptFile, signal)) {
    const sql = `select jsonb_build_object('there',
      coalesce((pg_stat_file(${quoteLiteral(location)}, true)).isdir, false));`;
    const schema = z.object({ there: z.boolean() });
    const [answer] = await queryJson(
      pg,
      login,
      { database: server.maintenanceDatabase, sql, schema, failureCode: 'RESTORE_FAILED' },
      signal,
    );
    if (answer?.there !== true) missing.push(`${name} (${location})`);
  }
  if (missing.length > 0) {
    throw new HoldfastError(
      'RESTORE_FAILED',
      `directories of tablespaces are missing where the server runs: ${missing.join(', ')}`,
      {
        facts: { missing },
        hint: 'mount or create them, empty and owned by the server’s user, then restore again',
      },
    );
  }
}

/**
 * The tablespaces that a script of pg_dumpall (globals or a whole cluster, compressed or not) makes.
 * They come before the first `\connect`; nothing after it is read.
 */
export async function tablespacesIn(
  file: string,
  signal: AbortSignal,
): Promise<TablespaceLocation[]> {
  const found: TablespaceLocation[] = [];
  const quoting = new SqlQuoting();
  const source = createReadStream(file);
  let held = '';
  try {
    for await (const chunk of decompressed(source, file, signal)) {
      const lines = (held + asBuffer(chunk).toString('latin1')).split('\n');
      held = lines.pop() ?? '';
      for (const line of lines) {
        if (quoting.atStatementLevel) {
          if (line.startsWith('\\connect')) return found;
          const tablespace = parseTablespace(line);
          if (tablespace !== undefined) found.push(tablespace);
          if (line.startsWith('\\')) continue;
        }
        quoting.push(line);
      }
    }
    return found;
  } finally {
    source.destroy();
  }
}

/** The name of the directory that this server makes in each tablespace's. */
export async function versionDirectory(
  pg: PostgresExec,
  login: ServerLogin,
  server: ServerFacts,
  signal: AbortSignal,
): Promise<string> {
  const sql = `select jsonb_build_object('name', format('PG_%s_%s',
    current_setting('server_version_num')::int / 10000, catalog_version_no)) from pg_control_system();`;
  const schema = z.object({ name: z.string().regex(/^PG_\d+_\d+$/) });
  const { maintenanceDatabase: database } = server;
  const [answer] = await queryJson(
    pg,
    login,
    { database, sql, schema, failureCode: 'RESTORE_FAILED' },
    signal,
  );
  if (answer !== undefined) return answer.name;
  throw new HoldfastError(
    'RESTORE_FAILED',
    'the server does not tell the version of its catalogue',
  );
}

/**
 * Makes directories that are missing, as the owner of the data directory. It is tried: where it fails,
 * {@link assertTablespaceDirectories} tells.
 * @param asRoot Runs programs beside the server as root.
 */
export async function makeTablespaceDirectories(
  asRoot: PostgresExec,
  locations: readonly string[],
  dataDirectory: string,
  signal: AbortSignal,
): Promise<void> {
  const argv = ['sh', '-c', MAKE_DIRECTORIES, 'holdfast', dataDirectory, ...locations];
  await asRoot.capture(argv, { signal });
}

const MAKE_DIRECTORIES = String.raw`
owner=$(stat -c %u:%g "$1") || exit 1
shift
for directory; do
  [ -e "$directory" ] && continue
  mkdir -p "$directory" && chown "$owner" "$directory" && chmod 700 "$directory"
done`;

/** `CREATE TABLESPACE name OWNER role LOCATION '/path';` as pg_dumpall writes it. */
export function parseTablespace(line: string): TablespaceLocation | undefined {
  const start = 'CREATE TABLESPACE ';
  if (!line.startsWith(start)) return undefined;
  const name = readIdentifier(line.slice(start.length));
  const location = / LOCATION '((?:[^']|'')*)';$/.exec(line)?.[1];
  if (name === undefined || location === undefined) return undefined;
  return { name: fromLatin1(name.name), location: fromLatin1(location).replaceAll("''", "'") };
}
