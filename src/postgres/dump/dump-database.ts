/** One database into one pg_dump archive, with the row counts and digests of the very same snapshot. */
import type { Readable } from 'node:stream';
import { HoldfastError, messageOf } from '../../base/errors.js';
import type { Work } from '../../base/progress.js';
import type { ArtifactFile, DatabaseInfo } from '../../format/manifest.js';
import { bothOf } from '../../base/process/pipeline.js';
import { assertArchive, listArchive } from '../inspect/archive.js';
import { compressed, unpacked } from './compress.js';
import { askContent } from '../inspect/ask-content.js';
import {
  LOCK_TABLES,
  NO_CONTENT,
  type ContentScope,
  type DatabaseContent,
} from '../inspect/content.js';
import { runFramed } from './framed.js';
import type { DatabaseCatalogue } from '../inspect/inspect.js';
import type { OutputFile, OutputSet } from './output-file.js';
import { connectTo, dumpEnv } from '../client/client-env.js';
import type { PostgresExec, ServerLogin } from '../client/exec.js';
import { PsqlSession } from '../client/session.js';
import { warningsOf } from '../client/warnings.js';

export interface DatabaseDump {
  readonly file: ArtifactFile;
  readonly info: DatabaseInfo;
  readonly warnings: readonly string[];
}

export interface DatabaseDumpOptions {
  readonly outputs: OutputSet;
  readonly database: DatabaseCatalogue;
  readonly applicationName: string;
  readonly endSessions: () => Promise<void>;
  /** zstd's, 1 to 19. */
  readonly compressionLevel: number;
  /** Compress where the server runs: zstd is there. */
  readonly packBeside: boolean;
  /** Digests are recorded of tables of at most this size; 0: of none. */
  readonly digestUpToBytes: number;
  readonly lockWaitMs: number;
  /** Why it is dumped without a session that counts; absent where there is to be one. */
  readonly uncounted?: string | undefined;
}

/**
 * Dumps one database in pg_dump's custom format, with zstd around it instead of zlib inside: smaller
 * in less time.
 *
 * A psql session opens a transaction, exports its snapshot and takes pg_dump's own locks; pg_dump
 * then reads in that snapshot while the session counts and hashes the rows it reads. So counts and
 * digests are those of the dump however much is written meanwhile, and a restore can be held to them.
 *
 * It needs two sessions; with `options.uncounted` pg_dump's alone. May be called again after a failure.
 * @throws HoldfastError DUMP_FAILED, DUMP_INCOMPLETE, DISK_FULL, POSTGRES_UNREACHABLE,
 *   NO_FREE_CONNECTION, VERSION_INCOMPATIBLE.
 */
export async function dumpDatabase(
  pg: PostgresExec,
  login: ServerLogin,
  options: DatabaseDumpOptions,
  work: Work,
): Promise<DatabaseDump> {
  const { database, uncounted } = options;
  const output = options.outputs.open(archiveFileName(database.name));
  const told = { bytes: 0, entries: 0 };
  const dumping: Dumping = {
    pg,
    login,
    options,
    output,
    told,
    report: () => work.report({ phase: 'dump', totalBytes: 0, ...told }),
  };
  const { content, stderr } =
    uncounted === undefined
      ? await dumpCounted(dumping, work.signal)
      : {
          content: nothingAnswered(database.name, uncounted),
          stderr: await runPgDump(dumping, undefined, work.signal),
        };
  const entries = await checkArchive(pg, output, database.name, work.signal);
  return {
    file: {
      name: output.name,
      role: 'database',
      sizeBytes: output.sizeBytes,
      sha256: output.sha256,
      contentBytes: database.sizeBytes,
      entries,
      database: database.name,
    },
    info: databaseInfo(database, content),
    warnings: warningsOf(stderr),
  };
}

interface Dumping {
  readonly pg: PostgresExec;
  readonly login: ServerLogin;
  readonly options: DatabaseDumpOptions;
  readonly output: OutputFile;
  readonly told: { bytes: number; entries: number };
  readonly report: () => void;
}

async function dumpCounted(
  dumping: Dumping,
  outerSignal: AbortSignal,
): Promise<{ content: DatabaseContent; stderr: string }> {
  const { pg, login, options, told, report } = dumping;
  const { database, digestUpToBytes } = options;
  const either = new AbortController();
  const signal = AbortSignal.any([outerSignal, either.signal]);
  const session = await PsqlSession.open(
    pg,
    login,
    {
      database: database.name,
      applicationName: options.applicationName,
      lockTimeoutMs: options.lockWaitMs,
      failureCode: 'DUMP_FAILED',
    },
    signal,
  );
  try {
    const [snapshot] = await session.run(
      'begin isolation level repeatable read read only; select pg_export_snapshot();',
    );
    if (snapshot === undefined) throw new HoldfastError('INTERNAL', 'no snapshot was exported');
    await session.run(LOCK_TABLES);
    // Whichever fails first stops the other.
    const stopOther = (error: unknown): never => {
      either.abort(error);
      throw error;
    };
    const scope: ContentScope =
      digestUpToBytes > 0
        ? { rows: 'digest', digestUpToBytes, dumpedOnly: true }
        : { rows: 'count', dumpedOnly: true };
    // The dump does not need the answers: without them it is whole, but can't be held to anything.
    const counting = askContent(session, scope, () => {
      told.entries += 1;
      report();
    }).catch((error: unknown) => {
      signal.throwIfAborted();
      return nothingAnswered(database.name, messageOf(error));
    });
    const [content, stderr] = await bothOf(
      counting,
      runPgDump(dumping, snapshot, signal).catch(stopOther),
    );
    return { content, stderr };
  } finally {
    await session.close();
  }
}

