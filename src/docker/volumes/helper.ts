/**
 * Helper containers: how volumes are reached that this process can't see itself. Each has a name
 * made from the work it does, so that what a killed attempt left behind is found and removed by the
 * next.
 */
import type { Duplex, Readable } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import { HoldfastError, isHoldfastError } from '../../base/errors.js';
import { asDuplex, joinStreams, superviseProcess, type ProcessInput } from '../engine/attached.js';
import { inspectContainer, listContainers, removeContainer } from '../containers/containers.js';
import { Demux } from '../engine/demux.js';
import type { Engine } from '../engine/engine.js';
import { assertPlainName } from '../engine/engine.js';
import { STDERR_TAIL_BYTES } from '../../base/process/process.js';
import { Tail } from '../engine/tail.js';
import { inspectVolume } from './volumes.js';

/** Names the image of helper containers: GNU tar, zstd and a shell. */
export const HELPER_IMAGE_VARIABLE = 'HOLDFAST_HELPER_IMAGE';
export const DEFAULT_HELPER_IMAGE = 'holdfast-helper:latest';
export const HELPER_LABEL = 'dev.holdfast.helper';

export interface HelperMount {
  readonly type: 'volume' | 'bind';
  /** A volume's name, or a path on the engine's host. */
  readonly source: string;
  /** Absolute path in the helper. */
  readonly target: string;
  readonly readOnly?: boolean;
}

export interface HelperOptions {
  /** Made from the work, so that another attempt at it gets the same. */
  readonly name: string;
  /** {@link helperImage} by default. */
  readonly image?: string;
  readonly argv: readonly string[];
  readonly mounts: readonly HelperMount[];
  readonly workingDirectory?: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly labels?: Readonly<Record<string, string>>;
  readonly signal: AbortSignal;
  /** Bytes for standard input, which is closed after them; none by default. */
  readonly input?: ProcessInput;
}

export interface RunningHelper {
  /** Standard output. It must be read: a reader that stops stops the helper. */
  readonly stdout: Readable;
  /** The last 16 KiB of its error output. */
  readonly stderrTail: () => string;
  /** Settles when the helper has ended, is read, and is removed. Any exit code is a result. */
  readonly done: Promise<{ readonly exitCode: number }>;
}

/**
 * The image helper containers are made from: the one named by {@link HELPER_IMAGE_VARIABLE}, else
 * {@link DEFAULT_HELPER_IMAGE}. It must be on the host already: a restore can't count on a registry.
 * @throws HoldfastError DOCKER_FAILED with a hint when it isn't there (facts: image).
 */
export async function helperImage(engine: Engine): Promise<string> {
  const image = process.env[HELPER_IMAGE_VARIABLE] ?? DEFAULT_HELPER_IMAGE;
  const found = engine.docker.getImage(assertPlainName(image, 'image'));
  try {
    await engine.call({ action: `inspect image ${image}`, image }, () => found.inspect());
    return image;
  } catch (error) {
    if (!isHoldfastError(error) || error.facts['status'] !== 404) throw error;
    throw new HoldfastError('DOCKER_FAILED', `there is no image ${image} on this host`, {
      facts: { image },
      permanent: true,
      hint: `name an image with GNU tar and zstd that is on the host in ${HELPER_IMAGE_VARIABLE}`,
      cause: error,
    });
  }
}

/**
 * Starts a helper container; returns once it runs. Volumes must exist: the engine would make them.
 * @throws HoldfastError VOLUME_NOT_FOUND, DOCKER_FAILED (also: no image), or the signal's reason.
 */
