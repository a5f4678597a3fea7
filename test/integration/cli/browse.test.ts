/** Looking into sets and taking single files out of them, as its user does. */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';
import { runCommand, startCommand } from '../../../src/base/process/process.js';
import type { SetArtifact } from '../../../src/format/manifest.js';
import { makeAwkwardTree, temporaryDirectory } from '../tree/awkward-tree.js';
import { jsonLines, makePlace, PLAIN_ENV, type Place } from '../cli-support/place.js';
import { addPostgres, addTree, publishByHand } from '../cli-support/real-store.js';
import { cliMain, nodeArgs } from '../cli-support/run.js';

let base: { dir: string; remove: () => Promise<void> };
let place: Place;
let tree: string;
let data: SetArtifact;
let target: string;
let count = 0;
beforeAll(async () => {
  base = await temporaryDirectory();
  place = await makePlace();
  tree = path.join(base.dir, 'tree');
  await makeAwkwardTree(tree);
  const small = path.join(base.dir, 'small');
  mkdirSync(path.join(small, 'etc'), { recursive: true });
  writeFileSync(path.join(small, 'etc', 'app.conf'), 'port = 80\n');
  data = await addTree(place.root, '20241212_010000', {
    service: 'agent',
    source: 'data',
    tree,
  });
  publishByHand(place.root, '20241212_010000', [
    await addPostgres(place.root, '20241212_010000'),
    data,
    await addTree(place.root, '20241212_010000', {
      service: 'agent',
      source: 'configs',
      tree: small,
    }),
    await addTree(place.root, '20241212_010000', {
      service: 'pgdb',
      source: 'configs',
      tree: small,
    }),
  ]);
});
afterAll(async () => {
  await place.remove();
  await base.remove();
});
beforeEach(() => {
  target = path.join(base.dir, `target-${(count += 1)}`);
});

describe('browse', () => {
  test('lists every source of the set under its name, and its databases', async () => {
    const { exitCode, stdout, stderr } = await place.cli(['browse', '20241212_010000']);
    expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' });
    expect(stdout.match(/^\S+:$/gm)).toEqual([
      'pgdb/pgdump:',
      'agent/data:',
      'agent/configs:',
      'pgdb/configs:',
    ]);
    expect(stdout).toContain('shop   3.0 MiB  2 tables, 1,234 rows\n');
    expect(stdout).toContain('closed  not in the backup: it allows no connections');
    expect(stdout).toContain('\netc/app.conf\n');
  });

  test('shows names of any bytes on one line each', async () => {
    const { stdout } = await place.cli(['browse', 'latest', '--source', 'data']);
    const lines = stdout.trimEnd().split('\n');
    expect(lines.length).toBe(data.entries);
    expect(lines).toEqual(
      expect.arrayContaining([
        './',
        String.raw`line\nbreak`,
        String.raw`f\xff\xfe\x80`,
        String.raw`d\xf0\n/x`,
        'naïve-名前-🙂',
        '--checkpoint-action=exec=sh',
      ]),
    );
  });

  test('--path takes what matches, --long tells all about it', async () => {
    const { stdout } = await place.cli(
      'browse latest --source data --path mode-setuid --path links/** --long'.split(' '),
    );
    expect(stdout).toMatch(/^-rwsr-xr-x +72541:4000000 +6 B +\d{4}-.* {2}mode-setuid$/m);
    expect(stdout).toMatch(/^l.* {2}links\/absolute -> \/etc\/hostname$/m);
    expect(stdout).toMatch(/^-.* {2}links\/second link to links\/first$/m);
    expect(stdout).not.toContain('plain.txt');
    const tables = await place.cli('browse latest --source pgdump --long'.split(' '));
    expect(tables.stdout).toContain('  public.orders  1,200 rows\n');
  });

  test('--json is an entry a line, with the bytes of a name that is not UTF-8', async () => {
    const { stdout } = await place.cli(['browse', 'latest', '--json', '--path', 'f???']);
    const events = jsonLines(stdout);
    const name = { b64: Buffer.from([0x66, 0xff, 0xfe, 0x80]).toString('base64') };
    expect(events).toContainEqual({
      type: 'entry',
      service: 'agent',
      source: 'data',
      entry: expect.objectContaining({ path: name, sizeBytes: 9 }),
    });
    expect(events.at(-1)).toMatchObject({ type: 'result', exitCode: 0, shown: events.length - 1 });
    const all = jsonLines((await place.cli(['browse', '--json', '-s', 'pgdb'])).stdout);
    expect(all[0]).toMatchObject({ type: 'database', rows: 1234, database: { name: 'shop' } });
  });

  test('a reader that goes away is no error, and ends the reading', async () => {
    const args = nodeArgs(cliMain, ['browse', 'latest', '--source', 'data']);
    const child = startCommand(process.execPath, args, {
      cwd: place.directory,
      env: { ...PLAIN_ENV, NODE_OPTIONS: '' },
    });
    child.stdout.once('data', () => child.stdout.destroy());
    await expect(child.done).resolves.toMatchObject({ exitCode: 0, stderr: '' });
    const { stdout, stderr } = await runCommand(
      'bash',
      ['-c', '"$@" | head -n 2', '-', process.execPath, ...args],
      { cwd: place.directory, env: { ...PLAIN_ENV, NODE_OPTIONS: '' } },
    );
    expect({ lines: stdout.split('\n').length, stderr }).toEqual({ lines: 3, stderr: '' });
  });

  test('a pattern that matches nothing is said', async () => {
    const { exitCode, stderr } = await place.cli(['browse', 'latest', '--path', 'nothing/here']);
    expect(exitCode).toBe(0);
    expect(stderr).toContain('nothing matches nothing/here');
  });

  test.each([
    [['--service', 'nobody'], 'UNKNOWN_SERVICE'],
    [['--source', 'nothing'], 'UNKNOWN_SOURCE'],
    [['--path', '../x'], 'USAGE'],
    [['--path', '/etc'], 'USAGE'],
    [['--path', '[a'], 'USAGE'],
    [['--source', 'pgdump', '--path', 'a'], 'USAGE'],
  ])('%j is a mistake that is explained', async (args, code) => {
    const { exitCode, stdout, stderr } = await place.cli(['browse', '20241212_010000', ...args]);
    expect({ exitCode, stdout }).toEqual({ exitCode: 2, stdout: '' });
    expect(stderr).toContain(`code: ${code}`);
    expect(stderr).toContain('hint: ');
  });
});

