/** The old script's backups, made by the guide's commands, checked, adopted and read again. */
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import {
  appendFileSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';
import { compareTrees } from '../../../src/tree/compare/compare.js';
import { extractTree } from '../../../src/tree/unpack/extract.js';
import { readIndex } from '../../../src/tree/index/index-reader.js';
import { pathFromJson } from '../../../src/base/files/byte-paths.js';
import { selectEntries } from '../../../src/tree/unpack/select-entries.js';
import { extractTo } from '../../../src/tree/unpack/select-extract.js';
import { inspectTarget } from '../../../src/tree/swap/staging.js';
import { toStackView } from '../../../src/config/stack-view.js';
import { planRetention } from '../../../src/plan/retention/retention.js';
import { readArtifact } from '../../../src/store/write/artifact.js';
import { readCatalogue } from '../../../src/store/catalogue/catalogue.js';
import { checkOldFile } from '../../../src/legacy/check-old.js';
import { importLock, importRuns, type ImportOptions } from '../../../src/legacy/import-old.js';
import type { SetFile } from '../../../src/format/manifest.js';
import { readRestorable } from '../../../src/legacy/old-records.js';
import { readOldBackups } from '../../../src/legacy/old-sets.js';
import { emptyTrash, removeSet } from '../../../src/store/remove/remove.js';
import { verifyArtifact } from '../../../src/store/verify/verify.js';
import { SetVerifier } from '../../../src/store/verify/verify-set.js';
import { withFileLock } from '../../../src/base/files/lock.js';
import { makeAwkwardTree, quiet, temporaryDirectory } from '../tree/awkward-tree.js';
import {
  importAll,
  makeOldHost,
  oldBackups,
  place,
  runOldScript,
  SCRIPT,
  shell,
  STAMP,
  type OldHost,
} from './old-fixtures.js';

let base: { dir: string; remove: () => Promise<void> };
let host: OldHost;
beforeEach(async () => {
  base = await temporaryDirectory();
  host = await makeOldHost(base.dir);
});
afterEach(() => base.remove());

async function catalogue(): Promise<readonly SetFile[]> {
  return (await readCatalogue(host.root)).sets;
}

/** Every file below the root that a person would miss, by its content's hash. */
async function contents(): Promise<string[]> {
  const file = path.join(base.dir, 'sums');
  await shell(
    `cd "$ROOT" && find . -type f '(' -name '*.tar.gz' -o -name '*.sql' ')' -print0 | xargs -0 -r sha256sum | cut -d' ' -f1 | sort -u > "$FILE"`,
    { ROOT: host.root, FILE: file },
  );
  return readFileSync(file, 'utf8').split('\n').filter(Boolean);
}

const DATA = `mlopsnew/daily/data/data_${STAMP}.tar.gz`;
const CONFIGS = `mlopsnew/daily/configs/configs_${STAMP}.tar.gz`;
const VOLUME = `mlopsnew/daily/docker/vol_${STAMP}.tar.gz`;
const DUMP = `pgdb/daily/data/pgdump_${STAMP}.sql`;
const MODEL = `large_volumes/saiga_model_${STAMP}.tar.gz`;

describe('a run of the old script', () => {
  test('becomes a set like the others, without copying a byte, and its old names go', async () => {
    await runOldScript(host);
    const inode = statSync(path.join(host.root, DATA)).ino;
    const [result] = await importAll(host);
    const [set] = await catalogue();

    expect(result?.files.map(({ outcome }) => outcome.type)).toEqual(Array(5).fill('whole'));
    expect(result?.copied).toEqual([]);
    expect(set).toMatchObject({
      id: STAMP,
      tier: 'daily',
      scope: 'all',
      status: 'degraded',
      origin: 'old-script',
      problems: [{ service: 'mlopsnew', source: 'grafana' }],
    });
    expect(set?.artifacts.map((one) => one.path).sort()).toEqual(
      [CONFIGS, DATA, VOLUME, DUMP, MODEL].map((one) => one.replace(/\.(tar\.gz|sql)$/, '')).sort(),
    );
    for (const artifact of set?.artifacts ?? []) {
      const directory = path.join(host.root, artifact.path);
      await verifyArtifact(
        directory,
        { level: 'decode', manifestSha256: artifact.manifestSha256 },
        quiet,
      );
      await shell('cd "$DIR" && sha256sum -c --quiet SHA256SUMS', { DIR: directory });
      expect(existsSync(path.join(host.root, artifact.importedFrom!))).toBe(false);
    }
    const part = statSync(path.join(host.root, DATA.replace('.tar.gz', ''), 'part-00001.tar.gz'));
    expect([part.ino, part.mode & 0o7777]).toEqual([inode, 0o2664]);
    expect(await oldBackups(host)).toEqual([]);
    expect(await importAll(host)).toEqual([]);
    expect(readdirSync(path.join(host.root, '.incoming'))).toEqual([]);
    expect(readdirSync(path.join(host.root, '.holdfast/old-files'))).toEqual([]);
    const verifier = new SetVerifier(host.root, await catalogue(), 'decode');
    expect((await verifier.verify(set!, quiet)).damage).toEqual([]);
  });

  test('counts for nothing in retention until it is imported, and then as any set', async () => {
    await runOldScript(host);
    await runOldScript(host, { stamp: '20241213_010000' });
    const tiers = { daily: { keep: 1 }, weekly: { keep: 1 }, monthly: { keep: 1 } };
    const plan = async () =>
      planRetention(await catalogue(), { tiers, sources: [] }, {}, new Date());

    expect((await plan()).keep).toEqual([]);
    await emptyTrash(host.root);
    await importAll(host);
    const { keep: kept, remove } = await plan();
    expect([kept.map(({ set }) => set.id), remove.map(({ set }) => set.id)]).toEqual([
      ['20241213_010000'],
      [STAMP],
    ]);
    await removeSet(host.root, remove[0]!.set, new Set());
    expect((await catalogue()).map(({ id }) => id)).toEqual(['20241213_010000']);
    expect(existsSync(path.join(host.root, DATA.replace('.tar.gz', '')))).toBe(false);
  });

  test('with its old names kept is imported once, and removing the set leaves them', async () => {
    await runOldScript(host);
    await importAll(host, { keepOld: true });
    expect(existsSync(path.join(host.root, DATA))).toBe(true);
    expect(await importAll(host)).toEqual([]);
    expect(existsSync(path.join(host.root, DATA))).toBe(true);
    await removeSet(host.root, (await catalogue())[0]!, new Set());
    expect(existsSync(path.join(host.root, DATA))).toBe(true);
    expect(await oldBackups(host)).toHaveLength(1);
  });

  test('is only read by a dry run, which the import then need not do again', async () => {
    await runOldScript(host);
    const before = await contents();
    const [result] = await importAll(host, { dryRun: true });
    expect(result?.set?.status).toBe('degraded');
    expect(await catalogue()).toEqual([]);
    expect(await contents()).toEqual(before);
    const read: string[] = [];
    await importAll(host, {}, { ...quiet, report: ({ phase }) => void read.push(phase) });
    expect(read).toEqual([]);
    expect(await catalogue()).toHaveLength(1);
  });

  test('of two tiers at one moment keeps both, and a set of Holdfast’s own keeps its id', async () => {
    await runOldScript(host);
    await runOldScript(host, { tier: 'weekly' });
    await importAll(host);
    expect((await catalogue()).map(({ id, tier }) => `${id}-${tier}`)).toEqual([
      `${STAMP}-daily`,
      '20241212_010001-weekly',
    ]);
  });
});

describe('an import that is killed', () => {
  const STEPS = [
    'begin',
    `adopt ${CONFIGS}`,
    'journal',
    `artifact ${MODEL.replace('.tar.gz', '')}`,
    'set file',
    'old names',
  ];
  test.each(STEPS)('before "%s" has lost nothing, and the next one ends the same', async (step) => {
    await runOldScript(host);
    const before = await contents();
    const seen: string[] = [];
    const killed = importAll(host, {
      beforeStep: (now) => {
        seen.push(now);
        if (now === step) throw new Error('killed');
      },
    });
    await expect(killed).rejects.toThrow('killed');
    expect(seen).toContain(step);
    expect(await contents()).toEqual(before);
    for (const file of [DATA, DUMP]) {
      const adopted = existsSync(path.join(host.root, file.replace(/\.(tar\.gz|sql)$/, '')));
      expect([file, adopted || existsSync(path.join(host.root, file))]).toEqual([file, true]);
    }

    await importAll(host);
    const sets = await catalogue();
    expect(sets.map(({ id, artifacts }) => [id, artifacts.length])).toEqual([[STAMP, 5]]);
    expect(await contents()).toEqual(before);
    expect(await oldBackups(host)).toEqual([]);
    expect(existsSync(path.join(host.root, DATA))).toBe(false);
  });

  test('and one that runs are told apart, so that a backup’s clean-up leaves it alone', async () => {
    expect(await importRuns(host.root)).toBe(false);
    await withFileLock(importLock(host.root), { mode: 'refuse' }, async () => {
      expect(await importRuns(host.root)).toBe(true);
    });
  });
});

describe('what is not whole or not what it seems', () => {
  async function refusal(file: string, options: Partial<ImportOptions> = {}): Promise<string> {
    const [result] = await importAll(host, options);
    const found = result?.files.find((one) => one.path === file);
    expect(existsSync(path.join(host.root, file))).toBe(true);
    expect(result?.set?.status).toBe('failed');
    expect(found?.outcome.type).toBe('refused');
    return found?.outcome.type === 'refused'
      ? `${found.outcome.code}: ${found.outcome.message}`
      : '';
  }

  test('a truncated archive is named and stays; the set without it is a failed one', async () => {
    await runOldScript(host);
    const file = path.join(host.root, MODEL);
    truncateSync(file, statSync(file).size - 20);
    expect(await refusal(MODEL)).toMatch(/^INTEGRITY: .*unexpected end/);
    const [set] = await catalogue();
    expect([set?.status, set?.artifacts.length]).toEqual(['failed', 4]);
    expect(set?.problems).toContainEqual(
      expect.objectContaining({ service: 'saiga', source: 'model', code: 'INTEGRITY' }),
    );
    expect((await oldBackups(host)).map(({ files }) => files.length)).toEqual([1]);
    // Once more: it is told again, and nothing is made of it.
    expect((await importAll(host))[0]?.set).toBeUndefined();
    expect(await catalogue()).toHaveLength(1);
  });

  test.each<[string, string, string, RegExp]>([
    [
      'an archive whose tar was killed',
      DATA,
      'tar cf - -b 1 "$HOME_DIR" 2>/dev/null | head -c -1024 | gzip > "$FILE"',
      /INTEGRITY: .*cut short/,
    ],
    [
      'a byte that changed on the disk',
      DATA,
      'printf "\\377" | dd of="$FILE" bs=1 seek=60 conv=notrunc status=none',
      /INTEGRITY/,
    ],
    ['an empty file', VOLUME, ': > "$FILE"', /INTEGRITY/],
    ['something behind the archive', VOLUME, 'echo rubbish >> "$FILE"', /INTEGRITY/],
    ['an uncompressed archive', VOLUME, 'tar cf "$FILE" -C "$DIR/volume" data', /INTEGRITY/],
    [
      'a volume that was empty, since its name was wrong',
      VOLUME,
      'mkdir "$DIR/e" "$DIR/e/data"; tar czf "$FILE" -C "$DIR/e" data',
      /EMPTY_SOURCE/,
    ],
    [
      'names that climb out',
      DATA,
      'tar czf "$FILE" --transform "s,^,mlopsnew/../../,S" -C "$HOME_DIR" app -P',
      /ARCHIVE_HOSTILE: .*"\.\."/,
    ],
    ['absolute names', DATA, 'tar czPf "$FILE" "$HOME_DIR"', /ARCHIVE_HOSTILE: .*absolute/],
    [
      'a way through a symlink',
      DATA,
      'mkdir -p "$DIR/h/mlopsnew/x"; ln -s /etc "$DIR/h/mlopsnew/l"; echo x > "$DIR/h/mlopsnew/x/passwd"; tar czf "$FILE" --transform "s,/x/,/l/,r" -C "$DIR/h" mlopsnew/l mlopsnew/x/passwd',
      /ARCHIVE_HOSTILE: .*symlink/,
    ],
    [
      'a device',
      DATA,
      'mkdir -p "$DIR/h/mlopsnew"; mknod "$DIR/h/mlopsnew/sda" b 8 0; tar czf "$FILE" -C "$DIR/h" mlopsnew',
      /ARCHIVE_HOSTILE: .*device/,
    ],
    [
      'paths that may be anything',
      DATA,
      'mkdir -p "$DIR/h/other"; echo x > "$DIR/h/other/x"; tar czf "$FILE" -C "$DIR/h" other',
      /RESTORE_FAILED: .*can't be told/,
    ],
    ['a dump that was cut', DUMP, 'truncate -s -60 "$FILE"', /INTEGRITY: .*pg_dumpall/],
    [
      'the dump of one database',
      DUMP,
      'printf -- "--\\n-- PostgreSQL database dump complete\\n--\\n\\n" > "$FILE"',
      /INTEGRITY: .*single database/,
    ],
  ])('%s is refused and stays where it is', async (_what, file, script, expected) => {
    await runOldScript(host);
    await shell(script, {
      FILE: path.join(host.root, file),
      HOME_DIR: host.home,
      DIR: host.directory,
    });
    expect(await refusal(file, { dryRun: true })).toMatch(expected);
  });

  test('an unknown file is listed and never touched', async () => {
    await runOldScript(host);
    const notes = place(host, `mlopsnew/daily/data/notes_${STAMP}.tar.gz`);
    writeFileSync(notes, 'mine');
    writeFileSync(place(host, 'mlopsnew/daily/data/notes.tar.gz'), 'mine');
    await importAll(host);
    const { unknown } = await readOldBackups(host.root, host.config, await catalogue());
    expect(unknown.map((one) => one.path)).toEqual([
      'mlopsnew/daily/data/notes.tar.gz',
      `mlopsnew/daily/data/notes_${STAMP}.tar.gz`,
    ]);
    expect(readFileSync(notes, 'utf8')).toBe('mine');
  });

  test('a symlink is not followed, neither to a file nor to a directory', async () => {
    await runOldScript(host);
    const outside = path.join(base.dir, 'outside');
    mkdirSync(outside);
    renameSync(path.join(host.root, DUMP), path.join(outside, 'dump'));
    symlinkSync(path.join(outside, 'dump'), path.join(host.root, DUMP));
    renameSync(path.join(host.root, 'large_volumes'), path.join(outside, 'large'));
    symlinkSync(path.join(outside, 'large'), path.join(host.root, 'large_volumes'));
    const [backup] = await oldBackups(host);
    expect(backup?.files.map(({ file }) => file.path).sort()).toEqual(
      [CONFIGS, DATA, VOLUME].sort(),
    );
    await importAll(host);
    expect(lstatSync(path.join(host.root, DUMP)).isSymbolicLink()).toBe(true);
    expect(readdirSync(path.join(outside, 'large'))).toEqual([`saiga_model_${STAMP}.tar.gz`]);
  });

  test('a file that is written to while it is imported is not adopted', async () => {
    await runOldScript(host);
    const growing = importAll(host, {
      beforeStep: (step) => {
        if (step !== `adopt ${DUMP}`) return;
        const file = path.join(host.root, DUMP);
        // As long as before: only that it was written to tells.
        writeFileSync(file, readFileSync(file, 'utf8').replace('two', 'six'));
      },
    });
    await expect(growing).rejects.toMatchObject({ code: 'INTEGRITY' });
    expect(await catalogue()).toEqual([]);
  });
});

describe('a restore from what is not imported', () => {
  async function check(file: string): Promise<void> {
    const [backup] = await oldBackups(host);
    const artifact = backup!.set.artifacts.find((one) => one.path === file)!;
    await checkOldFile(host.config, { ...artifact, artifact }, quiet);
  }

  test('reads each file to its end first, and nothing but what was read then', async () => {
    await runOldScript(host);
    await expect(readRestorable(host.root, DATA)).rejects.toMatchObject({ code: 'INTEGRITY' });
    await check(DATA);
    const { directory, manifest } = await readRestorable(host.root, DATA);
    const target = path.join(base.dir, 'target');
    mkdirSync(target);
    await extractTree({ artifactDirectory: directory, files: manifest.files, target }, quiet);
    expect(await compareTrees(host.home, target, quiet).then(withoutTimes)).toEqual([]);

    appendFileSync(path.join(host.root, DATA), 'x');
    await expect(readRestorable(host.root, DATA)).rejects.toMatchObject({ code: 'INTEGRITY' });
  });

  test('refuses a file that was replaced since the plan was shown', async () => {
    await runOldScript(host);
    const [backup] = await oldBackups(host);
    const artifact = backup!.set.artifacts.find((one) => one.path === DATA)!;
    await shell('touch -d 2024-12-13 "$FILE"', { FILE: path.join(host.root, DATA) });
    const checking = checkOldFile(host.config, { ...artifact, artifact }, quiet);
    await expect(checking).rejects.toMatchObject({ code: 'INTEGRITY' });
  });

  test('tells of a file whose bytes changed though nobody wrote it', async () => {
    await runOldScript(host);
    const file = path.join(host.root, DUMP);
    await check(DUMP);
    const { mtime } = statSync(file);
    const bytes = readFileSync(file);
    bytes.write('TWO', bytes.indexOf('\ttwo') + 1);
    writeFileSync(file, bytes);
    await shell('touch -d "$TIME" "$FILE"', { FILE: file, TIME: mtime.toISOString() });
    // The time can't be set back to the nanosecond here; what is recorded is made to fit.
    const record = path.join(host.root, '.holdfast/old-files');
    for (const name of readdirSync(record)) {
      const at = path.join(record, name, 'record.json');
      const ns = String(statSync(file, { bigint: true }).mtimeNs);
      writeFileSync(at, readFileSync(at, 'utf8').replace(/"mtimeNs":"\d+"/, `"mtimeNs":"${ns}"`));
    }
    await expect(check(DUMP)).rejects.toThrow(/another hash/);
  });

  test('knows of a dump what its script tells', async () => {
    await runOldScript(host);
    await check(DUMP);
    const { manifest } = await readRestorable(host.root, DUMP);
    expect(manifest.postgres).toMatchObject({
      serverVersion: '15.10',
      serverVersionNumber: 150_010,
      container: 'ml_postgres',
      roles: ['app'],
      databases: [
        { name: 'template1', tables: [] },
        { name: 'shop', tables: [{ schema: 'public', table: 'orders', rows: 2 }] },
      ],
    });
    expect(manifest.files[0]?.sizeBytes).toBe(Buffer.byteLength(SCRIPT));
  });
});

/** GNU's own format has whole seconds only. */
function withoutTimes<T extends { what: string }>(differences: readonly T[]): T[] {
  return differences.filter(({ what }) => what !== 'mtime');
}

describe('an imported archive', () => {
  async function importAwkward(): Promise<{ directory: string; reference: string }> {
    const volume = path.join(base.dir, 'volume', 'data');
    await makeAwkwardTree(volume);
    const file = place(host, VOLUME);
    await shell('cd "$DIR/volume" && tar czf "$FILE" data', { DIR: base.dir, FILE: file });
    const reference = path.join(base.dir, 'reference');
    await shell('mkdir "$REF" && tar xzpf "$FILE" --numeric-owner --strip 1 -C "$REF"', {
      REF: reference,
      FILE: file,
    });
    // What --strip loses: the directory itself.
    await shell('chown --reference "$A" "$B"; chmod --reference "$A" "$B"', {
      A: volume,
      B: reference,
    });
    await importAll(host);
    const [set] = await catalogue();
    return { directory: path.join(host.root, set!.artifacts[0]!.path), reference };
  }

  test('unpacks to what tar itself makes of it, with the directory’s own owner, and can be browsed and picked from', async () => {
    const { directory, reference } = await importAwkward();
    const manifest = await readArtifact(directory);
    const target = path.join(base.dir, 'target');
    mkdirSync(target);
    await extractTree({ artifactDirectory: directory, files: manifest.files, target }, quiet);
    const differences = await compareTrees(reference, target, quiet);
    // What --strip loses of the directory itself is given to the reference above, but for its time.
    expect(differences.filter(({ path: at, what }) => at !== '.' || what !== 'mtime')).toEqual([]);

    const names: string[] = [];
    for await (const entry of readIndex(directory, quiet, manifest)) {
      names.push(entry.path === '.' ? '.' : pathFromJson(entry.path));
    }
    expect(names).toHaveLength(manifest.totals.entries);
    expect(names.slice(0, 1)).toEqual(['.']);
    expect(names).toContain('links/far/relative');
    expect(names).toContain('line\nbreak');

    const selection = await selectEntries(directory, manifest, ['links', 'a'], quiet);
    const picked = await inspectTarget(path.join(base.dir, 'some'));
    await extractTo({ artifactDirectory: directory, manifest, selection, target: picked }, quiet);
    expect(readdirSync(picked.path).sort()).toEqual(['a', 'links']);
    const compare = compareTrees(path.join(reference, 'links'), `${picked.path}/links`, quiet);
    expect((await compare).filter(({ what }) => what !== 'hardLinks')).toEqual([]);
  });

  test('comes back with the lines of its own RESTORE.md', async () => {
    await runOldScript(host);
    await importAll(host);
    const directory = path.join(host.root, DATA.replace('.tar.gz', ''));
    const text = readFileSync(path.join(directory, 'RESTORE.md'), 'utf8');
    const commands = [...text.matchAll(/^```bash\n([\s\S]*?)^```$/gm)].map((match) => match[1]);
    await shell('cp -a "$A" "$B"; echo later > "$A/app/later"', {
      A: host.home,
      B: path.join(base.dir, 'reference'),
    });
    await shell(`cd "$DIR"\n${commands.join('')}`, { DIR: directory });
    const reference = path.join(base.dir, 'reference');
    expect(withoutTimes(await compareTrees(reference, host.home, quiet))).toEqual([]);
    expect(existsSync(`${host.home}.before-restore/app/later`)).toBe(true);
    const dump = path.join(host.root, DUMP.replace('.sql', ''), 'RESTORE.md');
    expect(readFileSync(dump, 'utf8')).toContain('cat cluster.sql |');
  });

  test('is never linked into a backup of Holdfast’s own', async () => {
    await runOldScript(host);
    await importAll(host);
    const { files } = await readArtifact(path.join(host.root, DATA.replace('.tar.gz', '')));
    expect(files.map(({ state }) => state)).toEqual([undefined, undefined]);
    expect(toStackView(host.config).services).toHaveLength(3);
  });
});
