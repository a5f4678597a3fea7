/** One exec of the engine, bare: made, attached, looked at. {@link execInContainer} is what others use. */
import type { Duplex } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import { z } from 'zod';
import { HoldfastError } from '../../base/errors.js';
import { Demux } from './demux.js';
import type { Engine } from './engine.js';
import { assertPlainName, parseAnswer } from './engine.js';

export interface ExecSpec {
  readonly container: string;
  readonly argv: readonly string[];
  readonly user?: string | undefined;
  readonly workingDirectory?: string | undefined;
  readonly env?: Readonly<Record<string, string>> | undefined;
  readonly openStdin: boolean;
}

export interface ExecState {
  readonly running: boolean;
  /** Undefined while it runs, and where the engine never learnt it. */
  readonly exitCode: number | undefined;
  /** Process id on the engine's host; 0 before the start. */
  readonly hostPid: number;
}

export interface ExecSession {
  readonly inspect: () => Promise<ExecState>;
  /** The raw, framed connection; ending its writable side closes the process's stdin. */
  readonly attach: () => Promise<Duplex>;
}

const stateSchema = z.object({
  Running: z.boolean(),
  ExitCode: z.number().int().nullish(),
  Pid: z.number().int().nullish(),
});

/** @throws HoldfastError CONTAINER_NOT_FOUND, DOCKER_FAILED where it is paused or does not run. */
export async function createExec(engine: Engine, spec: ExecSpec): Promise<ExecSession> {
  const container = engine.docker.getContainer(assertPlainName(spec.container, 'container'));
  const subject = {
    action: `run ${spec.argv[0] ?? 'nothing'} in container ${spec.container}`,
    container: spec.container,
  };
  const exec = await engine.call(subject, (abortSignal) =>
    container.exec({
      Cmd: [...spec.argv],
      AttachStdin: spec.openStdin,
      AttachStdout: true,
      AttachStderr: true,
      Tty: false,
      ...(spec.user === undefined ? {} : { User: spec.user }),
      ...(spec.workingDirectory === undefined ? {} : { WorkingDir: spec.workingDirectory }),
      ...(spec.env === undefined
        ? {}
        : { Env: Object.entries(spec.env).map(([name, value]) => `${name}=${value}`) }),
      abortSignal,
    }),
  );
  return {
    inspect: async () => {
      const answer: unknown = await engine.call(subject, (abortSignal) =>
        exec.inspect({ abortSignal }),
      );
      const state = parseAnswer(stateSchema, answer, subject.action);
      return {
        running: state.Running,
        exitCode: state.Running ? undefined : (state.ExitCode ?? undefined),
        hostPid: state.Pid ?? 0,
      };
    },
    attach: () =>
      engine.call(subject, (abortSignal) =>
        exec.start({ hijack: true, stdin: spec.openStdin, Detach: false, Tty: false, abortSignal }),
      ),
  };
}

/**
 * The exit code, once the engine knows it: the stream may end a moment before.
 * @throws HoldfastError DOCKER_FAILED when it still runs after `limitMs`, or has no exit code.
 */
export async function awaitExit(session: ExecSession, limitMs: number): Promise<number> {
  const end = Date.now() + limitMs;
  for (let waitMs = 5; ; waitMs = Math.min(waitMs * 2, 200)) {
    const state = await session.inspect();
    if (!state.running) {
      if (state.exitCode !== undefined) return state.exitCode;
      throw new HoldfastError('DOCKER_FAILED', 'the engine does not know how the command ended');
    }
    if (Date.now() > end) {
      throw new HoldfastError('DOCKER_FAILED', 'the command’s output ended, but it still runs');
    }
    await delay(waitMs);
  }
}

/** Runs a small command without any supervision: what kills the supervised ones. */
export async function runBareExec(
  engine: Engine,
  spec: Omit<ExecSpec, 'openStdin'>,
): Promise<{ readonly exitCode: number; readonly output: string }> {
  const session = await createExec(engine, { ...spec, openStdin: false });
  const socket = await session.attach();
  const chunks: Buffer[] = [];
  let timer: NodeJS.Timeout | undefined;
  try {
    await new Promise<void>((resolve, reject) => {
      const demux = new Demux((chunk) => chunks.push(chunk));
      demux.on('data', (chunk: Buffer) => chunks.push(chunk));
      demux.on('end', resolve);
      demux.on('error', reject);
      socket.on('error', reject);
      socket.on('close', resolve);
      timer = setTimeout(() => {
        reject(new HoldfastError('DOCKER_UNREACHABLE', `no end of ${spec.argv[0] ?? ''}`));
      }, engine.timeoutMs);
      socket.pipe(demux);
    });
    return {
      exitCode: await awaitExit(session, engine.timeoutMs),
      output: Buffer.concat(chunks).toString('utf8'),
    };
  } finally {
    clearTimeout(timer);
    socket.destroy();
  }
}
