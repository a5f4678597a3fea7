/** Dumps that are SQL scripts: the globals, and the whole cluster as pg_dumpall writes it. */
import { HoldfastError } from '../errors.js';
import type { Work } from '../progress.js';
import type { ArtifactFile } from '../store/manifest.js';
import { compressed } from './compress.js';
import { runFramed } from './framed.js';
import { observed } from './bytes.js';
import { OutputFile } from './output-file.js';
import { ScriptScanner, isCompleteScript } from './script-scan.js';
import { dumpEnv, type PostgresExec, type ServerLogin } from './server.js';
import { warningsOf } from './warnings.js';

export interface ScriptDump {
  readonly file: ArtifactFile;
  readonly scan: ScriptScanner;
  readonly warnings: readonly string[];
}

export interface ScriptDumpOptions {
  readonly argv: readonly string[];
  readonly applicationName: string;
  readonly directory: string;
  readonly fileName: string;
  readonly role: 'globals' | 'cluster';
  readonly compressionLevel: number;
  /** Looks at the finished script before it gets its name; throws to refuse it. */
  readonly check?: (scan: ScriptScanner) => void;
}

/**
 * Runs pg_dumpall into a zstd-compressed script.
 * @throws HoldfastError DUMP_FAILED, DUMP_INCOMPLETE, DISK_FULL, POSTGRES_UNREACHABLE,
 *   VERSION_INCOMPATIBLE; nothing is left behind then.
 */
export async function dumpScript(
  pg: PostgresExec,
  login: ServerLogin,
  options: ScriptDumpOptions,
  work: Work,
): Promise<ScriptDump> {
  const output = new OutputFile(options.directory, options.fileName);
  const scan = new ScriptScanner();
  try {
    const program = await runFramed(pg, options.argv, {
      env: dumpEnv(login, options.applicationName),
      signal: work.signal,
      failureCode: 'DUMP_FAILED',
    });
    const script = observed(program.stdout, (chunk) => {
      scan.push(chunk);
      work.report({ phase: 'dump', bytes: scan.sizeBytes, entries: 0, totalBytes: 0 });
    });
    await output.write(compressed(script, options.compressionLevel, work.signal), () => undefined);
    if (!isCompleteScript(scan.tail, 'cluster')) {
      throw new HoldfastError('DUMP_INCOMPLETE', 'pg_dumpall ended without its last line', {
        facts: { file: options.fileName, bytes: scan.sizeBytes },
      });
    }
    options.check?.(scan);
    await output.commit();
    return {
      file: {
        name: output.name,
        role: options.role,
        sizeBytes: output.sizeBytes,
        sha256: output.sha256,
        contentBytes: scan.sizeBytes,
      },
      scan,
      warnings: warningsOf(program.stderrTail()),
    };
  } finally {
    await output.discard();
  }
}
