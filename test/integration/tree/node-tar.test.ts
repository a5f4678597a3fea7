/** A second implementation reads what was written: the parts are plain tar, not GNU tar's alone. */
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { extract, list } from 'tar';
import { archiveTree } from '../../../src/tree/pack/archive.js';
import { runCommand } from '../../../src/base/process/process.js';

let scratch: string;
const work = { signal: new AbortController().signal, report: () => undefined };

beforeAll(async () => {
  scratch = await mkdtemp(path.join(tmpdir(), 'holdfast-node-tar-'));
});

afterAll(async () => {
  await rm(scratch, { recursive: true, force: true });
});

test('node-tar lists and unpacks all parts of an artifact, with the counts the manifest gives', async () => {
  const root = path.join(scratch, 'tree');
  const destination = path.join(scratch, 'artifact');
  const target = path.join(scratch, 'target');
  for (const directory of [path.join(root, 'a/b'), destination, target]) {
    await mkdir(directory, { recursive: true });
  }
  for (let at = 0; at < 40; at += 1) {
    await writeFile(path.join(root, 'a', `file ${at}.txt`), `content ${at} `.repeat(500));
  }
  await writeFile(path.join(root, 'a/b', `${'long'.repeat(50)}.txt`), 'x');
  await symlink('../file 0.txt', path.join(root, 'a/b/link'));
  const archived = await archiveTree(
    {
      spec: { root, include: ['**'], exclude: [], oneFileSystem: true },
      destination,
      setId: '20260101_000000',
      compressionLevel: 3,
      onChange: 'fail',
      allowEmpty: false,
      partTargetBytes: 50_000,
    },
    work,
  );

  const parts = archived.files.filter(({ role }) => role === 'part');
  const listed: string[] = [];
  for (const { name } of parts) {
    const tarFile = path.join(scratch, 'part.tar');
    await runCommand('zstd', ['-q', '-d', '-f', path.join(destination, name), '-o', tarFile]);
    await list({ file: tarFile, strict: true, onReadEntry: (entry) => listed.push(entry.path) });
    await extract({ file: tarFile, cwd: target, strict: true });
  }

  expect(parts.length).toBeGreaterThan(1);
  expect(listed).toHaveLength(archived.totals.entries);
  expect(await readFile(path.join(target, 'a/file 39.txt'), 'utf8')).toBe(
    'content 39 '.repeat(500),
  );
  expect(await readFile(path.join(target, 'a/b/link'), 'utf8')).toBe('content 0 '.repeat(500));
});