/** @returns the last few kilobytes of its error output */
async function runPgDump(
  { pg, login, options, output, told, report }: Dumping,
  snapshot: string | undefined,
  signal: AbortSignal,
): Promise<string> {
  const { stderr } = await runFramed(
    pg,
    pgDumpArgv(login, options, snapshot),
    {
      env: dumpEnv(login, options.applicationName),
      signal,
      failureCode: 'DUMP_FAILED',
      database: options.database.name,
      endSessions: options.endSessions,
      ...(options.packBeside && { packedLevel: options.compressionLevel }),
    },
    (stdout) =>
      output.write(
        options.packBeside ? stdout : compressed(stdout, options.compressionLevel, signal),
        (bytes) => {
          told.bytes += bytes;
          report();
        },
      ),
  );
  return stderr;
}

function pgDumpArgv(
  login: ServerLogin,
  options: DatabaseDumpOptions,
  snapshot: string | undefined,
): string[] {
  return [
    'pg_dump',
    '--no-password',
    `--username=${login.user}`,
    '--format=custom',
    '--compress=0', // zstd does that, outside
    `--lock-wait-timeout=${options.lockWaitMs}`,
    ...(snapshot === undefined ? [] : [`--snapshot=${snapshot}`]),
    `--dbname=${connectTo(options.database.name)}`,
  ];
}

async function checkArchive(
  pg: PostgresExec,
  output: OutputFile,
  database: string,
  signal: AbortSignal,
): Promise<number> {
  const archive = (): Readable => unpacked(output.temporaryPath, signal, output.name);
  await assertArchive(archive(), `the dump of ${database}`, 'DUMP_INCOMPLETE', signal);
  return listArchive(pg, archive(), database, 'DUMP_INCOMPLETE', signal);
}

function databaseInfo(database: DatabaseCatalogue, content: DatabaseContent): DatabaseInfo {
  return {
    name: database.name,
    owner: database.owner,
    encoding: database.encoding,
    collate: database.collate,
    ctype: database.ctype,
    sizeBytes: database.sizeBytes,
    tables: content.tables.flatMap(({ kind, schema, table, rows, digest }) =>
      kind === 'table' && rows !== null
        ? [{ schema, table, rows, ...(digest === undefined ? {} : { digest }) }]
        : [],
    ),
    ...extensionTablesOf(content),
    largeObjects: content.largeObjects,
    ...(content.largeObjectDigest === undefined
      ? {}
      : { largeObjectDigest: content.largeObjectDigest }),
    extensions: [...content.extensions],
    ...(content.unanswered.length === 0 ? {} : { unanswered: [...content.unanswered] }),
  };
}

/** A dump holds of them only what the extension chose: what else is in them can be lost. */
function extensionTablesOf({ tables }: DatabaseContent): Pick<DatabaseInfo, 'extensionTables'> {
  const extensionTables = tables.flatMap(({ kind, schema, table, rows, digest, extension }) =>
    kind === 'extension-table' && rows !== null && digest !== undefined
      ? [{ extension: extension ?? '', schema, table, rows, digest }]
      : [],
  );
  return extensionTables.length === 0 ? {} : { extensionTables };
}

function nothingAnswered(database: string, reason: string): DatabaseContent {
  return {
    ...NO_CONTENT,
    unanswered: [{ what: 'everything', subject: database, reason }],
  };
}

/**
 * A file name for any database name: letters, digits, `_`, `.` and `-` as they are, every other byte
 * as `%XX`. File names begin with a letter or digit: a database name that does not is put after
 * `db=`, which no other name can give since its `=` would be encoded.
 */
export function archiveFileName(database: string): string {
  const encoded = [...Buffer.from(database, 'utf8')].map((byte, index) => {
    const character = String.fromCharCode(byte);
    const safe = index === 0 ? /[A-Za-z0-9]/ : /[A-Za-z0-9_.-]/;
    if (byte < 0x80 && safe.test(character)) return character;
    return `%${byte.toString(16).toUpperCase().padStart(2, '0')}`;
  });
  const name = encoded.join('');
  return `${name.startsWith('%') ? `db=${name}` : name}.dump.zst`;
}
