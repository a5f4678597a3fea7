/**
 * Tries again what pg_restore could not make: functions, views, constraints and indexes that name
 * things without their schema work in the database's own search_path, but pg_dump's archives empty
 * it; and a CHECK that reads another table fails while that table is empty.
 *
 * All else is loaded by then. The failed entries alone are run, by pg_restore itself and in the
 * archive's order, with the paths their names may have been written for; again while that makes
 * anything. Each run takes all entries of one path, so their number does not follow that of the tables.
 */
import path from 'node:path';
import { z } from 'zod';
import { HoldfastError } from '../../base/errors.js';
import type { ArtifactFile } from '../../format/manifest.js';
import { readContents } from '../inspect/archive.js';
import { connectTo, loadEnv } from '../client/client-env.js';
import { unpacked } from '../dump/compress.js';
import { OWN_PATH_SQL } from '../inspect/content.js';
import { withoutChecks } from './held-checks.js';
import type { FailedEntry } from './restore-report.js';
import { restoreFromStream } from './run-pg-restore.js';
import type { PostgresExec, ServerLogin } from '../client/exec.js';
import { queryJson } from '../client/server.js';
import { quoteIdentifier } from '../client/sql-text.js';
import { withTemporaryFile } from './staged-archive.js';
import { withNeutralRole } from './neutral-role.js';
import type { LeftObject } from './left-object.js';

export interface Rebuilding {
  readonly pg: PostgresExec;
  readonly login: ServerLogin;
  readonly directory: string;
  readonly file: ArtifactFile;
  readonly database: string;
  /** Directories where the server runs that may hold a list for a while. */
  readonly places: readonly string[];
  readonly onBytes: (count: number) => void;
  /** Who makes things; the login role by default. */
  readonly role?: string | undefined;
}

/** Rounds over everything that failed; each goes on only because the one before made something. */
const MOST_ROUNDS = 5;
/** Different paths tried in one round. */
const MOST_PATHS = 500;
/** Entries whose SQL is told. */
const MOST_TOLD = 50;

/**
 * Neither triggers nor event triggers fire, as they would not have when the rows were loaded first.
 * (Foreign keys do not either: a dump is what it was.)
 */
const QUIET = { session_replication_role: 'replica' } as const;

/**
 * @returns What is left: not there, though all rows are.
 * @throws HoldfastError RESTORE_FAILED where rows are missing, naming the tables; else as
 *   restoreFromStream
 */
export async function rebuild(
  rebuilding: Rebuilding,
  failures: readonly FailedEntry[],
  signal: AbortSignal,
): Promise<readonly LeftObject[]> {
  if (failures.length === 0) return [];
  const { pg, directory, file } = rebuilding;
  const archive = unpacked(path.join(directory, file.name), signal);
  const contents = await readContents(pg, archive, file.name, 'RESTORE_FAILED', signal);
  const failed = new Map(failures.map((entry) => [entry.id, entry]));
  const entries = contents.flatMap(({ id, label }): Entry[] => {
    const failure = failed.get(id);
    return failure === undefined ? [] : [{ id, label, reason: reasonOf(failure) }];
  });
  const paths = await readPaths(rebuilding, signal);
  // pg_restore runs these only where it creates the database.
  const ofDatabase = entries.filter(({ label }) => isOfDatabase(label));
  const others = entries.filter(({ label }) => !isOfDatabase(label));
  return withNeutralRole(rebuilding, signal, async (role) => {
    const left = await makeAgain({ ...rebuilding, role }, others, paths, signal);
    return [
      ...left.objects,
      ...(await describe(rebuilding, [...ofDatabase, ...left.entries], signal)),
    ];
  });
}

/** @returns constraints that do not hold, and the entries that could not be made */
async function makeAgain(
  rebuilding: Rebuilding,
  others: readonly Entry[],
  paths: Paths,
  signal: AbortSignal,
): Promise<{ objects: LeftObject[]; entries: readonly Entry[] }> {
  let open = await tryAgain(rebuilding, others, paths, signal);
  const left: LeftObject[] = [];
  const unloaded = open.filter(holdsRows);
  if (unloaded.length > 0) {
    const tables = unloaded.map(({ label }) => label);
    const invalid = await withoutChecks(
      { ...rebuilding, path: paths.own },
      tables,
      signal,
      async () => {
        open = await tryAgain(rebuilding, open, paths, signal);
      },
    );
    left.push(...invalid);
    const missing = open.filter(holdsRows);
    if (missing.length > 0) throw rowsMissing(rebuilding, missing);
  }
  return { objects: left, entries: open };
}

