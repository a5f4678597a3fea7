/** The compose files a service will have once it is restored: of the artifact, or those in place. */
import { mkdtemp, readdir, readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { extractTo } from '../../src/tree/unpack/select-extract.js';
import { selectEntries } from '../../src/tree/unpack/select-entries.js';
import { inspectTarget } from '../../src/tree/swap/staging.js';
import { filesBase } from '../../src/format/config/artifacts.js';
import { resolveComposeFiles } from '../../src/docker/compose/compose-files.js';
import type { Config } from '../../src/format/config/schema.js';
import { composeFiles } from '../../src/docker/compose/compose.js';
import type { RestoreServicePlan } from '../../src/plan/restore/restore-types.js';
import type { Work } from '../../src/base/progress.js';
import { readArtifact } from '../../src/store/write/artifact.js';
import { isOldFile } from '../../src/legacy/old-records.js';
import { resolveInside } from '../../src/store/layout.js';
import { removeTree } from '../../src/base/files/durable.js';
import { homeOf } from '../shared/compose-of.js';
import { serviceOf } from '../shared/runtime.js';
import { own } from '../../src/base/own.js';

/**
 * Their texts, in the order they are merged; none where the service has no compose files, or they
 * can't be told before the restore.
 */
export async function restoredComposeFiles(
  config: Config,
  plan: RestoreServicePlan,
  work: Work,
): Promise<string[]> {
  const service = serviceOf(config, plan.service);
  if (service.compose === undefined) return [];
  const home = homeOf(plan.service, service);
  const texts = new Map<string, string>();
  for (const step of plan.sources) {
    const source = own(service.sources, step.source);
    if (source?.kind !== 'files' || filesBase(service, source) !== home) continue;
    // No index tells what a tar of the old script holds: what is in place has to do.
    if (await isOldFile(config.backups.root, step.artifact.path)) continue;
    const directory = await resolveInside(config.backups.root, step.artifact.path);
    const found = await textsIn(directory, service.compose.files, work);
    for (const [name, text] of found) texts.set(name, text);
  }
  if (texts.size === 0) {
    const files = await composeFiles(home, service.compose.files).catch(() => []);
    return Promise.all(files.map((file) => readFile(path.join(home, file), 'utf8')));
  }
  return resolveComposeFiles(service.compose.files, [...texts.keys()]).flatMap((name) => {
    const text = texts.get(name);
    return text === undefined ? [] : [text];
  });
}

async function textsIn(
  artifactDirectory: string,
  patterns: readonly string[],
  work: Work,
): Promise<Map<string, string>> {
  const manifest = await readArtifact(artifactDirectory);
  const wanted = patterns.filter((pattern) => !pattern.startsWith('!'));
  const selection = await selectEntries(artifactDirectory, manifest, wanted, work);
  const texts = new Map<string, string>();
  if (selection.entries === 0) return texts;
  const scratch = await mkdtemp(path.join(tmpdir(), 'holdfast-compose-'));
  try {
    const target = await inspectTarget(path.join(scratch, 'home'));
    await extractTo({ artifactDirectory, manifest, selection, target }, work);
    for (const entry of await readdir(target.path, { recursive: true, withFileTypes: true })) {
      if (!entry.isFile()) continue;
      const file = path.join(entry.parentPath, entry.name);
      texts.set(path.relative(target.path, file), await readFile(file, 'utf8'));
    }
  } finally {
    await removeTree(scratch);
  }
  return texts;
}
