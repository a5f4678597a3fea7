/**
 * Output that proves itself whole. The exit status of a program in a container is asked for after its
 * output was read, over another connection; a stream that was cut short can come with exit code 0.
 * So a last line, written by the same shell into the same stream after the program has ended, carries
 * the status: when it is there, nothing before it is missing.
 */
import { randomBytes } from 'node:crypto';
import { Readable } from 'node:stream';
import { HoldfastError, type ErrorCode, type ErrorFacts } from '../errors.js';
import { asBuffer } from './bytes.js';
import { clientError, type PostgresExec, type PostgresExecOptions } from './server.js';

const SCRIPT = '"$@"; printf "\\n%s %03d\\n" "$0" "$?"';

export interface FramedOutput {
  /** The program's own output; an error ends it unless the program succeeded and all of it came. */
  readonly stdout: Readable;
  /** The last few kilobytes of error output, for warnings. */
  stderrTail(): string;
}

/**
 * Runs a program whose output must be complete. It needs `sh` where the server runs.
 * @param failureCode Code for a program that failed; DUMP_INCOMPLETE is for output cut short.
 */
export async function runFramed(
  pg: PostgresExec,
  argv: readonly string[],
  options: PostgresExecOptions & {
    readonly failureCode: ErrorCode;
    readonly database?: string | undefined;
  },
): Promise<FramedOutput> {
  const { failureCode, database, ...execOptions } = options;
  const program = argv[0] ?? '';
  const marker = `holdfast-${randomBytes(12).toString('hex')}`;
  const running = await pg.stream(['sh', '-c', SCRIPT, marker, ...argv], execOptions);
  const lastLineBytes = marker.length + 6;

  async function* unframed(): AsyncGenerator<Buffer> {
    let held = Buffer.alloc(0);
    for await (const chunk of running.stdout) {
      const bytes = asBuffer(chunk);
      const all = held.length === 0 ? bytes : Buffer.concat([held, bytes]);
      const ready = all.length - lastLineBytes;
      if (ready > 0) yield all.subarray(0, ready);
      held = Buffer.from(all.subarray(Math.max(0, ready)));
    }
    const { exitCode } = await running.done;
    const status = new RegExp(`^\\n${marker} (\\d{3})\\n$`).exec(held.toString('latin1'))?.[1];
    const stderr = running.stderrTail();
    const facts: ErrorFacts = database === undefined ? {} : { database };
    if (exitCode !== 0) throw clientError(program, { exitCode, stderr }, failureCode, facts);
    if (status === undefined) {
      throw new HoldfastError('DUMP_INCOMPLETE', `the output of ${program} was cut short`, {
        facts: { program, stderr: stderr.slice(-2000), ...facts },
      });
    }
    const ownCode = Number.parseInt(status, 10);
    if (ownCode !== 0) {
      throw clientError(program, { exitCode: ownCode, stderr }, failureCode, facts);
    }
  }
  return {
    stdout: Readable.from(unframed(), { objectMode: false }),
    stderrTail: () => running.stderrTail(),
  };
}
