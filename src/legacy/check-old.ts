/** Before a restore from a file of the old script that was not imported: is it whole, and the planned one? */
import { toStackView } from '../config/stack-view.js';
import type { Config } from '../format/config/schema.js';
import { HoldfastError } from '../base/errors.js';
import { matchOldFile, parseOldPath } from './plan/old-backups.js';
import type { Work } from '../base/progress.js';
import type { SetArtifact } from '../format/manifest.js';
import { identifyOldFile, identityDigest } from './old-files.js';
import { inspectOldFile } from './old-inspect.js';
import { readOldRecord } from './old-records.js';

/**
 * Reads the file to its end and leaves the manifest that the steps of the restore read.
 * @throws HoldfastError INTEGRITY when it is damaged, another file than the plan's, or has another
 *   hash than the last time it was read; and as inspectOldFile
 */
export async function checkOldFile(
  config: Config,
  { service, source, artifact }: { service: string; source: string; artifact: SetArtifact },
  work: Work,
): Promise<void> {
  const { root } = config.backups;
  const identity = await identifyOldFile(root, artifact.path);
  if (identityDigest(artifact.path, identity) !== artifact.manifestSha256) {
    throw changed(artifact.path, 'it was replaced or written to since the restore was planned');
  }
  const parsed = parseOldPath(artifact.path);
  const match =
    parsed === undefined ? undefined : matchOldFile(parsed, toStackView(config).services);
  if (match?.service !== service || match.source.source !== source) {
    throw new HoldfastError('RESTORE_FAILED', `${artifact.path} is not of ${service}/${source}`, {
      facts: { path: artifact.path },
    });
  }
  const before = await readOldRecord(root, artifact.path, identity);
  const now = await inspectOldFile(root, config, match, { index: false }, work);
  if (before?.outcome.type !== 'whole' || now.outcome.type !== 'whole') return;
  const [was] = before.outcome.manifest.files;
  const [is] = now.outcome.manifest.files;
  if (was?.sha256 !== is?.sha256) {
    throw changed(
      artifact.path,
      `it has another hash than on ${before.at}: its disk may be failing`,
    );
  }
}

function changed(path: string, reason: string): HoldfastError {
  return new HoldfastError('INTEGRITY', `${path}: ${reason}`, {
    facts: { path, reason },
    hint: 'plan the restore again, or choose another set',
  });
}
