/** The files that make a server what it is beside its data, read by the server itself. */
import path from 'node:path';
import { z } from 'zod';
import { HoldfastError } from '../../base/errors.js';
import type { PostgresExec, ServerLogin } from '../client/exec.js';
import { queryJson, quoteLiteral } from '../client/server.js';
import { authInclusions, confInclusions, librariesIn, type Inclusion } from './settings-text.js';
import { fitsTar, type SettingsFile } from './settings-tar.js';

/** Configuration files are small; what is larger is something else. */
const LARGEST_FILE = 1024 * 1024;
/** A configuration that includes more than this includes itself. */
const MOST_FILES = 500;

const placesSchema = z.object({
  dataDirectory: z.string(),
  config: z.string(),
  hba: z.string(),
  ident: z.string(),
  /** Files and a directory of TLS and Kerberos. */
  others: z.array(z.string()),
  otherDirectories: z.array(z.string()),
  libraries: z.array(z.string()),
  sharedBuffers: z.string(),
});
export type SettingsPlaces = z.output<typeof placesSchema>;

const PLACES = `
with named as (select name, setting from pg_settings where setting <> '')
select jsonb_build_object(
  'dataDirectory', current_setting('data_directory'),
  'config', current_setting('config_file'),
  'hba', current_setting('hba_file'),
  'ident', current_setting('ident_file'),
  'others', coalesce((select jsonb_agg(setting) from named where name in
     ('ssl_cert_file', 'ssl_key_file', 'ssl_ca_file', 'ssl_crl_file', 'ssl_dh_params_file',
      'krb_server_keyfile')), '[]'),
  'otherDirectories', coalesce((select jsonb_agg(setting) from named where name = 'ssl_crl_dir'), '[]'),
  'libraries', coalesce((select jsonb_agg(setting) from named where name in
     ('shared_preload_libraries', 'session_preload_libraries', 'local_preload_libraries')), '[]'),
  'sharedBuffers', current_setting('shared_buffers'));`;

export interface ServerSettings {
  readonly places: SettingsPlaces;
  /** In the data directory. */
  readonly files: readonly SettingsFile[];
  /** What the server reads elsewhere, and what can't be saved: absolute paths, with the reason. */
  readonly outside: readonly { readonly path: string; readonly reason: string }[];
  /** Libraries the server needs to start, or a session to begin. */
  readonly libraries: readonly string[];
}

type Kind = 'conf' | 'auth' | 'plain';

/**
 * Reads postgresql.conf, postgresql.auto.conf, pg_hba.conf, pg_ident.conf, what they include, and the
 * files of TLS that they name.
 * @param mounted Where something is mounted in the container: what is mounted into the data directory is
 *   the host's, not the server's.
 * @throws HoldfastError COMMAND_FAILED, POSTGRES_UNREACHABLE, LOGIN_REFUSED
 */
export async function readSettings(
  pg: PostgresExec,
  login: ServerLogin,
  { mounted, database }: { readonly mounted: readonly string[]; readonly database: string },
  signal: AbortSignal,
): Promise<ServerSettings> {
  const [places] = await queryJson(
    pg,
    login,
    { database, sql: PLACES, schema: placesSchema },
    signal,
  );
  if (places === undefined)
    throw new HoldfastError('COMMAND_FAILED', 'the server told no settings');
  const { dataDirectory } = places;
  const files: SettingsFile[] = [];
  const outside: { path: string; reason: string }[] = [];
  const seen = new Set<string>();

  const visit = async (file: string, kind: Kind): Promise<void> => {
    const absolute = path.posix.normalize(file);
    if (seen.has(absolute) || seen.size >= MOST_FILES) return;
    seen.add(absolute);
    const content = await readFile(pg, login, { database, file: absolute }, signal);
    if (content === 'missing') return;
    const reason = whyOutside(absolute, dataDirectory, mounted);
    const relative = path.posix.relative(dataDirectory, absolute);
    if (typeof content === 'string') outside.push({ path: absolute, reason: content });
    else if (reason !== undefined) outside.push({ path: absolute, reason });
    else if (!fitsTar(relative)) outside.push({ path: absolute, reason: 'its name is too long' });
    else files.push({ path: relative, content });
    if (typeof content === 'string' || kind === 'plain') return;
    const text = content.toString('latin1');
    const inclusions = kind === 'conf' ? confInclusions(text) : authInclusions(text);
    for (const one of inclusions) await include(one, path.posix.dirname(absolute), kind);
  };
  const include = async (one: Inclusion, from: string, kind: Kind): Promise<void> => {
    const target = path.posix.resolve(from, Buffer.from(one.path, 'latin1').toString());
    if (one.kind === 'file') return visit(target, kind);
    for (const name of await listDirectory(pg, login, { database, directory: target }, signal)) {
      if (kind === 'plain' || (name.endsWith('.conf') && !name.startsWith('.'))) {
        await visit(path.posix.join(target, name), kind);
      }
    }
  };

  await visit(places.config, 'conf');
  await visit(path.posix.join(dataDirectory, 'postgresql.auto.conf'), 'conf');
  await visit(places.hba, 'auth');
  await visit(places.ident, 'auth');
  for (const file of places.others) await visit(path.posix.resolve(dataDirectory, file), 'plain');
  for (const directory of places.otherDirectories) {
    await include({ kind: 'directory', path: directory }, dataDirectory, 'plain');
  }
  const libraries = [...new Set(places.libraries.flatMap(librariesIn))];
  const modes = await modesOf(
    pg,
    dataDirectory,
    files.map((one) => one.path),
    signal,
  );
  const withModes = files.map((file, index) => {
    const mode = modes[index];
    return mode === undefined ? file : { ...file, mode };
  });
  return { places, files: withModes, outside, libraries };
}

