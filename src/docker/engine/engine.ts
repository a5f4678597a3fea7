/**
 * The connection to the Docker engine: every call bounded in time, every refusal one of our errors.
 *
 * A daemon that accepts a connection and never answers is an everyday fault (a full disk, a stuck
 * storage driver); a call to it must end like any other failure, not hold a restore for ever.
 */
import Docker from 'dockerode';
import { z } from 'zod';
import type { ErrorCode, ErrorFacts } from '../../base/errors.js';
import { HoldfastError, isHoldfastError, messageOf, systemCodeOf } from '../../base/errors.js';
import { isPermanentRefusal } from './refusals.js';

/** Longest wait for the answer to an ordinary call. */
export const ENGINE_TIMEOUT_MS = 60_000;
const PING_TIMEOUT_MS = 10_000;

export interface EngineOptions {
  /** Unix socket of the engine; `DOCKER_HOST` or /var/run/docker.sock by default. */
  readonly socketPath?: string;
  /** Longest wait for the answer to one call, {@link ENGINE_TIMEOUT_MS} by default. */
  readonly timeoutMs?: number;
}

export interface EngineInfo {
  /** The daemon's own id: two connections with the same id reach the same engine. */
  readonly id: string;
  readonly serverVersion: string;
  /** Where the engine keeps its volumes, as seen by the engine. */
  readonly dockerRootDir: string;
  /** The engine shifts user ids (userns-remap, rootless): owners on its disk are not those inside containers. */
  readonly remapsUsers: boolean;
}

/** What a call is about, for its errors. */
export interface CallSubject {
  /** What was tried, as a verb phrase: `inspect volume x`. */
  readonly action: string;
  readonly container?: string;
  readonly volume?: string;
  readonly image?: string;
  /** Time-out of this call where the engine's own work takes long (stopping a container). */
  readonly timeoutMs?: number;
}

export interface Engine {
  /** dockerode itself, for the modules of src/docker only. */
  readonly docker: Docker;
  readonly timeoutMs: number;
  /**
   * Makes one bounded call. `request` gets a signal it hands to dockerode as `abortSignal`.
   * @throws HoldfastError DOCKER_UNREACHABLE, CONTAINER_NOT_FOUND, VOLUME_NOT_FOUND, VOLUME_IN_USE,
   *   DISK_FULL or DOCKER_FAILED (facts: action, status; permanent where it would be refused again).
   */
  call<T>(subject: CallSubject, request: (abortSignal: AbortSignal) => Promise<T>): Promise<T>;
  /** @throws HoldfastError DOCKER_UNREACHABLE */
  ping(): Promise<void>;
  info(): Promise<EngineInfo>;
}

/** Calls whose options dockerode honours and its types leave out. */
export interface AbortableCalls {
  ping(options: { readonly abortSignal: AbortSignal }): Promise<unknown>;
  info(options: { readonly abortSignal: AbortSignal }): Promise<unknown>;
  df(options: { readonly abortSignal: AbortSignal }): Promise<unknown>;
}

const infoSchema = z.object({
  ID: z.string(),
  ServerVersion: z.string(),
  DockerRootDir: z.string(),
  SecurityOptions: z.array(z.string()).nullish(),
});

/**
 * Prepares a connection; nothing is sent before the first call.
 * @throws HoldfastError DOCKER_UNREACHABLE where `DOCKER_HOST` makes no sense.
 */
export function connectEngine(options: EngineOptions = {}): Engine {
  const timeoutMs = options.timeoutMs ?? ENGINE_TIMEOUT_MS;
  const docker = openDocker(options.socketPath);
  const abortable: AbortableCalls = docker;

  async function call<T>(
    subject: CallSubject,
    request: (abortSignal: AbortSignal) => Promise<T>,
  ): Promise<T> {
    const limitMs = subject.timeoutMs ?? timeoutMs;
    const controller = new AbortController();
    let timer: NodeJS.Timeout | undefined;
    const expired = new Promise<never>((_resolve, reject) => {
      timer = setTimeout(() => {
        reject(silent(subject, limitMs));
        controller.abort();
      }, limitMs);
    });
    try {
      // The race also covers what dockerode does before its request exists (finding the socket).
      return await Promise.race([request(controller.signal), expired]);
    } catch (error) {
      throw engineError(error, subject);
    } finally {
      clearTimeout(timer);
    }
  }

  return {
    docker,
    timeoutMs,
    call,
    ping: async () => {
      // A living engine answers at once: who asks this wants to know, not to wait.
      await call(
        { action: 'ping', timeoutMs: Math.min(timeoutMs, PING_TIMEOUT_MS) },
        (abortSignal) => abortable.ping({ abortSignal }),
      );
    },
    info: async () => {
      const answer: unknown = await call({ action: 'info' }, (abortSignal) =>
        abortable.info({ abortSignal }),
      );
      const info = parseAnswer(infoSchema, answer, 'info');
      return {
        id: info.ID,
        serverVersion: info.ServerVersion,
        dockerRootDir: info.DockerRootDir,
        remapsUsers: (info.SecurityOptions ?? []).some((option) =>
          /^name=(userns|rootless)/.test(option),
        ),
      };
    },
  };
}

/**
 * Checks the shape of an engine's answer.
 * @throws HoldfastError DOCKER_FAILED when it isn't what the API documents.
 */
