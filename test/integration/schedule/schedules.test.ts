/** Schedules on a real Temporal server: brought there, left alone where they are not ours, and run. */
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { rename } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import type { ScheduleDescription } from '@temporalio/client';
import type { Config } from '../../../src/format/config/schema.js';
import { stackQueue } from '../../../src/plan/shared/ids.js';
import type { ScheduleChange } from '../../../src/plan/schedule/schedule-changes.js';
import type { ScheduledBackupResult } from '../../../src/plan/schedule/scheduled-backup.js';
import type { SetFile } from '../../../src/format/manifest.js';
import { keepSchedules } from '../../../src/temporal/schedules/keep-schedules.js';
import {
  resumeSchedules,
  scheduleViews,
  triggerSchedule,
} from '../../../src/temporal/schedules/schedule-status.js';
import { applySchedules } from '../../../src/temporal/schedules/schedules.js';
import { recordHistories } from '../../support/record-histories.js';
import { eventually, ScheduledHost } from '../../support/scheduled-host.js';

let host: ScheduledHost;
/** The schedules of the configuration are far away in time; these tests bring their own. */
let quietFile: string;

const GUIDE = `tiers:
  daily: { schedule: '0 1 * * *' }
  weekly: { schedule: '0 1 * * 0' }
  monthly: { schedule: '0 1 1 * *' }
schedules: { timezone: Europe/Moscow, check: '30 1 * * *' }`;

beforeAll(async () => {
  host = await ScheduledHost.create();
  await host.startServer();
  quietFile = await host.configFile('quiet', 'schedules: { apply: manual }');
}, 60_000);

afterAll(async () => {
  await host.remove();
});

function id(name: string): string {
  return `holdfast/${host.stack}/${name}`;
}

async function describeIt(name: string): Promise<ScheduleDescription> {
  return host.client.schedule.getHandle(id(name)).describe();
}

function words(changes: readonly ScheduleChange[]): string[] {
  return changes.map(({ id: each, action, because, differs }) =>
    [each.split('/').at(-1), action, because, ...differs]
      .filter((word) => word !== undefined)
      .join(' '),
  );
}