interface Entry {
  readonly id: number;
  /** Kind, schema, name and owner. */
  readonly label: string;
  readonly reason: string;
}

function isOfDatabase(label: string): boolean {
  return /^(DATABASE|(ACL|COMMENT|SECURITY LABEL) - DATABASE) /.test(label);
}

function holdsRows({ label }: Entry): boolean {
  return /^(TABLE DATA|BLOBS?|BLOB METADATA|BLOB DATA) /.test(label);
}

/** What an attempt that came half way has made is there: only the rest of the entry counts. */
const IS_THERE = /already exists$|^multiple primary keys for table /;

function reasonOf({ errors }: FailedEntry): string {
  return errors.find((error) => !IS_THERE.test(error)) ?? errors[0] ?? 'the server said no reason';
}

/** Round after round, while one makes something. @returns what could not be made */
async function tryAgain(
  rebuilding: Rebuilding,
  entries: readonly Entry[],
  paths: Paths,
  signal: AbortSignal,
): Promise<readonly Entry[]> {
  let open = entries;
  for (let round = 0; round < MOST_ROUNDS && open.length > 0; round += 1) {
    const before = open.length;
    const candidates = new Map(open.map((entry) => [entry.id, pathsOf(entry, paths)]));
    const all = [...new Set([...candidates.values()].flat())].slice(0, MOST_PATHS);
    for (const one of all) {
      const some = open.filter(({ id }) => candidates.get(id)?.includes(one) === true);
      if (some.length === 0) continue;
      const failed = await runEntries(rebuilding, some, one, signal);
      open = open.flatMap((entry) => {
        if (!some.includes(entry)) return [entry];
        const reason = failed.get(entry.id);
        return reason === undefined ? [] : [{ ...entry, reason }];
      });
    }
    if (open.length === before) break;
  }
  return open;
}

/** Runs some entries once. @returns why those failed that did, by their ids */
async function runEntries(
  rebuilding: Rebuilding,
  entries: readonly Entry[],
  searchPath: string,
  signal: AbortSignal,
): Promise<ReadonlyMap<number, string>> {
  const { pg, login, database } = rebuilding;
  const report = await withList(rebuilding, entries, signal, (list) =>
    restoreFromStream(
      pg,
      {
        ...rebuilding,
        argv: [
          'pg_restore',
          '--no-password',
          '--verbose', // names the entry that fails
          `--username=${login.user}`,
          `--use-list=${list}`,
          `--dbname=${connectTo(database)}`,
          ...(rebuilding.role === undefined ? [] : [`--role=${rebuilding.role}`]),
        ],
        env: loadEnv(login, { ...QUIET, search_path: searchPath }),
        sessionPath: true,
      },
      signal,
    ),
  );
  const failed = report.failed.filter(({ errors }) => !errors.every((text) => IS_THERE.test(text)));
  return new Map(failed.map((entry) => [entry.id, reasonOf(entry)]));
}

async function withList<T>(
  { pg, places }: Rebuilding,
  entries: readonly Entry[],
  signal: AbortSignal,
  use: (file: string) => Promise<T>,
): Promise<T> {
  const text = entries.map(({ id, label }) => `${id}; ${label}\n`).join('');
  return withTemporaryFile(pg, { text, places }, signal, use);
}

const pathsSchema = z.object({
  own: z.string(),
  schemas: z.array(z.string()),
  roles: z.record(z.string(), z.string().nullable()),
});
type Paths = z.output<typeof pathsSchema>;