export async function startHelper(engine: Engine, options: HelperOptions): Promise<RunningHelper> {
  options.signal.throwIfAborted();
  const image = options.image ?? (await helperImage(engine));
  for (const mount of options.mounts) {
    if (mount.type === 'volume') await inspectVolume(engine, mount.source);
  }
  const subject = { action: `run helper ${options.name}`, container: options.name };
  await removeContainer(engine, options.name, { force: true, anonymousVolumes: true });
  const container = await engine.call(subject, (abortSignal) =>
    engine.docker.createContainer({
      name: assertPlainName(options.name, 'container'),
      Image: image,
      Entrypoint: [...options.argv],
      Cmd: [],
      User: '0:0',
      WorkingDir: options.workingDirectory ?? '/',
      Env: Object.entries(options.env ?? {}).map(([name, value]) => `${name}=${value}`),
      Labels: { [HELPER_LABEL]: '1', ...options.labels },
      AttachStdin: options.input !== undefined,
      AttachStdout: true,
      AttachStderr: true,
      OpenStdin: options.input !== undefined,
      StdinOnce: true,
      Tty: false,
      HostConfig: {
        NetworkMode: 'none',
        // Attributes `trusted.*` (overlay's, in a volume of Docker in Docker) are seen with this alone:
        // without it they are lost, and nothing says so.
        CapAdd: ['SYS_ADMIN'],
        // What is streamed must not be stored once more by the engine: that alone makes it ten times slower.
        LogConfig: { Type: 'none', Config: {} },
        RestartPolicy: { Name: 'no' },
        SecurityOpt: ['label=disable'],
        Mounts: options.mounts.map((mount) => ({
          Type: mount.type,
          Source: mount.source,
          Target: mount.target,
          ReadOnly: mount.readOnly ?? false,
          ...(mount.type === 'volume'
            ? // Otherwise an empty volume gets what the image has at the target.
              {
                VolumeOptions: {
                  NoCopy: true,
                  Labels: {},
                  DriverConfig: { Name: '', Options: {} },
                },
              }
            : {}),
        })),
      },
      abortSignal,
    }),
  );
  try {
    const socket = await engine.call(subject, (abortSignal) =>
      container.attach({
        stream: true,
        hijack: true,
        stdin: options.input !== undefined,
        stdout: true,
        stderr: true,
        abortSignal,
      }),
    );
    await engine.call(subject, (abortSignal) => container.start({ abortSignal }));
    return supervise(engine, options, asDuplex(socket));
  } catch (error) {
    await removeContainer(engine, options.name, { force: true }).catch(() => undefined);
    throw error;
  }
}

/**
 * Removes the helpers that still run with a volume: left by a killed attempt, they would go on
 * writing. For whoever is about to change the volume and holds the right to.
 */
export async function removeHelpersOf(engine: Engine, volume: string): Promise<void> {
  for (const { id } of await listContainers(engine, { volume, label: `${HELPER_LABEL}=1` })) {
    await removeContainer(engine, id, { force: true, anonymousVolumes: true });
  }
}

export interface HelperResult {
  readonly exitCode: number;
  /** Empty where `onStdout` took it. */
  readonly stdout: string;
  /** The last 16 KiB. */
  readonly stderr: string;
}

/**
 * Runs a helper to its end. Any exit code is a result.
 * @throws like {@link startHelper} and its `done`.
 */
export async function runHelper(
  engine: Engine,
  options: HelperOptions & { readonly onStdout?: (chunk: Buffer) => void },
): Promise<HelperResult> {
  const running = await startHelper(engine, options);
  const chunks: Buffer[] = [];
  running.stdout.on('data', options.onStdout ?? ((chunk: Buffer) => chunks.push(chunk)));
  const { exitCode } = await running.done;
  return {
    exitCode,
    stdout: Buffer.concat(chunks).toString('utf8'),
    stderr: running.stderrTail(),
  };
}

function supervise(engine: Engine, options: HelperOptions, socket: Duplex): RunningHelper {
  const stderr = new Tail(STDERR_TAIL_BYTES);
  const stdout = new Demux((chunk) => stderr.push(chunk));
  joinStreams(socket, stdout);
  const remove = (): Promise<void> =>
    removeContainer(engine, options.name, { force: true, anonymousVolumes: true });
  const done = superviseProcess({
    socket,
    stdout,
    input: options.input,
    signal: options.signal,
    tookTooLong: () => new HoldfastError('STALLED', `helper ${options.name} took too long`),
    kill: remove,
    exitCode: () => awaitExit(engine, options.name),
    // Its result stands; a helper that can't be removed now is removed by the next of its name.
    cleanUp: () => remove().catch(() => undefined),
  });
  done.catch(() => undefined); // looked at later than the stream, and not "unhandled" until then
  return { stdout, stderrTail: () => stderr.toString(), done };
}

/** The stream may end a moment before the engine notices the end of the container. */
async function awaitExit(engine: Engine, name: string): Promise<number> {
  const end = Date.now() + engine.timeoutMs;
  for (let waitMs = 5; ; waitMs = Math.min(waitMs * 2, 200)) {
    const { state, exitCode } = await inspectContainer(engine, name);
    if (state === 'exited' || state === 'dead') return exitCode;
    if (Date.now() > end) {
      throw new HoldfastError('DOCKER_FAILED', `helper ${name} closed its output and still runs`);
    }
    await delay(waitMs);
  }
}

/** Where the volume is mounted in the helper: a neutral path, since nothing may be copied into it. */
export const VOLUME_ROOT = '/volume';
