/** Services that a drill has no room for are sampled, and the record says sampled. */
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { createHash, randomBytes } from 'node:crypto';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { DrillResult } from '../../../src/format/drill-result.js';
import type { BackupStackResult } from '../../../src/plan/shared/inputs.js';
import { newestDrillOf } from '../../support/newest-drill.js';
import { runCommand } from '../../../src/base/process/process.js';
import { SmallStack } from '../../support/small-stack.js';
import { zstdCompress } from '../../support/zstd.js';

/** 8 MiB, beside 15 of the database, that counts as what its server has on disk. */
const FILES = 128;
const FILE_BYTES = 64 * 1024;

let stack: SmallStack;
let saved: BackupStackResult;

beforeAll(async () => {
  stack = await SmallStack.create();
  const config = await readFile(stack.configFile, 'utf8');
  await writeFile(stack.configFile, `${config}drill: { maxDisk: 20MiB, sample: 200KiB }\n`);
  for (let index = 0; index < FILES; index += 1) {
    const file = path.join(stack.home('app'), `weights-${index}.bin`);
    await writeFile(file, randomBytes(FILE_BYTES));
  }
  await stack.startWorker();
  saved = await stack.backUp('--tier', 'daily');
}, 300_000);

afterAll(async () => {
  await stack.remove();
}, 120_000);

const newestDrill = (): Promise<DrillResult> => newestDrillOf(stack.backups, saved.setId);

/** Gives files other times in an artifact's index, and changes everything that vouches for it. */
async function recordOtherTimes(source: string, names: RegExp): Promise<void> {
  const found = saved.artifacts.find((one) => one.source === source);
  const directory = path.join(stack.backups, found?.path ?? 'no artifact');
  const sha256 = (bytes: string | Buffer): string =>
    createHash('sha256').update(bytes).digest('hex');
  const index = path.join(directory, 'index.jsonl.zst');
  const { stdout: text } = await runCommand('zstd', ['-q', '-d', '-c', index]);
  const lines = text.split('\n').map((line) => {
    const entry: unknown = line === '' ? {} : JSON.parse(line);
    const isMeant = names.test((entry as { path?: string }).path ?? '');
    return isMeant ? line.replace(/("mtimeNs":"\d+)(\d")/, (_, head: string) => `${head}1"`) : line;
  });
  const before = await readFile(index);
  const after = await zstdCompress(Buffer.from(lines.join('\n')));
  expect(lines.join('\n')).not.toBe(text);
  await writeFile(index, after);
  const manifest = path.join(directory, 'manifest.json');
  const manifestBefore = await readFile(manifest, 'utf8');
  const parsed = JSON.parse(manifestBefore) as { files: { role: string }[] };
  const files = parsed.files.map((file) =>
    file.role === 'index' ? { ...file, sizeBytes: after.length, sha256: sha256(after) } : file,
  );
  const manifestAfter = `${JSON.stringify({ ...parsed, files }, null, 2)}\n`;
  await writeFile(manifest, manifestAfter);
  const set = path.join(stack.backups, 'sets', `${saved.setId}-daily.json`);
  for (const file of [set, path.join(directory, 'SHA256SUMS')]) {
    const vouching = await readFile(file, 'utf8');
    await writeFile(
      file,
      vouching
        .replaceAll(sha256(before), sha256(after))
        .replaceAll(sha256(manifestBefore), sha256(manifestAfter)),
    );
  }
}

test('a service that does not fit is sampled, told as sampled, and nothing of it stays', async () => {
  const { exitCode, stderr, stdout } = await stack.holdfast(['drill']);
  expect([exitCode, stderr]).toEqual([0, '']);
  const told = /app\/home: sampled 25\d(\.\d)? KiB of 8\.\d MiB, \d+ files/;
  expect(stdout).toMatch(told);
  expect(stdout).toContain('without what was only sampled');
  expect(stdout).toMatch(/not tried: app more than a sample: its .* do not fit/);

  const { status, services, whole, sampled, steps, warnings } = await newestDrill();
  expect([status, services, whole, warnings]).toEqual(['passed', ['db'], false, []]);
  expect(sampled?.map(({ service, source }) => `${service}/${source}`)).toEqual([
    'app/home',
    'app/data',
  ]);
  const [home] = sampled ?? [];
  expect(home?.bytes).toBeGreaterThanOrEqual(200 * 1024);
  expect(home?.bytes).toBeLessThanOrEqual(200 * 1024 + FILE_BYTES);
  expect(home?.ofBytes).toBeGreaterThan(FILES * FILE_BYTES);
  const ofApp = steps.filter(({ service }) => service === 'app');
  expect([...new Set(ofApp.map(({ step }) => step))]).toEqual(['check', 'sample']);
  expect(await readdir(path.join(stack.backups, '.drill'))).toEqual([]);

  expect((await stack.holdfast(['show', 'latest'])).stdout).toMatch(told);
  const list = await stack.holdfast(['list', '--json']);
  const { sets } = JSON.parse(list.stdout) as { sets: { drill: unknown }[] };
  expect(sets[0]?.drill).toMatchObject({ status: 'passed', whole: false, onlySampled: false });
}, 300_000);

test('a file of the sample that differs fails the drill and is named', async () => {
  await recordOtherTimes('home', /^weights-/);
  const { exitCode, stderr } = await stack.holdfast(['drill']);
  const expected = /app\/home: sample: .*weights-\d+\.bin: mtime is \d+, backed up as \d+1/;
  expect([exitCode, stderr]).toEqual([1, expect.stringMatching(expected)]);
  const { status, failures, sampled, steps } = await newestDrill();
  expect(status).toBe('failed');
  expect(failures).toMatchObject([
    { service: 'app', source: 'home', step: 'sample', code: 'RESTORE_MISMATCH' },
  ]);
  // What differs is not told as compared; the other source is.
  expect(sampled?.map(({ source }) => source)).toEqual(['data']);
  expect(steps.map(({ step }) => step)).not.toContain('start');
  expect(await readdir(path.join(stack.backups, '.drill'))).toEqual([]);
}, 300_000);
