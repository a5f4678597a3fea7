/** Dumps as a verification sees them: whole as files, and whole as dumps? */
import { isHoldfastError } from '../../base/errors.js';
import type { Work } from '../../base/progress.js';
import type { ArtifactFile, ArtifactManifest } from '../../format/manifest.js';
import type { PostgresExec } from '../client/exec.js';
import { verifyDump } from './verify.js';

/** The problem of what is whole as a file and yet no whole dump; undefined where there is none. */
export type LookInsideDump = (
  directory: string,
  manifest: ArtifactManifest,
  file: ArtifactFile,
  work: Work,
) => Promise<string | undefined>;

/**
 * Looks for the last line of scripts, at the first bytes of archives, and has a server list them
 * where one is at hand. `serverOf` gives the server of a container, if it runs.
 */
export function lookInsideDumps(
  serverOf: (container: string) => Promise<PostgresExec | undefined>,
): LookInsideDump {
  return async (directory, { postgres }, file, work) => {
    if (postgres === undefined) return undefined;
    const server = await serverOf(postgres.container).catch(() => undefined);
    const withServer = await problemOf(directory, file, server, work);
    // What the server has no answer to is no damage: then the file alone must do.
    return withServer === 'unanswered' ? problemOf(directory, file, undefined, work) : withServer;
  };
}

async function problemOf(
  directory: string,
  file: ArtifactFile,
  server: PostgresExec | undefined,
  work: Work,
): Promise<string | undefined> {
  try {
    await verifyDump({ directory, files: [file] }, server, work);
    return undefined;
  } catch (error) {
    work.signal.throwIfAborted();
    if (!isHoldfastError(error)) throw error;
    if (error.code === 'INTEGRITY') return error.message;
    if (server === undefined) throw error;
    return 'unanswered';
  }
}
