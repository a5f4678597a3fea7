/**
 * What a check must find, each for real: it reaches a receiver over HTTP with the message the old
 * script sent, shows in `check --json` with its exit code, and is counted by the metrics.
 */
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { mkdir, open, readFile, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { z } from 'zod';
import { serveMetrics } from '../../../src/observe/metrics.js';
import type { CheckBackupsResult } from '../../../src/plan/check/check-types.js';
import { scheduleId } from '../../../src/plan/shared/ids.js';
import { runCommand } from '../../../src/base/process/process.js';
import { applySchedules } from '../../../src/temporal/schedules/schedules.js';
import { startReceiver, type Receiver } from '../../support/receiver.js';
import { recordHistories } from '../../support/record-histories.js';
import { SimulatedNights } from '../../support/simulated-nights.js';
import { PROGRAM, temporalAddress } from '../../support/worker-host.js';

const HOUR_MS = 3_600_000;
/** Exactly what the receiver of the old script's messages knows. */
const payloadSchema = z.strictObject({
  status: z.enum(['success', 'degraded', 'failed']),
  message: z.string(),
  /** Local time without its zone, as the old script's. */
  timestamp: z.string().regex(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}$/),
});
const reportSchema = z.object({
  worst: z.string(),
  exitCode: z.number(),
  findings: z.array(
    z.object({
      subject: z.string(),
      code: z.string(),
      severity: z.string(),
      message: z.string(),
      hint: z.string().optional(),
    }),
  ),
});
type Report = z.output<typeof reportSchema>;

let receiver: Receiver;
let nights: SimulatedNights;

beforeAll(async () => {
  receiver = await startReceiver(({ path: where }) => (where === '/hole' ? undefined : 200));
  // The command line has no clock to be told: what was due is told by when this runs.
  const due = new Date(Date.now() - 2 * HOUR_MS);
  nights = await SimulatedNights.create(
    (directory) => `version: 1
stack: STACK
host: { id: STACK }
backups: { root: ${directory}/backups, minimumFree: 0, settle: 0s }
schedules: { timezone: UTC }
tiers:
  daily: { keep: 9, schedule: '${due.getUTCMinutes()} ${due.getUTCHours()} * * *' }
  weekly: { keep: 9 }
check: { maximumAge: { weekly: 26h }, free: { warn: 2, critical: 1 } }
notifications:
  - { type: webhook, url: '${receiver.origin}/script', runs: [check] }
  # One that swallows and one that is down: neither may keep a check from telling the first.
  - { type: webhook, name: hole, url: '${receiver.origin}/hole', runs: [check], on: [degraded] }
  - { type: webhook, name: down, url: 'http://127.0.0.1:1/', runs: [check], on: [degraded] }
services:
  app:
    home: ${directory}
    sources: { data: { kind: files, include: [data], base: ${directory}/app } }
`,
  );
  await mkdir(nights.root);
  await runCommand('mount', ['-t', 'tmpfs', '-o', 'size=32m', 'tmpfs', nights.root]);
  await nights.fill('app/data', 12);
  await applySchedules(nights.client, nights.config);
}, 120_000);

afterAll(async () => {
  await nights.client.schedule.getHandle(scheduleId(nights.config.stack, 'backup')).delete();
  await runCommand('umount', [nights.root]);
  await nights.stop();
  await receiver.close();
});

async function backup(hoursAgo: number, ...tiers: string[]): Promise<void> {
  nights.now = new Date(Date.now() - hoursAgo * HOUR_MS);
  const [tier, ...alsoTiers] = tiers;
  const { failure } = await nights.run('backupStack', { tier, alsoTiers });
  expect(failure?.cause?.message).toBeUndefined();
}

/** The command, which looks for itself. */
async function report(): Promise<Report> {
  const { stdout, exitCode } = await runCommand(
    process.execPath,
    [PROGRAM, '--config', nights.configFile, 'check', '--json'],
    { env: { TEMPORAL_ADDRESS: temporalAddress() }, okExitCodes: [0, 1, 3] },
  );
  const parsed = reportSchema.parse(JSON.parse(stdout));
  expect(parsed.exitCode).toBe(exitCode);
  return parsed;
}

interface Checked {
  readonly workflowId: string;
  /** What the receiver was told by this check. */
  readonly told: readonly z.output<typeof payloadSchema>[];
  readonly failed: boolean;
  readonly report: Report;
  readonly codes: readonly string[];
}

