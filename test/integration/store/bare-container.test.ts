/** An artifact restored where nothing of ours is: a container with tar and zstd, by its RESTORE.md. */
import { afterAll, expect, test } from '@jest/globals';
import { appendFileSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { archiveTree } from '../../../src/tree/pack/archive.js';
import { compareTrees } from '../../../src/tree/compare/compare.js';
import { knownParts } from '../../../src/format/known-parts.js';
import { finishArtifact } from '../../../src/store/write/artifact.js';
import { runCommand } from '../../../src/base/process/process.js';
import { BASE_IMAGE } from '../../support/docker-images.js';
import { DockerSandbox } from '../../support/docker-sandbox.js';
import { makeAwkwardTree, quiet, temporaryDirectory } from '../tree/awkward-tree.js';
import { MANIFEST } from './fixtures.js';

const sandbox = new DockerSandbox();
afterAll(() => sandbox.remove());

test('every set of a history restores by its one line, whatever became of the others', async () => {
  const base = await temporaryDirectory();
  try {
    const source = path.join(base.dir, 'source');
    await makeAwkwardTree(source);
    await delay(60);
    const artifacts: { directory: string; copy: string }[] = [];
    let files: Awaited<ReturnType<typeof archiveTree>>['files'] = [];
    for (const setId of ['20260101_000000', '20260102_000000', '20260103_000000']) {
      const directory = path.join(base.dir, `artifact_${setId}`);
      const copy = path.join(base.dir, `copy_${setId}`);
      const before = artifacts.at(-1)?.directory;
      mkdirSync(directory);
      const archived = await archiveTree(
        {
          spec: { root: source, include: ['**'], exclude: [], oneFileSystem: true },
          destination: directory,
          setId,
          compressionLevel: 3,
          onChange: 'fail',
          allowEmpty: false,
          partTargetBytes: 16 * 1024,
          settleMs: 0,
          known: before === undefined ? [] : knownParts(before, files),
        },
        quiet,
      );
      files = archived.files;
      if (before !== undefined) expect(archived.linked.parts).toBeGreaterThan(3);
      const { totals, consistency, tree } = archived;
      await finishArtifact(directory, { ...MANIFEST, setId, files, totals, consistency, tree });
      await runCommand('cp', ['-a', source, copy]);
      artifacts.push({ directory, copy });
      appendFileSync(path.join(source, 'plain.txt'), `after ${setId}\n`);
      rmSync(path.join(source, 'tab\tand "quotes" and \'quotes\''), { force: true });
      await delay(60);
    }
    for (const { directory, copy } of artifacts) {
      const target = `${directory}.restored`;
      mkdirSync(target);
      await unpackInContainer(directory, target);
      expect(await compareTrees(copy, target, quiet)).toEqual([]);
      // The next one does without.
      rmSync(directory, { recursive: true });
    }
  } finally {
    await base.remove();
  }
});

async function unpackInContainer(artifact: string, target: string): Promise<void> {
  const text = readFileSync(path.join(artifact, 'RESTORE.md'), 'utf8');
  const [line] = /^cat part-.*$/m.exec(text) ?? [];
  if (line === undefined) throw new Error('RESTORE.md has no line that unpacks');
  await runCommand('docker', [
    'run',
    '--rm',
    '--network=none',
    ...Object.entries(sandbox.labels).map(([key, value]) => `--label=${key}=${value}`),
    // To give files their owners and attributes, as root on a host may.
    '--cap-add=SYS_ADMIN',
    `--volume=${artifact}:/artifact:ro`,
    `--volume=${target}:/target`,
    '--workdir=/artifact',
    BASE_IMAGE,
    'bash',
    '-c',
    `set -eo pipefail; TARGET=/target; sha256sum --quiet -c SHA256SUMS; ${line}`,
  ]);
}
