/** Which Docker Compose is on this host: v2 as a plugin, or v1. */
import { HoldfastError, isHoldfastError } from '../../base/errors.js';
import { runCommand } from '../../base/process/process.js';

/** Names another compose command: `podman-compose`, `/opt/docker-compose`. */
export const COMPOSE_VARIABLE = 'HOLDFAST_COMPOSE';

const OLDEST_VERSION = [1, 29] as const;

export interface Compose {
  /** The program and its first arguments: `['docker', 'compose']`. */
  readonly command: readonly string[];
  readonly version: string;
}

const detected = new Map<string, Promise<Compose>>();

/**
 * Finds the compose command of this host: {@link COMPOSE_VARIABLE}, else v2, else v1. Asked once.
 * @throws HoldfastError COMPOSE_FAILED where there is none, or only one older than 1.29.
 */
export function detectCompose(
  override: string | undefined = process.env[COMPOSE_VARIABLE],
): Promise<Compose> {
  const key = override?.trim() ?? '';
  const known = detected.get(key);
  if (known !== undefined) return known;
  const answer = findCompose(key).catch((error: unknown) => {
    detected.delete(key); // installed meanwhile, it is found next time
    throw error;
  });
  detected.set(key, answer);
  return answer;
}

async function findCompose(override: string): Promise<Compose> {
  const candidates =
    override === '' ? [['docker', 'compose'], ['docker-compose']] : [override.split(/\s+/)];
  const seen: string[] = [];
  for (const command of candidates) {
    const [program = '', ...args] = command;
    const answer = await runCommand(program, [...args, 'version', '--short'], {
      timeoutMs: 30_000,
    }).catch((error: unknown) => {
      if (isHoldfastError(error) && error.code === 'COMMAND_FAILED') return undefined;
      throw error;
    });
    const version = /\d+\.\d+[\w.+-]*/.exec(answer?.stdout ?? '')?.[0];
    if (version === undefined) continue;
    if (isRecent(version)) return { command, version };
    seen.push(`${command.join(' ')} ${version}`);
  }
  throw new HoldfastError(
    'COMPOSE_FAILED',
    seen.length > 0
      ? `${seen.join(', ')} is older than ${OLDEST_VERSION.join('.')}`
      : `no Docker Compose: tried ${candidates.map((each) => each.join(' ')).join(', ')}`,
    {
      facts: { found: seen },
      permanent: true,
      hint: `install the Docker Compose plugin, or name the command in ${COMPOSE_VARIABLE}`,
    },
  );
}

function isRecent(version: string): boolean {
  const [major = 0, minor = 0] = version.split('.').map((part) => Number.parseInt(part, 10));
  return major > OLDEST_VERSION[0] || (major === OLDEST_VERSION[0] && minor >= OLDEST_VERSION[1]);
}
