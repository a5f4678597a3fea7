/** The configuration file: found and read. */
import { access, readFile } from 'node:fs/promises';
import path from 'node:path';
import { HoldfastError, systemCodeOf } from '../base/errors.js';
import { parseConfig } from './check/check.js';
import type { Locate } from './check/positions.js';
import { configInvalid } from './check/problems.js';
import type { Config } from '../format/config/schema.js';

export { artifactName } from '../format/config/artifacts.js';
export { checkConfig, hostIdOf, parseConfig } from './check/check.js';
export type { ConfigCheck } from './check/check.js';
export type { ConfigProblem } from './check/problems.js';
export type { Locate, Position } from './check/positions.js';

const DEFAULT_NAME = 'holdfast.yaml';
const SYSTEM_FILE = '/etc/holdfast/config.yaml';

/**
 * The configuration file to use, absolute: `explicit`, else HOLDFAST_CONFIG, else ./holdfast.yaml,
 * else /etc/holdfast/config.yaml. A file that was asked for is never replaced by another one.
 *
 * @throws CONFIG_NOT_FOUND naming every place looked at.
 */
export async function findConfigFile(
  explicit?: string,
  env: NodeJS.ProcessEnv = process.env,
  cwd: string = process.cwd(),
): Promise<string> {
  const fromEnv = env['HOLDFAST_CONFIG'];
  const wanted = explicit ?? (fromEnv === '' ? undefined : fromEnv);
  const candidates = (wanted === undefined ? [DEFAULT_NAME, SYSTEM_FILE] : [wanted]).map((file) =>
    path.resolve(cwd, file),
  );
  for (const candidate of candidates) {
    try {
      await access(candidate);
      return candidate;
    } catch {
      // Not there, or not ours to read: the next place, and in the end all places are named.
    }
  }
  throw new HoldfastError('CONFIG_NOT_FOUND', `no configuration file at ${candidates.join(', ')}`, {
    hint: 'Name one with --config or HOLDFAST_CONFIG, or start from config/ml-stack.yaml.',
    facts: { looked: candidates },
  });
}

/**
 * Reads a configuration file, with a way to find lines of it for later checks.
 *
 * @throws CONFIG_NOT_FOUND when it can't be read; CONFIG_INVALID with every problem in it.
 */
export async function loadConfigFile(file: string): Promise<{ config: Config; locate: Locate }> {
  return parseConfig(await readConfigText(file), file);
}

/**
 * The file's text, byte for byte.
 *
 * @throws CONFIG_NOT_FOUND when it can't be read; CONFIG_INVALID when it is not UTF-8.
 */
export async function readConfigText(file: string): Promise<string> {
  let bytes: Uint8Array;
  try {
    bytes = await readFile(file);
  } catch (error) {
    const code = systemCodeOf(error) ?? 'unknown error';
    throw new HoldfastError('CONFIG_NOT_FOUND', `can't read ${file}: ${code}`, {
      facts: { looked: [file] },
      cause: error,
    });
  }
  try {
    // Kept with its byte order mark, if any: the digest is that of the bytes.
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    const problem = { line: 1, column: 1, path: '', message: 'not UTF-8 text', fix: '' };
    throw configInvalid(file, [problem]);
  }
}

/** `loadConfigFile` for those who need the configuration only. */
export async function loadConfig(file: string): Promise<Config> {
  const { config } = await loadConfigFile(file);
  return config;
}