describe('applying', () => {
  let config: Config;
  beforeAll(async () => {
    config = await host.config('guide', GUIDE);
  });

  test('a dry run changes nothing', async () => {
    const changes = await applySchedules(host.client, config, { dryRun: true });
    expect(words(changes)).toEqual(['backup create', 'check create']);
    await expect(describeIt('backup')).rejects.toThrow(/not found/i);
  });

  test('makes them; doing it again changes nothing and says so', async () => {
    expect(words(await applySchedules(host.client, config))).toEqual([
      'backup create',
      'check create',
    ]);
    const before = await describeIt('backup');
    expect(words(await applySchedules(host.client, config))).toEqual(['backup keep', 'check keep']);
    const after = await describeIt('backup');

    expect(after.info.lastUpdatedAt).toEqual(before.info.lastUpdatedAt);
    expect(after.policies).toEqual({
      overlap: 'BUFFER_ONE',
      catchupWindow: 43_200_000,
      pauseOnFailure: false,
    });
    expect(after.spec.timezone).toBe('Europe/Moscow');
    // A run that is retried as a whole can hold up its schedule for good.
    expect(after.action.retry).toBeUndefined();
    // 01:00 in Moscow, whatever the host's own zone.
    expect(after.info.nextActionTimes[0]?.toISOString()).toMatch(/T22:00:00/);
  });

  test('a pause and its note outlive a change of the configuration', async () => {
    await host.client.schedule.getHandle(id('backup')).pause('disk swap');
    const later = await host.config('later', GUIDE.replace("'0 1 * * *'", "'0 2 * * *'"));
    expect(words(await applySchedules(host.client, later))).toEqual([
      'backup update configuration times input',
      'check keep',
    ]);
    expect((await describeIt('backup')).state).toMatchObject({ paused: true, note: 'disk swap' });
    await applySchedules(host.client, config);
    expect((await describeIt('backup')).state).toMatchObject({ paused: true, note: 'disk swap' });
    await host.client.schedule.getHandle(id('backup')).unpause();
  });

  test('a change by hand is told and taken back', async () => {
    await host.client.schedule.getHandle(id('check')).update((previous) => ({
      ...previous,
      spec: { ...previous.spec, timezone: 'Asia/Tokyo' },
      policies: { ...previous.policies, overlap: 'ALLOW_ALL' },
      action: { ...previous.action, retry: { maximumAttempts: 3 } },
      state: { ...previous.state, remainingActions: 1 },
    }));
    expect(words(await applySchedules(host.client, config))).toEqual([
      'backup keep',
      'check update by hand time zone overlap policy retry policy a limit of runs',
    ]);
    const after = await describeIt('check');
    expect([after.spec.timezone, after.policies.overlap]).toEqual(['Europe/Moscow', 'SKIP']);
    expect(after.action.retry).toBeUndefined();
    expect(after.state.remainingActions).toBeUndefined();
  });

  test('what is no longer configured goes; what is not ours stays, whatever its name', async () => {
    const foreign = {
      spec: { calendars: [{ hour: 5 }] },
      action: { type: 'startWorkflow' as const, workflowType: 'x', taskQueue: 'x' },
    };
    const others = [id('mine'), id('verify'), `holdfast/${host.stack}2/backup`, 'backup'];
    for (const scheduleId of others) await host.client.schedule.create({ ...foreign, scheduleId });
    // Another stack's, with its mark.
    const other = { ...config, stack: `${host.stack}-b` };
    await applySchedules(host.client, other);

    const without = await host.config(
      'without',
      "tiers: { daily: { schedule: '0 1 * * *' } }\nschedules: { verify: { cron: '0 4 * * *' } }",
    );
    expect(words(await applySchedules(host.client, without))).toEqual([
      'backup update configuration times time zone input',
      'verify foreign',
      'check remove',
    ]);
    await expect(describeIt('check')).rejects.toThrow(/not found/i);
    for (const scheduleId of [...others, `holdfast/${other.stack}/check`]) {
      await host.client.schedule.getHandle(scheduleId).describe();
    }
    expect((await describeIt('verify')).action.workflowType).toBe('x');
    await host.client.schedule.getHandle(id('verify')).delete();
  });

  test('a server that does not answer is tried again and stops nobody', async () => {
    const lines: string[] = [];
    const stop = new AbortController();
    const broken = new Proxy(host.client, {
      get: (target, key, receiver): unknown => {
        if (key !== 'schedule' || lines.length >= 2) return Reflect.get(target, key, receiver);
        throw new Error('unavailable');
      },
    });
    const log = {
      info: (_fields: unknown, message: string) => void lines.push(message),
      warn: (_fields: unknown, message: string) => void lines.push(message),
    };
    const keeping = keepSchedules(broken, config, { signal: stop.signal, log, firstRetryMs: 10 });
    await eventually(
      () => Promise.resolve(lines.length),
      (count) => count >= 4,
    );
    stop.abort();
    await keeping;
    expect(lines).toEqual([
      'the schedules could not be applied, trying again',
      'the schedules could not be applied, trying again',
      'schedule updated from the configuration',
      'schedule created',
    ]);
  });
});

interface DueSeconds {
  readonly daily: readonly number[];
  readonly weekly?: readonly number[];
  readonly monthly?: readonly number[];
}

/**
 * The backup schedule, due once, at seconds after the time that is returned: what a configuration
 * can't say, so that no test waits for a minute to pass. `leadMs` is how far ahead that is.
 */
