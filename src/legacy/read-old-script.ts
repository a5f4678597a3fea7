/** A script of pg_dumpall that was made by another program: is it whole, and what will it make? */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { HoldfastError } from '../base/errors.js';
import type { Work } from '../base/progress.js';
import type { DatabaseInfo, PostgresInfo, TableCount } from '../format/manifest.js';
import type { ClusterState } from '../postgres/inspect/inspect.js';
import { ScriptScanner, isCompleteScript } from '../postgres/inspect/script-scan.js';

const CHUNK_BYTES = 1024 * 1024;

export interface OldScript {
  readonly sizeBytes: number;
  readonly sha256: string;
  /** Tables with data in the script. */
  readonly entries: number;
  /** What only the server knew is '' or 0; owners, encodings and versions of extensions are. */
  readonly found: Pick<
    PostgresInfo,
    'serverVersion' | 'serverVersionNumber' | 'roles' | 'tablespaces' | 'databases'
  >;
}

/**
 * Reads the whole script, hashing it on the way.
 * @throws HoldfastError INTEGRITY (facts: path) when it does not end as pg_dumpall ends a dump; or
 *   the signal's reason
 */
export async function readOldScript(file: string, work: Work): Promise<OldScript> {
  const hash = createHash('sha256');
  const scan = new ScriptScanner();
  try {
    const stream = createReadStream(file, { highWaterMark: CHUNK_BYTES, signal: work.signal });
    for await (const chunk of stream) {
      if (!Buffer.isBuffer(chunk)) continue;
      hash.update(chunk);
      scan.push(chunk);
      const entries = scan.databases.length;
      work.report({ phase: 'read', bytes: scan.sizeBytes, entries, totalBytes: 0 });
    }
  } catch (error) {
    work.signal.throwIfAborted();
    throw error;
  }
  if (!isCompleteScript(scan.tail, 'cluster')) throw incomplete(file, scan);
  const databases = databasesOf(scan);
  return {
    sizeBytes: scan.sizeBytes,
    sha256: hash.digest('hex'),
    entries: databases.reduce((sum, { tables }) => sum + tables.length, 0),
    found: {
      ...versionOf(scan.serverVersion),
      roles: [...scan.roles],
      tablespaces: [...scan.tablespaces],
      databases,
    },
  };
}

function incomplete(file: string, { tail, sizeBytes }: ScriptScanner): HoldfastError {
  const single = isCompleteScript(tail, 'database');
  return new HoldfastError(
    'INTEGRITY',
    single
      ? `${file} is the dump of a single database, not of a whole server`
      : `${file} does not end as pg_dumpall ends a dump: cut short`,
    {
      facts: { path: file, expected: "pg_dumpall's last line", actual: 'another end', sizeBytes },
      hint: single
        ? 'load it by hand with psql into the database it belongs to'
        : 'psql would load a part of it and report success; use another backup',
    },
  );
}

/** A database may be connected to more than once. */
function databasesOf(scan: ScriptScanner): DatabaseInfo[] {
  const tables = new Map<string, { tables: TableCount[]; largeObjects: number }>();
  for (const { name, tables: found, largeObjects } of scan.databases) {
    const known = tables.get(name) ?? { tables: [], largeObjects: 0 };
    known.tables.push(...found);
    known.largeObjects += largeObjects;
    tables.set(name, known);
  }
  return [...tables].map(([name, content]) => ({
    name,
    owner: '',
    encoding: '',
    collate: '',
    ctype: '',
    sizeBytes: 0,
    ...content,
    extensions: [],
  }));
}

/** `15.18 (Debian …)` → `15.18`, 150018; `9.6.24` → 90624. */
function versionOf(text: string | undefined): {
  serverVersion: string;
  serverVersionNumber: number;
} {
  const [, version = '', major = '0', minor = '0', patch] =
    /^((\d+)\.(\d+)(?:\.(\d+))?)/.exec(text ?? '') ?? [];
  const number =
    patch === undefined
      ? Number(major) * 10_000 + Number(minor)
      : Number(major) * 10_000 + Number(minor) * 100 + Number(patch);
  return { serverVersion: version, serverVersionNumber: number };
}

/**
 * What to hold a loaded cluster against, of a script that was made by another program: what it does
 * not tell is taken as found, and of the tables of extensions it holds only what these chose.
 */
export function expectedOfScript(recorded: PostgresInfo, found: ClusterState): PostgresInfo {
  return {
    ...recorded,
    databases: recorded.databases.map((wanted) => {
      const actual = found.databases.find(({ name }) => name === wanted.name);
      if (actual === undefined) return wanted;
      const ofExtensions = new Set(
        actual.tables
          .filter(({ kind }) => kind === 'extension-table')
          .map(({ schema, table }) => JSON.stringify([schema, table])),
      );
      const { owner, encoding, collate, ctype } = actual;
      return {
        ...wanted,
        owner,
        encoding,
        collate,
        ctype,
        tables: wanted.tables.filter(
          ({ schema, table }) => !ofExtensions.has(JSON.stringify([schema, table])),
        ),
      };
    }),
  };
}