/**
 * Of those that belong to the server's user: as whose they come back. A key of root's that a group may
 * read would be refused by the server once it is its own.
 */
async function modesOf(
  pg: PostgresExec,
  dataDirectory: string,
  names: readonly string[],
  signal: AbortSignal,
): Promise<(number | undefined)[]> {
  const script = `cd "$1" && shift && for f in . "$@"; do stat -c '%u %a' "$f" || echo -; done`;
  try {
    const { stdout } = await pg.capture(['sh', '-c', script, 'sh', dataDirectory, ...names], {
      signal,
    });
    const [owner, ...found] = stdout
      .split('\n')
      .map((line) => /^(\d+) ([0-7]+)$/.exec(line)?.slice(1) ?? []);
    if (found.length < names.length || owner?.[0] === undefined) return [];
    return names.map((_, index) => {
      const [uid, mode] = found[index] ?? [];
      return uid !== owner[0] || mode === undefined ? undefined : Number.parseInt(mode, 8) & 0o777;
    });
  } catch {
    signal.throwIfAborted();
    return []; // a container without stat
  }
}

function whyOutside(
  file: string,
  dataDirectory: string,
  mounted: readonly string[],
): string | undefined {
  if (!isBelow(file, dataDirectory)) return 'it is not in the data directory';
  return isMountedInside(file, dataDirectory, mounted)
    ? 'it is mounted into the data directory'
    : undefined;
}

/** Is it, or what it lies in, a mount of its own within the data directory? Absolute paths. */
export function isMountedInside(
  file: string,
  dataDirectory: string,
  mounted: readonly string[],
): boolean {
  return mounted.some(
    (mount) => isBelow(mount, dataDirectory) && (file === mount || isBelow(file, mount)),
  );
}

function isBelow(file: string, directory: string): boolean {
  return file.startsWith(directory.endsWith('/') ? directory : `${directory}/`);
}

/** The content, `missing`, or why it can't be had. */
async function readFile(
  pg: PostgresExec,
  login: ServerLogin,
  { database, file }: { readonly database: string; readonly file: string },
  signal: AbortSignal,
): Promise<Buffer | string> {
  const read = `pg_read_binary_file(${quoteLiteral(file)}, 0, ${LARGEST_FILE + 1}, true)`;
  const sql = `select jsonb_build_object('base64', replace(encode(${read}, 'base64'), E'\\n', ''));`;
  const schema = z.object({ base64: z.string().nullable() });
  try {
    const [row] = await queryJson(pg, login, { database, sql, schema }, signal);
    if (row?.base64 == null) return 'missing';
    const content = Buffer.from(row.base64, 'base64');
    return content.length > LARGEST_FILE ? 'it is larger than a configuration is' : content;
  } catch (error) {
    signal.throwIfAborted();
    return `the server can't read it: ${error instanceof Error ? error.message : String(error)}`;
  }
}

async function listDirectory(
  pg: PostgresExec,
  login: ServerLogin,
  { database, directory }: { readonly database: string; readonly directory: string },
  signal: AbortSignal,
): Promise<string[]> {
  const sql = `select to_jsonb(name) from pg_ls_dir(${quoteLiteral(directory)}, true, false) name order by 1;`;
  return queryJson(pg, login, { database, sql, schema: z.string() }, signal).catch(() => {
    signal.throwIfAborted();
    return [];
  });
}