async function scheduleIn(tiers: DueSeconds, leadMs: number): Promise<number> {
  const base = await host.config('seconds', 'schedules: { apply: manual }');
  const last = Math.max(...tiers.daily, ...(tiers.weekly ?? []), ...(tiers.monthly ?? []));
  const { daily, weekly, monthly } = base.tiers;
  for (let lead = leadMs; ; lead *= 2) {
    let firstMs = Math.ceil((Date.now() + lead) / 1000) * 1000;
    // One cron line is within one minute.
    if (new Date(firstMs).getUTCSeconds() + last > 59)
      firstMs = Math.ceil(firstMs / 60_000) * 60_000;
    const at = new Date(firstMs);
    const cron = (seconds: readonly number[] | undefined) =>
      seconds === undefined
        ? {}
        : {
            schedule: [
              seconds.map((each) => at.getUTCSeconds() + each).join(','),
              at.getUTCMinutes(),
              at.getUTCHours(),
              at.getUTCDate(),
              at.getUTCMonth() + 1,
              '*',
            ].join(' '),
          };
    await applySchedules(host.client, {
      ...base,
      tiers: {
        daily: { ...daily, ...cron(tiers.daily) },
        weekly: { ...weekly, ...cron(tiers.weekly) },
        monthly: { ...monthly, ...cron(tiers.monthly) },
      },
    });
    // Only from its first look at the schedule on does the server know of times it misses.
    await eventually(
      async () => (await describeIt('backup')).info.nextActionTimes,
      ([next]) => next !== undefined,
    );
    // On a slow machine the time may have passed meanwhile.
    if (Date.now() < firstMs - lead / 3) return firstMs;
  }
}

async function results(): Promise<ScheduledBackupResult[]> {
  const { info } = await describeIt('backup');
  const handles = info.recentActions.map(({ action: { workflow } }) =>
    host.client.workflow.getHandle(workflow.workflowId, workflow.firstExecutionRunId),
  );
  return Promise.all(handles.map(async (each) => (await each.result()) as ScheduledBackupResult));
}

async function taken(count: number): Promise<void> {
  await eventually(
    async () => (await describeIt('backup')).info,
    ({ numActionsTaken, runningActions }) =>
      numActionsTaken >= count && runningActions.length === 0,
  );
}

/** Names of sets that were not there before. */
async function newSets(before: readonly SetFile[]): Promise<SetFile[]> {
  const known = new Set(before.map(nameOf));
  return (await host.sets()).filter((set) => !known.has(nameOf(set)));
}

function nameOf({ id: setId, tier }: SetFile): string {
  return `${setId}-${tier}`;
}

async function freshSchedule(): Promise<void> {
  await host.client.schedule
    .getHandle(id('backup'))
    .delete()
    .catch(() => undefined);
}