async function readPaths({ pg, login, database }: Rebuilding, signal: AbortSignal): Promise<Paths> {
  const sql = `select jsonb_build_object('own', ${OWN_PATH_SQL},
    'schemas', (select jsonb_agg(nspname) from pg_namespace
      where nspname !~ '^pg_' and nspname <> 'information_schema'),
    'roles', (select jsonb_object_agg(rolname, (
      select substr(setting, length('search_path=') + 1) from pg_db_role_setting, unnest(setconfig) setting
      where setrole = r.oid and setting like 'search\\_path=%'
        and setdatabase in (0, (select oid from pg_database where datname = current_database()))
      order by setdatabase desc limit 1)) from pg_roles r));`;
  const [paths] = await queryJson(pg, login, { database, sql, schema: pathsSchema }, signal);
  return paths ?? { own: '', schemas: [], roles: {} };
}

/**
 * Where an entry's names may have been meant to be found: what holds for its owner's sessions and for
 * everybody's, and its own schema. No guess goes further: another schema's table of the same name
 * would be the wrong one.
 */
function pathsOf({ label }: Entry, { own, schemas, roles }: Paths): string[] {
  const owner = longest(Object.keys(roles).filter((role) => label.endsWith(` ${role}`)));
  const schema = longest(
    schemas.filter((name) => {
      const at = label.indexOf(` ${name} `);
      return at !== -1 && /^[A-Z ]+$/.test(label.slice(0, at));
    }),
  );
  const ownersPath = (owner === undefined ? undefined : roles[owner]) ?? own;
  const asOwner =
    owner === undefined ? ownersPath : ownersPath.replace('"$user"', () => quoteIdentifier(owner));
  const withSchema =
    schema === undefined
      ? []
      : [[quoteIdentifier(schema), asOwner, 'public'].filter((part) => part !== '').join(', ')];
  return [...new Set([own, asOwner, ...withSchema])];
}

function longest(names: readonly string[]): string | undefined {
  return [...names].sort((one, other) => other.length - one.length)[0];
}

/** Names what is left, with the SQL that would make it. */
async function describe(
  rebuilding: Rebuilding,
  entries: readonly Entry[],
  signal: AbortSignal,
): Promise<LeftObject[]> {
  const told = entries.filter(({ label }) => !isOfDatabase(label)).slice(0, MOST_TOLD);
  const sql = told.length === 0 ? new Map<number, string>() : await sqlOf(rebuilding, told, signal);
  return entries.map(({ id, label, reason }) => ({
    database: rebuilding.database,
    what: label,
    reason,
    sql: sql.get(id) ?? '',
  }));
}

/** The statements of entries, as pg_restore would run them. */
async function sqlOf(
  rebuilding: Rebuilding,
  entries: readonly Entry[],
  signal: AbortSignal,
): Promise<ReadonlyMap<number, string>> {
  const { pg, directory, file } = rebuilding;
  const archive = unpacked(path.join(directory, file.name), signal);
  try {
    const { stdout } = await withList(rebuilding, entries, signal, (list) =>
      pg.capture(['pg_restore', '--verbose', '--file=-', `--use-list=${list}`], {
        input: archive,
        env: { LC_ALL: 'C' },
        signal,
      }),
    );
    return statementsByEntry(stdout);
  } finally {
    archive.destroy();
  }
}

/** pg_restore's verbose script, cut at the comments that begin an entry. */
export function statementsByEntry(script: string): ReadonlyMap<number, string> {
  const statements = new Map<number, string>();
  for (const part of script.split(/^-- TOC entry (?=\d+ \()/m).slice(1)) {
    const id = Number(/^\d+/.exec(part)?.[0]);
    const sql = part
      .split('\n')
      .slice(1)
      .filter((line) => !/^(--|\s*$|\\(un)?restrict )/.test(line))
      .join('\n')
      .trim();
    statements.set(id, sql);
  }
  return statements;
}

/** Tables named in an error; the facts have more. */
const NAMED = 5;

function rowsMissing({ database, file }: Rebuilding, entries: readonly Entry[]): HoldfastError {
  const lines = entries.map(({ label, reason }) => `${label}: ${reason}`);
  const more = lines.length > NAMED ? ` and ${lines.length - NAMED} more` : '';
  return new HoldfastError(
    'RESTORE_FAILED',
    `rows of database ${database} could not be loaded: ${lines.slice(0, NAMED).join('; ')}${more}`,
    {
      facts: { database, file: file.name, entries: lines.slice(0, MOST_TOLD), count: lines.length },
      hint: 'the dump itself is sound: does the server lack an extension, a role or a setting it had?',
    },
  );
}
