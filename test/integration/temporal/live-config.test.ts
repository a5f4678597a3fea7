/** A worker that runs for months goes by the configuration as it is now, not as it was when it started. */
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { BackupStackResult } from '../../../src/plan/shared/inputs.js';
import { FilesHost } from '../../support/files-host.js';
import { startReceiver, type Receiver } from '../../support/receiver.js';
import { eventually } from '../../support/scheduled-host.js';

describe('the configuration of a running worker', () => {
  let host: FilesHost;
  let receiver: Receiver;
  let original: string;

  beforeAll(async () => {
    receiver = await startReceiver();
    host = await FilesHost.create(`notifications: [{ type: webhook, url: '${receiver.origin}' }]`);
    original = await readFile(host.configFile, 'utf8');
    await host.startWorker();
  });
  afterAll(async () => {
    await host.remove();
    await receiver.close();
  });

  async function backUp(id: string): Promise<BackupStackResult> {
    const workflowId = await host.start('backupStack', { tier: 'manual' }, id);
    return (await (
      await host.client()
    ).workflow
      .getHandle(workflowId)
      .result()) as BackupStackResult;
  }
  const sourcesOf = ({ artifacts }: BackupStackResult): string[] =>
    artifacts.map(({ service, source }) => `${service}/${source}`).sort();

  test('a source added to the file is in the next backup', async () => {
    expect(sourcesOf(await backUp('first'))).toEqual(['app/data']);
    const added = path.join(host.directory, 'added');
    await mkdir(added);
    await writeFile(path.join(added, 'b.txt'), 'b');
    await writeFile(
      host.configFile,
      `${original}  more: { home: ${added}, sources: { new: { kind: files } } }\n`,
    );
    const result = await backUp('second');
    expect(sourcesOf(result)).toEqual(['app/data', 'more/new']);
    expect(result.status).toBe('success');
  });

  test('an edit that is wrong keeps the last good version, and is told', async () => {
    const good = await readFile(host.configFile, 'utf8');
    await writeFile(host.configFile, good.replace('sources:', 'sauces:'));
    const messages = async (): Promise<string> =>
      Promise.resolve(receiver.received.map(({ body }) => body).join('\n'));
    await eventually(messages, (all) => all.includes("can't be used as it is now"), 30_000);
    expect(await host.readLog()).toContain("can't be used as it is now");
    const result = await backUp('third');
    expect(sourcesOf(result)).toEqual(['app/data', 'more/new']);
    expect(result.status).toBe('degraded');
    expect(result.problems).toMatchObject([{ code: 'CONFIG_INVALID' }]);
    await writeFile(host.configFile, good);
    expect((await backUp('fourth')).status).toBe('success');
  });
});
