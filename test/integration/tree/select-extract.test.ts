import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import {
  chmodSync,
  cpSync,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';
import { compareTrees } from '../../../src/tree/compare/compare.js';
import { selectEntries } from '../../../src/tree/unpack/select-entries.js';
import { extractTo, type ExtractedTo } from '../../../src/tree/unpack/select-extract.js';
import { inspectTarget } from '../../../src/tree/swap/staging.js';
import type { ArtifactManifest } from '../../../src/format/manifest.js';
import { runCommand } from '../../../src/base/process/process.js';
import { writeTreeArtifact } from '../store/fixtures.js';
import { makeAwkwardTree, quiet, temporaryDirectory } from './awkward-tree.js';

let base: { dir: string; remove: () => Promise<void> };
let source: string;
let artifact: string;
let manifest: ArtifactManifest;
let place: string;
let count = 0;
beforeAll(async () => {
  base = await temporaryDirectory();
  source = path.join(base.dir, 'source');
  artifact = path.join(base.dir, 'artifact');
  await makeAwkwardTree(source);
  // Parts are small: what is wanted and what is not lie in different ones.
  ({ manifest } = await writeTreeArtifact(source, artifact));
  expect(manifest.files.length).toBeGreaterThan(4);
});
afterAll(() => base.remove());
beforeEach(() => {
  place = path.join(base.dir, `place-${(count += 1)}`);
  mkdirSync(place);
});
const to = (...names: string[]): string => path.join(place, 'to', ...names);

async function extract(patterns?: readonly string[], directory = artifact): Promise<ExtractedTo> {
  const selection =
    patterns === undefined ? undefined : await selectEntries(directory, manifest, patterns, quiet);
  const target = await inspectTarget(to());
  return extractTo({ artifactDirectory: directory, manifest, selection, target }, quiet);
}

/** What differs between the source and what was unpacked, within the patterns. */
async function differences(include: readonly string[]) {
  return compareTrees(source, to(), quiet, { include });
}
const left = (): string[] => readdirSync(place);

describe('files that are picked from an artifact', () => {
  test.each([
    ['a file by its name', ['plain.txt'], 1],
    ['names that are not UTF-8', ['f???', '?'], undefined],
    ['a name with a line break', ['line?break'], 1],
    ['a directory with all below it', ['acl-default'], 3],
    ['a directory that nobody may enter', ['directory-closed/inside', 'directory-ro'], 3],
    ['a sparse file', ['sparse'], 1],
    ['symlinks and their names', ['links/{absolute,loop,long-target,newline-target}'], 4],
    ['a file far down', ['**/deepest'], 1],
    ['everything', ['**'], undefined],
  ])('come back as they were: %s', async (_, patterns, entries) => {
    const done = await extract(patterns);
    if (entries !== undefined) expect(done.entries).toBe(entries);
    expect(done.vanished).toBe(0);
    expect(await differences(patterns)).toEqual([]);
    expect(left()).toEqual(['to']);
  });

  test('bring modes, owners and times of the directories above them, and nothing else of those', async () => {
    await extract(['directory-sticky/inside']);
    expect(readdirSync(to())).toEqual(['directory-sticky']);
    const parent = statSync(to('directory-sticky'));
    expect(parent.mode & 0o7777).toBe(0o1777);
    expect([parent.uid, parent.gid, parent.mtimeMs]).toEqual([999, 998, 1_400_000_000_125]);
    const root = statSync(to(), { bigint: true });
    expect([root.uid, root.mode & 0o7777n, root.mtimeNs]).toEqual([
      4242n,
      0o2750n,
      1_296_705_906_987_654_321n,
    ]);
  });

  test('have their content also where the first name of a hard-linked file is not among them', async () => {
    const done = await extract(['zz-*', 'links/dangling-again']);
    expect(readdirSync(to()).sort()).toEqual(['links', 'zz-hard-link-elsewhere', 'zz-later']);
    expect(readdirSync(to('links'))).toEqual(['dangling-again']);
    expect(readFileSync(to('zz-hard-link-elsewhere'), 'utf8')).toBe('shared content');
    // The names that were picked are still one file, and counted once.
    const [one, other] = [
      to('zz-hard-link-elsewhere'),
      to('zz-later', 'link-into-a-closed-directory'),
    ].map((name) => statSync(name));
    expect([one?.ino, one?.nlink]).toEqual([other?.ino, 2]);
    expect(done).toMatchObject({ entries: 4, bytes: 'shared content'.length });
    const original = lstatSync(path.join(source, 'links', 'dangling'), { bigint: true });
    expect(lstatSync(to('links', 'dangling-again'), { bigint: true })).toMatchObject({
      mtimeNs: original.mtimeNs,
    });
    expect(statSync(to('zz-later')).mode & 0o7777).toBe(0o500);
  });

  test('keep names longer than a header holds when they get the content', async () => {
    const tree = path.join(place, 'tree');
    const long = `${'d'.repeat(200)}/${'n'.repeat(240)}-\n-${'x'.repeat(3)}`;
    mkdirSync(path.join(tree, 'd'.repeat(200)), { recursive: true });
    writeFileSync(path.join(tree, 'a'), '');
    await runCommand('truncate', ['-s', '3M', path.join(tree, 'a')]);
    await runCommand('setfattr', ['-n', 'user.note', '-v', 'kept', path.join(tree, 'a')]);
    linkSync(path.join(tree, 'a'), path.join(tree, long));
    const directory = path.join(place, 'artifact');
    const written = await writeTreeArtifact(tree, directory);
    const patterns = ['ddd*'];
    const selection = await selectEntries(directory, written.manifest, patterns, quiet);
    const target = await inspectTarget(to());
    await extractTo(
      { artifactDirectory: directory, manifest: written.manifest, selection, target },
      quiet,
    );
    expect(readdirSync(to())).toEqual(['d'.repeat(200)]);
    expect(statSync(to(long))).toMatchObject({ size: 3 * 1024 * 1024, nlink: 1, blocks: 0 });
    const { stdout } = await runCommand('getfattr', ['--only-values', '-n', 'user.note', to(long)]);
    expect(stdout).toBe('kept');
  });

  test('need only the parts that hold them', async () => {
    const copy = path.join(place, 'artifact');
    cpSync(artifact, copy, { recursive: true });
    const { parts } = await selectEntries(copy, manifest, ['zz-later'], quiet);
    const others = manifest.files.filter(({ role, name }) => role === 'part' && !parts.has(name));
    expect(others.length).toBeGreaterThan(1);
    for (const { name } of others) writeFileSync(path.join(copy, name), 'not needed');
    await extract(['zz-later'], copy);
    expect(existsSync(to('zz-later', 'link-into-a-closed-directory'))).toBe(true);
  });

  test('are all of a source without patterns', async () => {
    const done = await extract();
    expect(done).toMatchObject({
      entries: manifest.totals.entries,
      bytes: manifest.totals.contentBytes,
    });
    expect(await differences(['**'])).toEqual([]);
  });
});

describe('the directory they come into', () => {
  test('may be there, empty; it gets the attributes of the root', async () => {
    mkdirSync(to());
    const before = statSync(to()).ino;
    await runCommand('setfattr', ['-n', 'user.of', '-v', 'the root', source]);
    const fresh = path.join(place, 'artifact');
    const { manifest: known } = await writeTreeArtifact(source, fresh);
    const target = await inspectTarget(to());
    await extractTo({ artifactDirectory: fresh, manifest: known, target }, quiet);
    await runCommand('setfattr', ['-x', 'user.of', source]);
    expect(statSync(to()).ino).toBe(before);
    const { stdout } = await runCommand('getfattr', ['--only-values', '-n', 'user.of', to()]);
    expect(stdout).toBe('the root');
    await runCommand('setfattr', ['-x', 'user.of', to()]);
    expect(await differences(['**'])).toEqual([]);
  });

  test('may be another file system', async () => {
    mkdirSync(to());
    await runCommand('mount', ['-t', 'tmpfs', 'holdfast-test', to()]);
    try {
      await extract(['a', 'links/first']);
      expect(await differences(['a', 'links/first'])).toEqual([]);
    } finally {
      await runCommand('umount', [to()]);
    }
  });

  test('may be reached by a symlink', async () => {
    mkdirSync(path.join(place, 'real'));
    symlinkSync('real', to());
    await extract(['plain.txt']);
    expect(readFileSync(path.join(place, 'real', 'plain.txt'), 'utf8')).toBe('hello\n');
  });

  test('must be empty, and one that is not is left alone', async () => {
    mkdirSync(to());
    writeFileSync(to('mine'), 'mine');
    await expect(extract(['plain.txt'])).rejects.toMatchObject({
      code: 'USAGE',
      message: expect.stringContaining('not empty'),
    });
    expect(readdirSync(to())).toEqual(['mine']);
  });

  test.each(['a file', 'no parent', 'a dangling link'])('must not be %s', async (what) => {
    if (what === 'a file') writeFileSync(to(), '');
    if (what === 'a dangling link') symlinkSync('nowhere', to());
    const wanted = what === 'no parent' ? to('deeper') : to();
    await expect(inspectTarget(wanted)).rejects.toMatchObject({ code: 'USAGE' });
  });

  test.each([false, true])(
    'is as it was when a part is damaged (was there before: %s)',
    async (wasThere) => {
      const copy = path.join(place, 'artifact');
      cpSync(artifact, copy, { recursive: true });
      const { parts } = await selectEntries(copy, manifest, ['zz-later', 'a'], quiet);
      const last = [...parts].sort().at(-1)!;
      const bytes = readFileSync(path.join(copy, last));
      bytes.writeUInt8(bytes.readUInt8(bytes.length >> 1) ^ 1, bytes.length >> 1);
      writeFileSync(path.join(copy, last), bytes);
      if (wasThere) {
        mkdirSync(to());
        chmodSync(to(), 0o711);
      }
      const before = wasThere ? statSync(to()) : undefined;
      await expect(extract(['zz-later', 'a'], copy)).rejects.toMatchObject({
        code: 'INTEGRITY',
        facts: { path: path.join(copy, last) },
      });
      expect(left().sort()).toEqual(wasThere ? ['artifact', 'to'] : ['artifact']);
      if (before === undefined) return;
      expect(readdirSync(to())).toEqual([]);
      expect(statSync(to())).toMatchObject({ mode: before.mode, ino: before.ino });
    },
  );

  test('is as it was when something else appeared there meanwhile', async () => {
    const target = await inspectTarget(to());
    const selection = await selectEntries(artifact, manifest, ['plain.txt'], quiet);
    mkdirSync(to());
    writeFileSync(to('mine'), 'mine');
    await expect(
      extractTo({ artifactDirectory: artifact, manifest, selection, target }, quiet),
    ).rejects.toMatchObject({ code: 'RESTORE_FAILED' });
    expect(left()).toEqual(['to']);
    expect(readdirSync(to())).toEqual(['mine']);
  });

  test('is as it was when the work was cancelled', async () => {
    const stop = new AbortController();
    const target = await inspectTarget(to());
    const work = { signal: stop.signal, report: () => stop.abort(new Error('enough')) };
    await expect(
      extractTo({ artifactDirectory: artifact, manifest, target }, work),
    ).rejects.toThrow('enough');
    expect(left()).toEqual([]);
  });
});

test('an archive that writes through a link is refused, when what it writes was asked for', async () => {
  const evil = path.join(place, 'evil');
  mkdirSync(evil);
  symlinkSync('/tmp', path.join(evil, 'a'));
  const names = path.join(place, 'artifact');
  const { manifest: known } = await writeTreeArtifact(evil, names);
  const part = path.join(names, known.files[0]!.name);
  mkdirSync(path.join(place, 'b'));
  writeFileSync(path.join(place, 'b', 'x'), 'x');
  await runCommand('tar', [
    '--create',
    `--file=${path.join(place, 'two.tar')}`,
    '--format=posix',
    '-C',
    evil,
    './a',
    '-C',
    path.join(place, 'b'),
    '--transform=s,^./x,./a/x,',
    './x',
  ]);
  await runCommand('zstd', ['-q', '-f', path.join(place, 'two.tar'), '-o', part]);
  const { createHash } = await import('node:crypto');
  const bytes = readFileSync(part);
  const files = known.files.map((file) =>
    file.role === 'part'
      ? { ...file, entries: 2, sha256: createHash('sha256').update(bytes).digest('hex') }
      : file,
  );
  const selection = await selectEntries(names, known, ['a'], quiet);
  const target = await inspectTarget(to());
  await expect(
    extractTo(
      { artifactDirectory: names, manifest: { ...known, files }, selection, target },
      quiet,
    ),
  ).rejects.toMatchObject({ code: 'ARCHIVE_HOSTILE' });
  expect(existsSync(to())).toBe(false);
});

test('a device is refused when it is picked, and no hindrance beside what is', async () => {
  const tree = path.join(place, 'tree');
  mkdirSync(tree);
  await runCommand('mknod', [path.join(tree, 'null'), 'c', '1', '3']);
  writeFileSync(path.join(tree, 'plain'), 'plain');
  const directory = path.join(place, 'artifact');
  const { manifest: known } = await writeTreeArtifact(tree, directory);
  const pick = async (pattern: string) => {
    const selection = await selectEntries(directory, known, [pattern], quiet);
    const target = await inspectTarget(to());
    return extractTo({ artifactDirectory: directory, manifest: known, selection, target }, quiet);
  };
  await expect(pick('null')).rejects.toMatchObject({ code: 'ARCHIVE_HOSTILE' });
  expect(existsSync(to())).toBe(false);
  await pick('plain');
  expect(readdirSync(to())).toEqual(['plain']);
});
