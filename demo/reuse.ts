/** What the second backup did not have to read: from the set's own file, and from the disk. */
import { readdir, readFile, stat } from 'node:fs/promises';
import path from 'node:path';
import { formatBytes } from '../src/base/words.js';
import { readArtifact } from '../src/store/write/artifact.js';
import { isLinked, setFileSchema, type SetFile } from '../src/format/manifest.js';
import type { Checks } from './report.js';

export async function proveReuse(
  backups: string,
  tier: string,
  checks: Checks,
  say: (line: string) => void,
): Promise<void> {
  const set = await readTier(backups, tier);
  for (const { service, source, storedBytes, linkedBytes = 0 } of set.artifacts) {
    if (linkedBytes === 0) continue;
    say(
      `   ${`${service}/${source}`.padEnd(32)} ${formatBytes(linkedBytes).padStart(9)} of ${formatBytes(storedBytes)} linked, not read`,
    );
  }
  const model = set.artifacts.find(({ path: at }) => at.includes('saiga'));
  checks.between(
    'reuse',
    'the model’s bytes that were not read again, percent',
    model === undefined ? 0 : ((model.linkedBytes ?? 0) / model.storedBytes) * 100,
    99,
    100,
  );
  let linkedFiles = 0;
  for (const artifact of set.artifacts) {
    const directory = path.join(backups, artifact.path);
    const { files, setId } = await readArtifact(directory);
    for (const file of files) {
      if (!isLinked(file, setId)) continue;
      if ((await stat(path.join(directory, file.name))).nlink > 1) linkedFiles += 1;
    }
  }
  checks.between('reuse', 'parts that are the same file in both sets', linkedFiles, 1, 100_000);
}

/** The newest set of a tier, `<id>-<tier>`. */
export async function newestSet(backups: string, tier: string): Promise<string> {
  const names = (await readdir(path.join(backups, 'sets'))).sort();
  const name = names.findLast((each) => each.endsWith(`-${tier}.json`));
  if (name === undefined) throw new Error(`there is no ${tier} set`);
  return name.replace(/\.json$/, '');
}

async function readTier(backups: string, tier: string): Promise<SetFile> {
  const file = path.join(backups, 'sets', `${await newestSet(backups, tier)}.json`);
  return setFileSchema.parse(JSON.parse(await readFile(file, 'utf8')));
}