/** Both ways: the workflow of the schedule, and the command. */
async function check(): Promise<Checked> {
  const before = receiver.on('/script').length;
  nights.now = new Date();
  const { workflowId, failure } = await nights.run<CheckBackupsResult>('checkBackups', {});
  const told = receiver.on('/script').slice(before);
  const seen = await report();
  return {
    workflowId,
    told: told.map(({ method, body, atMs }) => {
      expect(method).toBe('POST');
      const payload = payloadSchema.parse(JSON.parse(body));
      expect(Math.abs(atMs - Date.parse(payload.timestamp))).toBeLessThan(60_000);
      return payload;
    }),
    failed: failure !== undefined,
    report: seen,
    codes: seen.findings
      .filter(({ severity }) => severity !== 'ok')
      .map(({ severity, code, subject }) => `${severity} ${code} ${subject}`),
  };
}

async function metric(name: string): Promise<string[]> {
  const server = await serveMetrics(nights.metrics, 0);
  try {
    const text = await (await fetch(`http://127.0.0.1:${server.port}/metrics`)).text();
    return text.split('\n').filter((line) => line.startsWith(`${name}{`));
  } finally {
    await server.close();
  }
}

describe('a check finds, tells and shows', () => {
  test('a run that did not happen, and a tier that is too old', async () => {
    await backup(50, 'daily', 'weekly');
    await backup(26, 'daily');

    const { workflowId, told, failed, report: seen, codes } = await check();
    await recordHistories({ 'check-backups-critical': workflowId });
    expect([...codes].sort()).toEqual([
      'critical backup-missed daily',
      'critical backup-missed weekly',
    ]);
    expect(seen).toMatchObject({ worst: 'critical', exitCode: 1 });
    expect(failed).toBe(true);
    expect(told).toHaveLength(1);
    expect(told[0]).toMatchObject({ status: 'failed' });
    // What is missing, since when, and what to do.
    expect(told[0]?.message).toMatch(/newest good daily set is \d{8}_\d{6}-daily, 26h old/);
    expect(told[0]?.message).toMatch(/weekly, 2d old; at most 26h is allowed/);
    expect(told[0]?.message).toContain('holdfast check');
    expect(await metric('holdfast_check_findings')).toContain(
      `holdfast_check_findings{stack="${nights.config.stack}",severity="critical"} 2`,
    );
  });

  test('nothing when all is well, and is silent', async () => {
    await backup(0, 'daily', 'weekly');

    const { workflowId, told, failed, report: seen } = await check();
    await recordHistories({ 'check-backups': workflowId });
    expect(seen).toMatchObject({ worst: 'ok', exitCode: 0 });
    expect(seen.findings).toContainEqual(
      expect.objectContaining({
        code: 'schedule-fine',
        subject: scheduleId(nights.config.stack, 'backup'),
      }),
    );
    expect({ told, failed }).toEqual({ told: [], failed: false });
  });

  test('a schedule that somebody paused, with the reason', async () => {
    const schedule = nights.client.schedule.getHandle(scheduleId(nights.config.stack, 'backup'));
    await schedule.pause('the disk is being changed');

    const { told, codes } = await check();
    await schedule.unpause();
    expect(codes).toEqual([`warning schedule-paused ${schedule.scheduleId}`]);
    expect(told[0]).toMatchObject({ status: 'degraded' });
    expect(told[0]?.message).toContain('the disk is being changed');
  });

  test('a source that suddenly is small', async () => {
    await nights.fill('app/data', 1);
    await backup(0, 'daily');

    const { told, failed, codes } = await check();
    expect(codes).toEqual(['warning size-dropped app/data']);
    expect(failed).toBe(false);
    expect(told).toEqual([expect.objectContaining({ status: 'degraded' })]);
    expect(told[0]?.message).toMatch(/app\/data/);
    // The others were tried, and are tried again without the check.
    expect(receiver.on('/hole').length).toBeGreaterThan(0);
    await nights.fill('app/data', 12);
    await backup(0, 'daily');
  });

  test('damage that a verification found', async () => {
    const newest = (await nights.names('app/daily/data')).at(-1) ?? '';
    const part = path.join(nights.root, 'app/daily/data', newest, 'part-00001.tar.zst');
    const bytes = await readFile(part);
    bytes.writeUInt8(bytes.readUInt8(60) ^ 1, 60);
    await writeFile(part, bytes);
    const verified = await nights.run('verifyBackups', { level: 'hashes' });
    await recordHistories({ 'verify-backups-damaged': verified.workflowId });
    expect(verified.failure).toBeDefined();

    const { told, failed, report: seen, codes } = await check();
    expect(codes).toContain(`critical set-damaged ${newest.replace('data_', '')}-daily`);
    expect(seen.exitCode).toBe(1);
    expect(failed).toBe(true);
    expect(told).toEqual([expect.objectContaining({ status: 'failed' })]);
    expect(told[0]?.message).toContain('1 damaged file');
  });

  test('a set of which every part was cut to nothing, and removes no good one for it', async () => {
    await nights.fill('app/data', 12);
    await backup(0, 'daily');
    await backup(0, 'daily');
    const before = await nights.names('sets');
    const newest = (await nights.names('app/daily/data')).at(-1) ?? '';
    const directory = path.join(nights.root, 'app/daily/data', newest);
    for (const name of await nights.names(`app/daily/data/${newest}`)) {
      // Not through the link that the sets share.
      if (!name.startsWith('part-')) continue;
      await rm(path.join(directory, name));
      await writeFile(path.join(directory, name), '');
    }
    const name = `${newest.replace('data_', '')}-daily`;
    const { told, report: seen, codes } = await check();
    expect(codes).toContain(`critical set-incomplete ${name}`);
    expect(seen.findings.find(({ subject }) => subject === name)?.message).toMatch(
      /not all there: app\/data: part-00001.tar.zst has 0 bytes, not \d+ bytes/,
    );
    expect(told).toEqual([expect.objectContaining({ status: 'failed' })]);

    const pruned = await nights.run<{ removed: string[] }>('pruneBackups', { limit: 50 });
    expect(pruned.result?.removed).toEqual([]);
    expect(await nights.names('sets')).toEqual(before);

    const plan = await nights.run<{ plan: { setId: string; warnings: string[] } }>('restoreStack', {
      set: 'latest',
      dryRun: true,
    });
    expect(plan.result?.plan.setId).not.toBe(name.replace('-daily', ''));
    expect(plan.result?.plan.warnings.join()).toContain(`${name} is not all there`);
    const refused = await nights.run('restoreStack', { set: name, dryRun: true });
    expect(refused.failure?.cause).toMatchObject({ type: 'INTEGRITY' });
  });

  test('a disk of the backups that is not mounted, into whose place no backup goes', async () => {
    const kept = path.join(nights.directory, 'kept');
    await mkdir(kept);
    await runCommand('mount', ['--bind', nights.root, kept]);
    await runCommand('umount', [nights.root]);
    try {
      const { told, report: seen, codes } = await check();
      expect(codes).toContain('critical store-missing store');
      expect(seen.exitCode).toBe(1);
      expect(told).toEqual([expect.objectContaining({ status: 'failed' })]);
      const { failure } = await nights.run('backupStack', { tier: 'daily' });
      expect(failure?.cause).toMatchObject({ type: 'STORE_MISSING' });
      expect(await nights.names('sets')).toEqual([]);
    } finally {
      await runCommand('mount', ['--bind', kept, nights.root]);
      await runCommand('umount', [kept]);
    }
    await backup(0, 'daily');
    expect((await check()).codes).not.toContain('critical store-missing store');
  });

  test('a disk that is nearly full', async () => {
    const filler = await open(path.join(nights.root, 'filler'), 'w');
    const chunk = Buffer.alloc(64 * 1024);
    // To the last block: what is left is less than a percent.
    await (async () => {
      for (;;) await filler.write(chunk);
    })().catch(() => undefined);
    await filler.close();

    const { told, report: seen, codes } = await check();
    expect(codes).toContain('critical disk-low disk');
    expect(seen.findings.find(({ code }) => code === 'disk-low')?.message).toMatch(/\(0 %\) free/);
    expect(told).toEqual([expect.objectContaining({ status: 'failed' })]);
    expect(told[0]?.message).toMatch(/\(0 %\) free/);
    expect(await metric('holdfast_backup_disk_free_bytes')).toEqual([
      expect.stringMatching(/\} \d{1,6}$/),
    ]);
  });
});
