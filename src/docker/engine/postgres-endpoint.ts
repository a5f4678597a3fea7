/**
 * Where a server listens that does not listen where its client programs look by themselves: with another
 * port, another directory for its socket, or no socket at all. A running server says so in a file of its
 * data directory.
 */

import type { Engine } from './engine.js';
import { execCapture } from './exec.js';

/** Environment of client programs (PGPORT, PGHOST). */
export type Endpoint = Readonly<Record<string, string>>;

/**
 * Reads `postmaster.pid` (its lines: process, data directory, start, port, first socket directory, first
 * listen address …). @returns undefined for a server that listens nowhere yet, or none
 */
export function parsePostmasterFile(text: string): Endpoint | undefined {
  const [, , , port = '', socketDirectory = '', address = ''] = text
    .split('\n')
    .map((line) => line.trim());
  if (!/^\d+$/.test(port)) return undefined;
  if (socketDirectory !== '') return { PGPORT: port, PGHOST: socketDirectory };
  if (address === '') return undefined;
  const host = ['*', '0.0.0.0'].includes(address)
    ? '127.0.0.1'
    : address === '::'
      ? '::1'
      : address;
  return { PGPORT: port, PGHOST: host };
}

/**
 * Prints that file: of the data directory that the container names, else of a server's working directory,
 * which is its data directory.
 */
const READ_POSTMASTER_FILE: readonly string[] = [
  'sh',
  '-c',
  String.raw`
cat "${'${PGDATA:-/var/lib/postgresql/data}'}/postmaster.pid" 2>/dev/null && exit 0
for directory in /proc/[0-9]*/cwd; do
  cat "$directory/postmaster.pid" 2>/dev/null && exit 0
done
exit 1`,
];

/** Where the server of a container says that it listens. @throws as {@link execCapture} */
export async function findEndpoint(
  engine: Engine,
  container: string,
  signal: AbortSignal,
): Promise<Endpoint | undefined> {
  const told = await execCapture(engine, { container, argv: READ_POSTMASTER_FILE, signal });
  return told.exitCode === 0 ? parsePostmasterFile(told.stdout) : undefined;
}

/**
 * Did a client find no server where it looked? A server that refuses, or is starting, was found. Messages
 * are those of libpq from 11 on, in English (clients run with LC_ALL=C).
 */
export function foundNoServer(stderr: string): boolean {
  return /could not connect to server: (No such file or directory|Connection refused)|connection to server (at|on) .* failed: (No such file or directory|Connection refused)/.test(
    stderr,
  );
}
