/** Dumps that are SQL scripts: the globals, and the whole cluster as pg_dumpall writes it. */
import { Readable } from 'node:stream';
import { HoldfastError } from '../../base/errors.js';
import type { Work } from '../../base/progress.js';
import type { ArtifactFile } from '../../format/manifest.js';
import { compressed } from './compress.js';
import { runFramed } from './framed.js';
import { observed } from '../client/bytes.js';
import { CONNECTION_WAITS_MS, untilConnected } from '../client/patience.js';
import type { OutputSet } from './output-file.js';
import { roleAllSettings } from '../settings/role-all-settings.js';
import { ScriptScanner, isCompleteScript } from '../inspect/script-scan.js';
import { dumpEnv } from '../client/client-env.js';
import type { PostgresExec, ServerLogin } from '../client/exec.js';
import { warningsOf } from '../client/warnings.js';

export interface ScriptDump {
  readonly file: ArtifactFile;
  readonly scan: ScriptScanner;
  readonly warnings: readonly string[];
}

export interface ScriptDumpOptions {
  readonly argv: readonly string[];
  readonly applicationName: string;
  readonly endSessions: () => Promise<void>;
  readonly outputs: OutputSet;
  readonly fileName: string;
  readonly role: 'globals' | 'cluster';
  readonly compressionLevel: number;
}

/** What pg_dumpall forgets first, then all it writes. */
async function* withPreamble(preamble: string, script: Readable): AsyncGenerator<Buffer> {
  if (preamble !== '') yield Buffer.from(preamble);
  for await (const chunk of script) if (Buffer.isBuffer(chunk)) yield chunk;
}

/**
 * Runs pg_dumpall into a zstd-compressed script. Of the globals it is tried again for a while where all
 * of the server's connections are taken; a script of the whole cluster may have been half done by then.
 * @throws HoldfastError DUMP_FAILED, DUMP_INCOMPLETE, DISK_FULL, POSTGRES_UNREACHABLE,
 *   VERSION_INCOMPATIBLE.
 */
export async function dumpScript(
  pg: PostgresExec,
  login: ServerLogin,
  options: ScriptDumpOptions,
  work: Work,
): Promise<ScriptDump> {
  const waitsMs = options.role === 'globals' ? CONNECTION_WAITS_MS : [];
  return untilConnected(() => dumpOnce(pg, login, options, work), waitsMs, work.signal);
}

async function dumpOnce(
  pg: PostgresExec,
  login: ServerLogin,
  options: ScriptDumpOptions,
  work: Work,
): Promise<ScriptDump> {
  const output = options.outputs.open(options.fileName);
  const scan = new ScriptScanner();
  const preamble = await roleAllSettings(pg, login, options.applicationName, work.signal);
  const { stderr } = await runFramed(
    pg,
    options.argv,
    {
      env: dumpEnv(login, options.applicationName),
      signal: work.signal,
      failureCode: 'DUMP_FAILED',
      endSessions: options.endSessions,
    },
    async (stdout) => {
      const script = observed(stdout, (chunk) => {
        scan.push(chunk);
        work.report({ phase: 'dump', bytes: scan.sizeBytes, entries: 0, totalBytes: 0 });
      });
      const whole = Readable.from(withPreamble(preamble, script), { objectMode: false });
      const packed = compressed(whole, options.compressionLevel, work.signal);
      await output.write(packed, () => undefined);
    },
  );
  if (!isCompleteScript(scan.tail, 'cluster')) {
    throw new HoldfastError('DUMP_INCOMPLETE', 'pg_dumpall ended without its last line', {
      facts: { file: options.fileName, bytes: scan.sizeBytes },
    });
  }
  return {
    file: {
      name: output.name,
      role: options.role,
      sizeBytes: output.sizeBytes,
      sha256: output.sha256,
      contentBytes: scan.sizeBytes + Buffer.byteLength(preamble),
    },
    scan,
    warnings: warningsOf(stderr),
  };
}