describe('restore --to', () => {
  const restore = (...args: string[]) =>
    place.cli(['restore', '20241212_010000', '--to', target, ...args]);

  test('takes files out of a set, and says how many', async () => {
    const { exitCode, stdout } = await restore(
      ...['--service', 'agent', '--source', 'data', '--path', 'plain.txt', '--path', 'a'],
    );
    expect(exitCode).toBe(0);
    expect(stdout).toBe(`agent/data of 20241212_010000-daily: 3 entries, 7 B in ${target}\n`);
    expect(readdirSync(target).sort()).toEqual(['a', 'plain.txt']);
  });

  test('--json is one result', async () => {
    const { stdout } = await restore('--json', '-s', 'agent', '--source', 'configs');
    expect(jsonLines(stdout)).toEqual([
      {
        type: 'result',
        command: 'restore',
        exitCode: 0,
        set: '20241212_010000-daily',
        service: 'agent',
        source: 'configs',
        entries: 3,
        bytes: 10,
        vanished: 0,
        to: target,
      },
    ]);
    expect(readFileSync(path.join(target, 'etc', 'app.conf'), 'utf8')).toBe('port = 80\n');
  });

  test('copies the dumps of a PostgreSQL source', async () => {
    const { exitCode, stdout } = await restore('--source', 'pgdump');
    expect(exitCode).toBe(0);
    expect(stdout).toContain('2 files');
    expect(readdirSync(target).sort()).toEqual(['globals.sql.zst', 'shop.dump']);
    expect(statSync(target).mode & 0o777).toBe(0o700);
  });

  test('a pattern that matches nothing is an error, also beside one that does', async () => {
    const { exitCode, stderr } = await restore(
      ...['--source', 'data', '--path', 'plain.txt', '--path', 'plain.text'],
    );
    expect(exitCode).toBe(2);
    expect(stderr).toContain('nothing matches plain.text\n');
    expect(stderr).toContain('holdfast browse 20241212_010000-daily --service agent --source data');
    expect(existsSync(target)).toBe(false);
  });

  test.each([
    ['several sources', [], 'name one with --source'],
    ['one name in two services', ['--source', 'configs'], 'agent/configs, pgdb/configs'],
    ['paths of a database', ['--source', 'pgdump', '--path', 'x'], 'has no paths'],
    ['a plan', ['--source', 'data', '--dry-run'], '--to takes no --dry-run'],
  ])('refuses %s', async (_, args, words) => {
    const { exitCode, stderr } = await restore(...args);
    expect(exitCode).toBe(2);
    expect(stderr).toContain(words);
    expect(existsSync(target)).toBe(false);
  });

  test('never unpacks into the live place, the backups, or what is not empty', async () => {
    const into = (directory: string) =>
      place.cli(['restore', 'latest', '--source', 'data', '--to', directory]);
    expect((await into(path.join(tree, 'new'))).stderr).toContain('is where this source lives');
    expect((await into(path.join(place.root, 'new'))).stderr).toContain('among the backups');
    expect((await into(tree)).stderr).toContain('is not empty');
    expect(existsSync(path.join(tree, 'new'))).toBe(false);
  });

  test.each([
    [['--source', 'data'], 'of which service?'],
    [['--path', 'x'], 'belong to --to'],
    [['--root', '/x'], 'belong to --to'],
  ])('%j without --to is refused, not ignored', async (args, told) => {
    const { exitCode, stderr } = await place.cli(['restore', 'latest', '--yes', ...args]);
    expect(exitCode).toBe(2);
    expect(stderr).toContain(told);
  });

  test('a damaged artifact ends with 1, names the file, and leaves nothing', async () => {
    const part = path.join(place.root, data.path, 'part-00001.tar.zst');
    const sound = readFileSync(part);
    const bytes = Buffer.from(sound);
    bytes.writeUInt8(bytes.readUInt8(40) ^ 1, 40);
    writeFileSync(part, bytes);
    const { exitCode, stderr } = await restore('--source', 'data', '--path', 'plain.txt');
    writeFileSync(part, sound);
    expect(exitCode).toBe(1);
    expect(stderr).toContain('code: INTEGRITY');
    expect(stderr).toContain('part-00001.tar.zst');
    expect(readdirSync(base.dir).filter((name) => name.includes('target-'))).not.toContain(
      path.basename(target),
    );
    expect(readdirSync(base.dir).filter((name) => name.includes('holdfast-new'))).toEqual([]);
  });

  test('an altered manifest is not believed', async () => {
    const file = path.join(place.root, data.path, 'manifest.json');
    const sound = readFileSync(file, 'utf8');
    writeFileSync(file, sound.replace('"agent"', '"agenT"'));
    const { exitCode, stderr } = await restore('--source', 'data');
    writeFileSync(file, sound);
    expect(exitCode).toBe(1);
    expect(stderr).toContain('not the one its set vouches for');
    rmSync(target, { recursive: true, force: true });
  });
});