export function parseAnswer<S extends z.ZodType>(
  schema: S,
  answer: unknown,
  action: string,
): z.output<S> {
  const parsed = schema.safeParse(answer);
  if (parsed.success) return parsed.data;
  throw new HoldfastError('DOCKER_FAILED', `${action}: the engine's answer has an unknown shape`, {
    facts: { action, detail: z.prettifyError(parsed.error).slice(0, 500) },
  });
}

/** The HTTP status of a refusal by the engine, if this is one. */
export function statusOf(error: unknown): number | undefined {
  if (isHoldfastError(error)) {
    const status = error.facts['status'];
    return typeof status === 'number' ? status : undefined;
  }
  if (typeof error === 'object' && error !== null && 'statusCode' in error) {
    return typeof error.statusCode === 'number' ? error.statusCode : undefined;
  }
  return undefined;
}

/** Volume and container names go into request paths: refuse what could name another path. */
export function assertPlainName(
  name: string,
  what: 'container' | 'volume' | 'image' | 'network',
): string {
  const allowed = what === 'image' ? /^[A-Za-z0-9][\w./:@-]*$/ : /^[A-Za-z0-9][\w.-]*$/;
  // Within one name two dots lead nowhere, and both kinds of names may have them.
  if (!allowed.test(name) || (what === 'image' && name.includes('..'))) {
    throw new HoldfastError('INPUT_INVALID', `not a ${what} name: ${JSON.stringify(name)}`, {
      facts: { [what]: name },
    });
  }
  return name;
}

function openDocker(socketPath: string | undefined): Docker {
  try {
    // `host: undefined` so that a DOCKER_HOST of the environment does not win over an explicit socket.
    return socketPath === undefined ? new Docker() : new Docker({ socketPath, host: undefined });
  } catch (error) {
    throw new HoldfastError('DOCKER_UNREACHABLE', messageOf(error), {
      hint: 'correct or unset DOCKER_HOST',
      cause: error,
    });
  }
}

function silent(subject: CallSubject, limitMs: number): HoldfastError {
  return new HoldfastError(
    'DOCKER_UNREACHABLE',
    `the Docker engine did not answer within ${limitMs} ms (${subject.action})`,
    {
      facts: { action: subject.action, timeoutMs: limitMs },
      hint: 'see whether `docker ps` answers on this host; if not, look at the Docker daemon’s log',
    },
  );
}

const CONNECTION_ERRORS = new Set([
  'ENOENT',
  'ECONNREFUSED',
  'ECONNRESET',
  'EPIPE',
  'EACCES',
  'EPERM',
  'ENOTFOUND',
  'EAI_AGAIN',
  'ETIMEDOUT',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ABORT_ERR',
]);

function engineError(error: unknown, subject: CallSubject): HoldfastError {
  if (isHoldfastError(error)) return error;
  const status = statusOf(error);
  if (status !== undefined) return refusal(error, status, subject);
  const code = systemCodeOf(error);
  if (code !== undefined && CONNECTION_ERRORS.has(code)) {
    const denied = code === 'EACCES' || code === 'EPERM';
    return new HoldfastError('DOCKER_UNREACHABLE', `no Docker engine: ${messageOf(error)}`, {
      facts: { action: subject.action, systemCode: code },
      hint: denied
        ? 'run as root or as a member of the group that owns the engine’s socket'
        : 'start Docker, or point DOCKER_HOST to it',
      cause: error,
    });
  }
  const message = messageOf(error);
  return new HoldfastError('DOCKER_FAILED', `${subject.action}: ${message}`, {
    facts: { action: subject.action },
    permanent: isPermanentRefusal(message),
    cause: error,
  });
}

function refusal(error: unknown, status: number, subject: CallSubject): HoldfastError {
  const message = refusalText(error);
  const facts: ErrorFacts = {
    action: subject.action,
    status,
    ...(subject.container === undefined ? {} : { container: subject.container }),
    ...(subject.volume === undefined ? {} : { volume: subject.volume }),
    ...(subject.image === undefined ? {} : { image: subject.image }),
  };
  const code = refusalCode(status, message, subject);
  const permanent = isPermanentRefusal(message, status);
  return new HoldfastError(code, message, { facts, permanent, cause: error });
}

function refusalCode(status: number, message: string, subject: CallSubject): ErrorCode {
  if (/no space left on device/i.test(message)) return 'DISK_FULL';
  if (status === 404) {
    if (/no such volume|volume .*not found/i.test(message)) return 'VOLUME_NOT_FOUND';
    if (/no such container/i.test(message)) return 'CONTAINER_NOT_FOUND';
    // What a container needs is missing, not the container.
    if (/no such image|network .*not found/i.test(message)) return 'DOCKER_FAILED';
    if (subject.container !== undefined) return 'CONTAINER_NOT_FOUND';
    if (subject.volume !== undefined) return 'VOLUME_NOT_FOUND';
  }
  if (status === 409 && subject.volume !== undefined) return 'VOLUME_IN_USE';
  return 'DOCKER_FAILED';
}

/** The engine's own words, without dockerode's "(HTTP code 404) no such volume - " before them. */
function refusalText(error: unknown): string {
  const text = messageOf(error).trim();
  return text.replace(/^\(HTTP code \d+\) [^-]* - /, '');
}
