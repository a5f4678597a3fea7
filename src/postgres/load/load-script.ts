/** Loading SQL scripts (globals, whole clusters) so that every error, and every cut, shows. */
import { randomBytes } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { Readable } from 'node:stream';
import { HoldfastError } from '../../base/errors.js';
import { decompressed } from '../dump/compress.js';
import { asBuffer, observed } from '../client/bytes.js';
import { loadEnv, psqlArgv } from '../client/client-env.js';
import { clientError } from '../client/client-error.js';
import type { PostgresExec, ServerLogin } from '../client/exec.js';
import { ScriptFilter } from './script-filter.js';
import { errorLineOf, warningsOf } from '../client/warnings.js';

export interface LoadScriptOptions {
  readonly file: string;
  readonly kind: 'globals' | 'cluster';
  /** Whom every cluster has: the script's CREATE ROLE for it is left out, nothing else. */
  readonly bootstrapRole: string;
  readonly database: string;
  readonly onBytes: (count: number) => void;
}

/**
 * Feeds a script to psql, which stops at the first error. Psql takes input that ends in the middle
 * of COPY for a success; so a last command is added, and only its answer proves that all of the
 * script was read.
 * @returns The server's warnings.
 * @throws HoldfastError RESTORE_FAILED (facts: stderr), VERSION_INCOMPATIBLE, POSTGRES_UNREACHABLE,
 *   DISK_FULL, or the signal's reason.
 */
export async function loadScript(
  pg: PostgresExec,
  login: ServerLogin,
  options: LoadScriptOptions,
  signal: AbortSignal,
): Promise<string[]> {
  if (options.kind === 'cluster') await assertKnowsRestrict(pg, login, options.database, signal);
  const lastWord = `holdfast-${randomBytes(12).toString('hex')}`;
  const source = observed(createReadStream(options.file), (chunk) => options.onBytes(chunk.length));
  const script = decompressed(source, options.file, signal);
  const filter = new ScriptFilter(options.kind, options.bootstrapRole);
  async function* input(): AsyncGenerator<Buffer> {
    for await (const chunk of script) yield filter.push(asBuffer(chunk));
    yield filter.end();
    yield Buffer.from(`\n\\echo ${lastWord}\n`);
  }
  const running = await pg.stream([...psqlArgv(login, options.database), '-o', '/dev/null'], {
    input: Readable.from(input(), { objectMode: false }),
    env: loadEnv(login),
    signal,
  });
  let answer = '';
  for await (const chunk of running.stdout)
    answer = (answer + asBuffer(chunk).toString()).slice(-4096);
  const { exitCode } = await running.done;
  const stderr = running.stderrTail();
  const errorLine = errorLineOf(stderr);
  if (exitCode !== 0 || errorLine !== undefined) {
    throw clientError('psql', { exitCode, stderr: errorLine ?? stderr }, 'RESTORE_FAILED', {
      file: options.file,
    });
  }
  if (!answer.split('\n').includes(lastWord)) {
    throw new HoldfastError('RESTORE_FAILED', 'psql did not read the script to its end', {
      facts: { file: options.file, stderr: stderr.slice(-2000) },
    });
  }
  return warningsOf(stderr);
}

/**
 * Dumps made since August 2025 put `\restrict` around their SQL (CVE-2025-8714); an older psql stops
 * at that line, with nothing loaded.
 */
async function assertKnowsRestrict(
  pg: PostgresExec,
  login: ServerLogin,
  database: string,
  signal: AbortSignal,
): Promise<void> {
  const result = await pg.capture(psqlArgv(login, database), {
    input: '\\restrict probe\n\\unrestrict probe\n',
    env: loadEnv(login),
    signal,
  });
  if (result.exitCode === 0 && !/invalid command/.test(result.stderr)) return;
  if (!/invalid command/.test(result.stderr)) throw clientError('psql', result, 'RESTORE_FAILED');
  throw new HoldfastError(
    'VERSION_INCOMPATIBLE',
    'the server’s psql is older than the dump: it does not know \\restrict',
    { hint: 'use an image with 13.22, 14.19, 15.14, 16.10, 17.6 or a later release' },
  );
}
