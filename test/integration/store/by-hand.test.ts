/** What RESTORE.md says is run here as it stands there, by bash and without anything of ours. */
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { compareTrees } from '../../../src/tree/compare/compare.js';
import { runCommand } from '../../../src/base/process/process.js';
import { makeAwkwardTree, quiet, temporaryDirectory } from '../tree/awkward-tree.js';
import { writeTreeArtifact } from './fixtures.js';

let base: { dir: string; remove: () => Promise<void> };
beforeEach(async () => {
  base = await temporaryDirectory();
});
afterEach(() => base.remove());

function commandsOf(directory: string): string {
  const text = readFileSync(path.join(directory, 'RESTORE.md'), 'utf8');
  return [...text.matchAll(/^```bash\n([\s\S]*?)^```$/gm)].map((match) => match[1]).join('');
}

async function runBash(
  script: string,
  cwd: string,
  env: Record<string, string> = {},
): Promise<void> {
  await runCommand('bash', ['-e', '-c', script], { cwd, env });
}

test('the commands of a files artifact put an equal tree in place and keep the old one', async () => {
  const source = path.join(base.dir, "it's the source");
  const reference = path.join(base.dir, 'reference');
  const artifact = path.join(base.dir, 'artifact');
  await makeAwkwardTree(source);
  await writeTreeArtifact(source, artifact);
  await runCommand('cp', ['-a', source, reference]);
  writeFileSync(path.join(source, 'made-later'), 'must not be in the restored tree');
  await runBash(commandsOf(artifact), artifact);
  expect(await compareTrees(reference, source, quiet)).toEqual([]);
  expect(existsSync(path.join(`${source}.before-restore`, 'made-later'))).toBe(true);
});

test('the commands for a part of a directory leave the rest of it alone', async () => {
  const source = path.join(base.dir, 'source');
  const artifact = path.join(base.dir, 'artifact');
  mkdirSync(path.join(source, 'conf'), { recursive: true });
  writeFileSync(path.join(source, 'conf', 'a.yml'), 'as backed up');
  const { manifest } = await writeTreeArtifact(source, artifact);
  await writeTreeArtifact(source, path.join(base.dir, 'other'), {
    tree: { ...manifest.tree!, include: ['conf'] },
  });
  writeFileSync(path.join(source, 'conf', 'a.yml'), 'changed');
  writeFileSync(path.join(source, 'data'), 'not in the backup');
  const other = path.join(base.dir, 'other');
  await runBash(commandsOf(other), other);
  expect(readFileSync(path.join(source, 'conf', 'a.yml'), 'utf8')).toBe('as backed up');
  expect(readFileSync(path.join(source, 'data'), 'utf8')).toBe('not in the backup');
});

test('a damaged part stops the commands before anything is unpacked', async () => {
  const source = path.join(base.dir, 'source');
  const artifact = path.join(base.dir, 'artifact');
  await makeAwkwardTree(source);
  await writeTreeArtifact(source, artifact);
  const part = path.join(artifact, 'part-00001.tar.zst');
  const bytes = readFileSync(part);
  bytes.writeUInt8(bytes.readUInt8(100) ^ 1, 100);
  writeFileSync(part, bytes);
  await expect(runBash(commandsOf(artifact), artifact)).rejects.toMatchObject({
    code: 'COMMAND_FAILED',
  });
  expect(existsSync(`${source}.restored`)).toBe(false);
});

test('the commands of a volume artifact make the volume as it was and fill it', async () => {
  const source = path.join(base.dir, 'source');
  const artifact = path.join(base.dir, 'artifact');
  const volumes = path.join(base.dir, 'volumes');
  await makeAwkwardTree(source);
  await writeTreeArtifact(source, artifact, {
    kind: 'volume',
    volume: {
      name: 'ml_qdrant',
      driver: 'local',
      options: { o: 'size=1G,uid=1000', type: 'tmpfs' },
      labels: { 'com.docker.compose.project': 'ml', note: "it's $HOME" },
    },
  });
  // A docker of four lines: what matters is what it is asked for.
  const bin = path.join(base.dir, 'bin');
  mkdirSync(bin);
  mkdirSync(path.join(volumes, 'ml_qdrant', '_data'), { recursive: true });
  writeFileSync(path.join(volumes, 'ml_qdrant', '_data', 'stale'), 'x');
  writeFileSync(
    path.join(bin, 'docker'),
    `#!/bin/bash
printf '%s\\n' "$@" -- >> ${base.dir}/docker-calls
case "$1 $2" in
  "volume inspect") echo ${volumes}/"\${!#}"/_data ;;
  "run --rm") tar -x --ignore-zeros -f - -C / --to-command=cat > /dev/null ;;
esac
`,
    { mode: 0o755 },
  );
  await runBash(commandsOf(artifact), artifact, { PATH: `${bin}:${process.env.PATH}` });
  expect(await compareTrees(source, path.join(volumes, 'ml_qdrant', '_data'), quiet)).toEqual([]);
  expect(existsSync(path.join(volumes, 'ml_qdrant', '_data.before-restore', 'stale'))).toBe(true);
  const calls = readFileSync(path.join(base.dir, 'docker-calls'), 'utf8');
  expect(calls).toContain(
    [
      'volume',
      'create',
      '--driver',
      'local',
      '--opt',
      'o=size=1G,uid=1000',
      '--opt',
      'type=tmpfs',
      '--label',
      'com.docker.compose.project=ml',
      '--label',
      "note=it's $HOME",
      'ml_qdrant',
      '--',
    ].join('\n'),
  );
});
