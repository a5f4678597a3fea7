/**
 * What a plain SQL dump says about itself while it streams by: the databases it makes and connects
 * to, and the rows of each COPY. Counting in the stream is the only exact way for pg_dumpall, which
 * reads each database in a snapshot that nobody else can join.
 */
import type { TableCount } from '../../format/manifest.js';
import { SqlQuoting, connectedDatabase, fromLatin1, readIdentifier } from '../client/sql-text.js';

const NEWLINE = 0x0a;
/** How much of the end is kept to look for the trailer. */
const TAIL_BYTES = 4096;
/** More text than this in one statement line is data for sure (a default value, a comment). */
const LONGEST_STATEMENT_LINE = 16 * 1024 * 1024;

const VERSION_COMMENT = '-- Dumped from database version ';

export interface ScannedDatabase {
  readonly name: string;
  readonly tables: TableCount[];
  largeObjects: number;
}

/** Feed it a script's bytes, then ask. */
export class ScriptScanner {
  /** Databases the script creates, in order. */
  readonly created: string[] = [];
  /** Databases the script connects to, in order. */
  readonly databases: ScannedDatabase[] = [];
  /** Roles and tablespaces the script creates. */
  readonly roles: string[] = [];
  readonly tablespaces: string[] = [];
  /** As the script's comments say, e.g. `15.18 (Debian 15.18-1)`. */
  serverVersion: string | undefined;
  sizeBytes = 0;

  readonly #quoting = new SqlQuoting();
  #copy: { rows: number } | undefined;
  #copyTable: { schema: string; table: string } | undefined;
  #line: Buffer[] = [];
  #lineBytes = 0;
  #tail = Buffer.alloc(0);

  push(chunk: Buffer): void {
    this.sizeBytes += chunk.length;
    this.#tail =
      chunk.length >= TAIL_BYTES
        ? Buffer.from(chunk.subarray(-TAIL_BYTES))
        : Buffer.concat([this.#tail, chunk]).subarray(-TAIL_BYTES);
    let start = 0;
    while (start < chunk.length) {
      const end = chunk.indexOf(NEWLINE, start);
      if (end === -1) {
        this.#keep(chunk.subarray(start));
        return;
      }
      if (this.#copy !== undefined && this.#lineBytes === 0 && end - start !== 2) {
        this.#copy.rows += 1; // the fast path: a whole data line, not the length of `\.`
      } else {
        this.#keep(chunk.subarray(start, end));
        this.#endLine();
      }
      start = end + 1;
    }
  }

  /** The last few lines, for {@link isCompleteScript}. */
  get tail(): string {
    return this.#tail.toString('utf8');
  }

  #keep(piece: Buffer): void {
    this.#lineBytes += piece.length;
    // Of a data line only the first bytes matter; a chunk's memory must not be held for the rest.
    if (this.#copy !== undefined) {
      if (this.#line.length < 4) this.#line.push(Buffer.from(piece.subarray(0, 4)));
    } else if (this.#lineBytes <= LONGEST_STATEMENT_LINE) {
      this.#line.push(Buffer.from(piece));
    }
  }

  #endLine(): void {
    const line = Buffer.concat(this.#line).toString('latin1');
    this.#line = [];
    const isEnd = this.#lineBytes === 2 && line === '\\.';
    this.#lineBytes = 0;
    if (this.#copy === undefined) this.#statementLine(line);
    else if (isEnd) this.#endCopy();
    else this.#copy.rows += 1;
  }

  #endCopy(): void {
    const database = this.databases.at(-1);
    if (database !== undefined && this.#copyTable !== undefined) {
      database.tables.push({ ...this.#copyTable, rows: this.#copy?.rows ?? 0 });
    }
    this.#copy = undefined;
  }

  #statementLine(line: string): void {
    if (this.#quoting.atStatementLevel) {
      if (line.startsWith('\\')) {
        const database = connectedDatabase(line);
        if (database !== undefined) {
          this.databases.push({ name: fromLatin1(database), tables: [], largeObjects: 0 });
        }
        return; // not SQL: its quotes are psql's own
      }
      if (line.startsWith('COPY ') && line.endsWith(' FROM stdin;')) {
        this.#copy = { rows: 0 };
        this.#copyTable = qualifiedName(line.slice('COPY '.length));
      } else if (line.startsWith('CREATE DATABASE ')) {
        const name = readIdentifier(line.slice('CREATE DATABASE '.length))?.name;
        if (name !== undefined) this.created.push(fromLatin1(name));
      } else if (line.startsWith('CREATE ROLE ')) {
        add(this.roles, line.slice('CREATE ROLE '.length));
      } else if (line.startsWith('CREATE TABLESPACE ')) {
        add(this.tablespaces, line.slice('CREATE TABLESPACE '.length));
      } else if (line.startsWith(VERSION_COMMENT)) {
        this.serverVersion ??= line.slice(VERSION_COMMENT.length).trim();
      } else if (line.startsWith("SELECT pg_catalog.lo_create('")) {
        const database = this.databases.at(-1);
        if (database !== undefined) database.largeObjects += 1;
      }
    }
    this.#quoting.push(line);
  }
}

function add(names: string[], text: string): void {
  const name = readIdentifier(text)?.name;
  if (name !== undefined) names.push(fromLatin1(name));
}

function qualifiedName(text: string): { schema: string; table: string } | undefined {
  const schema = readIdentifier(text);
  if (schema === undefined || !schema.rest.startsWith('.')) return undefined;
  const table = readIdentifier(schema.rest.slice(1));
  if (table === undefined) return undefined;
  return { schema: fromLatin1(schema.name), table: fromLatin1(table.name) };
}

const TRAILERS = {
  cluster: '-- PostgreSQL database cluster dump complete',
  database: '-- PostgreSQL database dump complete',
} as const;

/**
 * Does a plain dump end as pg_dumpall (or pg_dump) ends it? Psql does not notice one that was cut
 * in the middle of COPY: it ends with exit code 0, even with ON_ERROR_STOP. Only comments, blank
 * lines and `\unrestrict` may follow the trailer (a single database's dump has it after).
 * @param tail The script's last few kilobytes.
 */
export function isCompleteScript(tail: string, kind: 'cluster' | 'database'): boolean {
  const lines = tail.split('\n');
  const at = lines.lastIndexOf(TRAILERS[kind]);
  if (at === -1 || !tail.endsWith('\n')) return false;
  return lines.slice(at + 1).every((line) => /^(--.*|\s*|\\unrestrict \w+)$/.test(line));
}
