/**
 * Versions of the configuration that runs began with, below the root: a worker that is killed and
 * started anew goes on with a run by the version the run has, not by what was edited meanwhile.
 */
import { createHash } from 'node:crypto';
import { readdir, rm, stat, utimes } from 'node:fs/promises';
import path from 'node:path';
import type { VersionKeeper } from './live.js';
import type { Config } from '../format/config/schema.js';
import {
  mkdirDurably,
  pathExists,
  readTextIfExists,
  writeFileDurably,
} from '../base/files/durable.js';

/** Longer than any run; a run that waits for a person's approval may take days. */
const KEPT_MS = 60 * 24 * 3_600_000;
/** The time of a version that is used again is set anew, but not at every run. */
const FRESH_MS = 24 * 3_600_000;

function directoryOf(config: Config): string {
  return path.join(config.backups.root, '.holdfast', 'configs');
}

export const configVersions: VersionKeeper = {
  async keep(config, text) {
    // The root is made by the first backup, not here: its disk may not be mounted.
    if (!(await pathExists(config.backups.root))) return;
    const directory = directoryOf(config);
    const file = path.join(directory, `${config.digest}.yaml`);
    const known = await stat(file).catch(() => undefined);
    if (known !== undefined) {
      const now = new Date();
      if (now.getTime() - known.mtimeMs > FRESH_MS) await utimes(file, now, now);
      return;
    }
    await mkdirDurably(directory);
    // A configuration may hold secrets.
    await writeFileDurably(file, text, 0o600);
    await removeOld(directory);
  },

  async recall(config, digest) {
    if (!/^[0-9a-f]{64}$/.test(digest)) return undefined;
    const text = await readTextIfExists(path.join(directoryOf(config), `${digest}.yaml`));
    if (text === undefined) return undefined;
    return createHash('sha256').update(text, 'utf8').digest('hex') === digest ? text : undefined;
  },
};

async function removeOld(directory: string): Promise<void> {
  for (const name of await readdir(directory)) {
    const file = path.join(directory, name);
    const { mtimeMs } = await stat(file);
    if (Date.now() - mtimeMs > KEPT_MS) await rm(file, { force: true });
  }
}