describe('running', () => {
  beforeAll(async () => {
    await freshSchedule();
    await host.startWorker(quietFile);
  });

  test('tiers due at the same moment are one reading and one set in three tiers', async () => {
    const dueMs = await scheduleIn({ daily: [0], weekly: [0], monthly: [0] }, 1_500);
    await taken(1);

    const sets = await host.sets();
    expect(sets.map(({ tier }) => tier).sort()).toEqual(['daily', 'monthly', 'weekly']);
    expect(new Set(sets.map((set) => set.id)).size).toBe(1);
    const [run, ...more] = await results();
    expect(more).toEqual([]);
    expect(run).toMatchObject({
      outcome: 'made',
      schedule: id('backup'),
      tiers: ['daily', 'weekly', 'monthly'],
      setId: sets[0]?.id,
      status: 'success',
    });
    expect(run?.dueAt).toBe(new Date(dueMs).toISOString());
    const log = await host.log();
    expect(log).toContain(`Scheduled by ${id('backup')} for `);
    expect(log).toContain('daily, weekly, monthly');
    await recordHistory();
  });

  test('a run that fails is failed, and the next one makes up for its tiers', async () => {
    await freshSchedule();
    const before = await host.sets();
    await scheduleIn({ daily: [0] }, 1_500);
    await taken(1);
    expect((await newSets(before)).map(({ tier }) => tier)).toEqual(['daily']);

    await rename(host.home, `${host.home}-gone`);
    await scheduleIn({ daily: [0], weekly: [0] }, 1_500);
    await taken(2);
    const [view] = await scheduleViews(
      host.client,
      await host.config('quiet', 'schedules: { apply: manual }'),
    );
    expect(view?.last?.outcome).toBe('failed');
    await rename(`${host.home}-gone`, host.home);

    await triggerSchedule(host.client, host.stack, 'backup');
    await taken(3);
    const last = (await describeIt('backup')).info.recentActions.at(-1)?.action.workflow.workflowId;
    expect(await host.client.workflow.getHandle(last ?? '').result()).toMatchObject({
      outcome: 'made',
      tiers: ['daily', 'weekly'],
    });
  });

  test('while a run is going on another is refused; one that came due waits, further ones do not', async () => {
    await freshSchedule();
    // Somebody else holds the stack: the run waits for it.
    const permit = await host.client.workflow.start('stackPermit', {
      taskQueue: stackQueue(host.stack),
      workflowId: id('permit'),
      args: ['somebody'],
    });
    await scheduleIn({ daily: [0] }, 3_600_000);
    const first = await triggerSchedule(host.client, host.stack, 'backup');
    expect(first).toContain(id('backup'));

    await expect(triggerSchedule(host.client, host.stack, 'backup')).rejects.toMatchObject({
      code: 'PERMIT_HELD',
      facts: { workflowId: first },
    });
    // The server refuses, too.
    await host.client.schedule.getHandle(id('backup')).trigger('SKIP');
    await eventually(
      async () => (await describeIt('backup')).info.numActionsSkippedOverlap,
      (skipped) => skipped === 1,
    );

    await scheduleIn({ daily: [0, 1, 2] }, 1_500);
    await eventually(
      async () => (await describeIt('backup')).info,
      ({ numActionsSkippedOverlap, runningActions }) =>
        numActionsSkippedOverlap === 3 && runningActions.length === 1,
    );
    await permit.signal('releasePermit');
    await taken(2);
    const [asked, waited] = await results();
    expect([asked?.tiers, waited?.tiers]).toEqual([['daily'], ['daily']]);
    expect([asked?.outcome, waited?.outcome]).toEqual(['made', 'made']);
  });

  test('what is missed while the host is off happens once when it is back, for all tiers', async () => {
    await freshSchedule();
    const before = await host.sets();
    await host.stopWorker();
    const firstMs = await scheduleIn({ daily: [0, 1, 2], weekly: [1] }, 4_000);
    await host.stopServer();
    // Off before the first is due, or nothing was missed.
    expect(Date.now()).toBeLessThan(firstMs);
    await delay(firstMs + 2_500 - Date.now());
    await host.startServer();
    await host.startWorker(quietFile);

    await taken(2);
    const sets = await newSets(before);
    expect(sets.map(({ tier }) => tier).sort()).toEqual(['daily', 'weekly']);
    expect(new Set(sets.map((set) => set.id)).size).toBe(1);
    expect((await results()).map(({ outcome, tiers }) => [outcome, ...tiers])).toEqual([
      ['made', 'daily', 'weekly'],
      ['covered'],
    ]);
    expect((await describeIt('backup')).info).toMatchObject({
      numActionsSkippedOverlap: 1,
      numActionsMissedCatchupWindow: 0,
    });
  });
});

describe('from the command line', () => {
  test('the worker applies the configuration; a pause is shown with its note', async () => {
    await freshSchedule();
    await host.stopWorker();
    const file = await host.configFile('by-worker', GUIDE);
    await host.startWorker(file);
    await eventually(
      () =>
        describeIt('check').then(
          () => true,
          () => false,
        ),
      (there) => there,
    );

    const paused = await host.holdfast(file, ['schedules', 'pause', 'check', '--note', 'why']);
    expect(paused.stdout).toContain(`paused: ${id('check')} (why)`);
    const listed = await host.holdfast(file, ['schedules', 'list', '--json']);
    expect(listed.exitCode).toBe(0);
    expect(JSON.parse(listed.stdout)).toMatchObject({
      schedules: [
        { name: 'backup', state: 'applied', paused: false, timezone: 'Europe/Moscow' },
        { name: 'check', state: 'applied', paused: true, note: 'why', next: [] },
      ],
    });
    expect(await resumeSchedules(host.client, host.stack, undefined)).toHaveLength(2);
    expect((await describeIt('check')).state.paused).toBe(false);
    await expect(triggerSchedule(host.client, host.stack, 'nightly')).rejects.toMatchObject({
      code: 'INPUT_INVALID',
      hint: 'there is backup, check',
    });
  });
});

async function recordHistory(): Promise<void> {
  const { info } = await describeIt('backup');
  const run = info.recentActions[0]?.action.workflow.workflowId;
  await recordHistories({ 'scheduled-backup': run }, `127.0.0.1:${host.port}`);
}
