/** On a full disk a restore that is done is still finished, and is not taken back afterwards. */
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { closeRestore } from '../../../activities/rollback/close-restore.js';
import { bringBackStopped } from '../../../activities/rollback/recovery.js';
import { stoppedFile } from '../../../activities/shared/places.js';
import { checkConfig } from '../../../src/config/load.js';
import { connectEngine } from '../../../src/docker/engine/engine.js';
import { RunLog } from '../../../src/observe/run-log.js';
import type { RestoreRecord } from '../../../src/store/records/restore-shapes.js';
import {
  openRestore,
  readRestoreRecord,
  restoreDirectory,
} from '../../../src/store/records/restore-record.js';
import { pathExists } from '../../../src/base/files/durable.js';
import { runCommand } from '../../../src/base/process/process.js';

let directory: string;
let root: string;

beforeAll(async () => {
  directory = await mkdtemp(path.join(tmpdir(), 'holdfast-full-'));
  root = path.join(directory, 'backups');
  const image = path.join(directory, 'disk.img');
  await mkdir(root);
  // A real file system of blocks: there a file of one byte needs one of them.
  await runCommand('truncate', ['-s', '4M', image]);
  await runCommand('mkfs.ext4', ['-q', '-F', '-m', '0', '-O', '^has_journal', image]);
  await runCommand('mount', ['-o', 'loop', image, root]);
});
afterAll(async () => {
  await runCommand('umount', [root]);
  await rm(directory, { recursive: true });
});

test('the mark is a rename, and the record is written when there is room again', async () => {
  const checked = checkConfig(
    `version: 1
stack: full
backups: { root: ${root} }
services: { app: { sources: { home: { kind: files, base: ${directory}/app } } } }
`,
    'holdfast.yaml',
    'host',
  );
  if (!checked.ok) throw new Error('the configuration is no good');
  const dependencies = {
    config: checked.config,
    engine: connectEngine({ socketPath: path.join(directory, 'no.sock') }),
    runLog: new RunLog(path.join(directory, 'run.log')),
  };
  const record: RestoreRecord = {
    ...{ format: 'holdfast-restore', version: 1, restoreId: '20250101_000000', setId: 'set' },
    ...{ workflowId: 'w', runId: 'r', startedAt: new Date().toISOString(), state: 'running' },
  };
  const restoreId = await openRestore(root, record);
  const stopped = stoppedFile(root, restoreId, 'app');
  await mkdir(path.dirname(stopped), { recursive: true });
  // Whoever restored anything took a lock for it.
  await mkdir(path.join(root, '.holdfast', 'locks'));
  await writeFile(
    stopped,
    JSON.stringify({
      ...{ format: 'holdfast-running', version: 1, reason: 'r', workflowId: 'w', runId: 'r' },
      ...{ at: record.startedAt, containers: [] },
    }),
  );
  await runCommand('dd', ['if=/dev/zero', `of=${root}/filler`, 'bs=1k'], {
    okExitCodes: [0, 1],
  });
  await expect(writeFile(path.join(root, 'one-more'), 'x')).rejects.toMatchObject({
    code: 'ENOSPC',
  });

  await closeRestore(dependencies, restoreId, 'finished');
  expect((await readRestoreRecord(root, restoreId))?.state).toBe('finished');
  const file = path.join(restoreDirectory(root, restoreId), 'restore.json');
  expect(await readFile(file, 'utf8')).toContain('"running"');
  const kept = path.join(restoreDirectory(root, restoreId), 'running', 'app.json');
  expect([await pathExists(stopped), await pathExists(kept)]).toEqual([false, true]);

  await rm(path.join(root, 'filler'));
  const report = await bringBackStopped(dependencies, () => Promise.resolve(false));
  expect(report.takenBack).toEqual([]);
  expect(await readFile(file, 'utf8')).toContain('"finished"');
  expect(await pathExists(path.join(path.dirname(file), 'finished'))).toBe(false);
}, 60_000);
