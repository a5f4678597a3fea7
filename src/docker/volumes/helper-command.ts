/** A helper container that looks like a child process to whoever moves bytes through it. */
import { PassThrough } from 'node:stream';
import { HoldfastError } from '../../base/errors.js';
import { saysDiskFull, type RunningCommand } from '../../base/process/process.js';
import type { Engine } from '../engine/engine.js';
import { startHelper, type HelperOptions } from './helper.js';

export interface HelperCommandOptions extends Omit<HelperOptions, 'signal' | 'input'> {
  readonly signal: AbortSignal;
  readonly input?: NodeJS.ReadableStream;
  readonly openStdin?: boolean;
  /** `[0]` by default. */
  readonly okExitCodes?: readonly number[];
}

/** Starts at once, though the engine needs a moment; errors come from `done` and from the stream. */
export function startHelperCommand(engine: Engine, options: HelperCommandOptions): RunningCommand {
  const killed = new AbortController();
  const signal = AbortSignal.any([options.signal, killed.signal]);
  const stdin = options.openStdin === true ? new PassThrough() : null;
  const input = stdin ?? (options.input === undefined ? undefined : new PassThrough());
  if (stdin === null && options.input !== undefined && input !== undefined) {
    // Input that breaks off must not be taken for its end.
    options.input.once('error', (error: Error) => killed.abort(error));
    options.input.pipe(input);
  }
  const stdout = new PassThrough();
  const { okExitCodes = [0], name, argv, mounts, image, workingDirectory, env, labels } = options;
  const done = (async () => {
    try {
      const running = await startHelper(engine, {
        name,
        argv,
        mounts,
        signal,
        ...(image === undefined ? {} : { image }),
        ...(workingDirectory === undefined ? {} : { workingDirectory }),
        ...(env === undefined ? {} : { env }),
        ...(labels === undefined ? {} : { labels }),
        ...(input === undefined ? {} : { input }),
      });
      running.stdout.on('error', (error: Error) => stdout.destroy(error));
      running.stdout.pipe(stdout);
      const { exitCode } = await running.done;
      const stderr = running.stderrTail();
      if (!okExitCodes.includes(exitCode)) {
        throw new HoldfastError(
          saysDiskFull(stderr) ? 'DISK_FULL' : 'COMMAND_FAILED',
          `${options.argv[0] ?? ''} in helper ${options.name} ended with exit code ${exitCode}: ${stderr.trim().slice(-300)}`,
          { facts: { exitCode, stderr: stderr.slice(-2000), container: options.name } },
        );
      }
      return { exitCode, stderr };
    } catch (error) {
      stdout.destroy(error instanceof Error ? error : new Error(String(error)));
      stdin?.destroy();
      throw error;
    }
  })();
  done.catch(() => undefined);
  return {
    pid: -1,
    stdin,
    stdout,
    done,
    kill: () => killed.abort(new HoldfastError('COMMAND_FAILED', 'the helper was stopped')),
  };
}
