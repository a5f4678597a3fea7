/** Entries and databases of an artifact as `holdfast browse` shows them. Pure. */
import { isUtf8 } from 'node:buffer';
import type { IndexEntry } from '../../../tree/index/index-file.js';
import {
  pathFromJson,
  pathToBuffer,
  type BytePath,
  type JsonPath,
} from '../../../base/files/byte-paths.js';
import { formatBytes, count } from '../../../base/words.js';
import type { DatabaseInfo, PostgresInfo } from '../../../format/manifest.js';
import { padEnd, padStart } from '../../render/text.js';
import { formatCount, formatTime } from '../../render/words.js';

const TYPE_LETTERS: Record<IndexEntry['type'], string> = {
  file: '-',
  directory: 'd',
  symlink: 'l',
  fifo: 'p',
  character: 'c',
  block: 'b',
  socket: 's',
};

/** Characters that move the cursor, hide, or turn the text around them. */
const UNSAFE = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Co}\p{Cn}]/u;

/**
 * A name on one line, whatever its bytes: `\n`, `\t`, `\\`, `\x1b`, and bytes that are not UTF-8 as
 * `\xff`. Other characters that a terminal would not show as themselves are `\u{202e}`.
 */
export function safeName(json: JsonPath): string {
  return escapeName(pathFromJson(json));
}

function escapeName(path: BytePath): string {
  const bytes = pathToBuffer(path);
  if (isUtf8(bytes)) return Array.from(bytes.toString('utf8'), escapeCharacter).join('');
  // Runs that are UTF-8 stay readable around what is not.
  let text = '';
  for (let at = 0; at < bytes.length;) {
    const length = [1, 2, 3, 4].find(
      (candidate) => at + candidate <= bytes.length && isUtf8(bytes.subarray(at, at + candidate)),
    );
    if (length === undefined) text += hex(bytes[at] ?? 0);
    else text += escapeCharacter(bytes.toString('utf8', at, at + length));
    at += length ?? 1;
  }
  return text;
}

function escapeCharacter(character: string): string {
  switch (character) {
    case '\n':
      return String.raw`\n`;
    case '\t':
      return String.raw`\t`;
    case '\r':
      return String.raw`\r`;
    case '\\':
      return '\\\\';
  }
  if (!UNSAFE.test(character)) return character;
  const code = character.codePointAt(0) ?? 0;
  return code < 0x80 ? hex(code) : `\\u{${code.toString(16)}}`;
}

function hex(byte: number): string {
  return `\\x${byte.toString(16).padStart(2, '0')}`;
}

/** The path alone; a directory ends in `/`. */
export function renderEntry(entry: IndexEntry): string {
  return `${safeName(entry.path)}${entry.type === 'directory' ? '/' : ''}`;
}

/** `-rw-r--r--  1000:1000   1.2 KiB  2024-12-12 01:00:03  path -> target`. Local time. */
export function renderLongEntry(entry: IndexEntry): string {
  return [
    `${TYPE_LETTERS[entry.type]}${permissions(Number.parseInt(entry.mode, 8))}`,
    padEnd(`${entry.uid}:${entry.gid}`, 11),
    padStart(entry.type === 'file' ? formatBytes(entry.sizeBytes) : '-', 8),
    formatTime(new Date(Number(BigInt(entry.mtimeNs) / 1_000_000n)).toISOString()),
    `${renderEntry(entry)}${target(entry)}`,
  ].join('  ');
}

function target({ linkTarget, hardLinkOf }: IndexEntry): string {
  if (hardLinkOf !== undefined) return ` link to ${safeName(hardLinkOf)}`;
  return linkTarget === undefined ? '' : ` -> ${safeName(linkTarget)}`;
}

/** As `ls` writes them. */
export function permissions(mode: number): string {
  const triple = (shift: number, special: boolean, letter: string): string => {
    const bits = (mode >> shift) & 7;
    const execute = (bits & 1) !== 0;
    const last = special ? (execute ? letter : letter.toUpperCase()) : execute ? 'x' : '-';
    return `${(bits & 4) === 0 ? '-' : 'r'}${(bits & 2) === 0 ? '-' : 'w'}${last}`;
  };
  return (
    triple(6, (mode & 0o4000) !== 0, 's') +
    triple(3, (mode & 0o2000) !== 0, 's') +
    triple(0, (mode & 0o1000) !== 0, 't')
  );
}

/** Databases with their sizes and rows, their tables below them in the long form. */
export function renderDatabases(postgres: PostgresInfo, long: boolean): readonly string[] {
  const name = (text: string): string => escapeName(Buffer.from(text).toString('latin1'));
  const width = Math.max(0, ...postgres.databases.map((database) => name(database.name).length));
  return [
    ...postgres.databases.flatMap((database) => [
      `${padEnd(name(database.name), width)}  ${padStart(formatBytes(database.sizeBytes), 8)}  ` +
        `${count(database.tables.length, 'table')}, ${formatCount(rowsOf(database))} rows` +
        (long ? `, owner ${name(database.owner)}` : ''),
      ...(long
        ? database.tables.map(
            ({ schema, table, rows }) =>
              `  ${name(schema)}.${name(table)}  ${formatCount(rows)} rows`,
          )
        : []),
    ]),
    ...postgres.notDumped.map(
      ({ name: database, reason }) => `${name(database)}  not in the backup: ${name(reason)}`,
    ),
  ];
}

export function rowsOf({ tables }: DatabaseInfo): number {
  return tables.reduce((sum, { rows }) => sum + rows, 0);
}
