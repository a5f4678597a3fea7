/**
 * Are the backups there, young, whole, of plausible size, and will tomorrow's fit? From facts to
 * findings. Pure: what it is told by the disk and by Temporal is data, and what it was not told it
 * says it does not know. Nothing known is never "ok".
 */
import type { SetFile } from '../../format/manifest.js';
import { checkDisk } from './check-disk.js';
import {
  checkAnyGood,
  checkClock,
  checkSaved,
  checkSizes,
  checkStore,
  checkVerified,
  checkWhole,
  describeProblems,
} from './check-sets.js';
import { dueTimesBack } from '../schedule/due-times.js';
import { isOfFuture, newestFirst, setName } from '../../format/set-order.js';
import { nameUncovered } from '../backup/uncovered.js';
import type { ScheduledTier } from '../shared/stack-view.js';
import { formatSpan } from '../../base/words.js';
import type { Severity, CheckFinding, CheckPolicy, LeftOpen, CheckFacts } from './check-facts.js';
import { TIERS, goodSets } from './good-sets.js';
import { checkSchedules } from './check-schedules.js';

const ORDER: Record<Severity, number> = { critical: 0, warning: 1, ok: 2 };

/** The worst first. */
export function checkBackups(facts: CheckFacts, policy: CheckPolicy): CheckFinding[] {
  const findings = [
    ...TIERS.flatMap((tier) => checkTier(tier, facts, policy)),
    ...checkStore(facts),
    ...checkWhole(facts),
    ...checkAnyGood(facts),
    ...checkSaved(facts, policy),
    ...checkUncovered(facts),
    ...checkClock(facts),
    ...checkSizes(facts),
    ...checkVerified(facts, policy),
    ...checkDisk(facts, policy),
    ...checkLeftOpen(facts),
    ...checkSchedules(facts, policy),
  ];
  return findings.sort((left, right) => ORDER[left.severity] - ORDER[right.severity]);
}

/** Named, but no alarm: what is left out may be left out on purpose. */
function checkUncovered({ sets }: CheckFacts): CheckFinding[] {
  const newest = newestFirst(sets).find(({ uncovered }) => uncovered !== undefined);
  if (newest?.uncovered === undefined || newest.uncovered.length === 0) return [];
  const [first, ...more] = newest.uncovered;
  if (first === undefined) return [];
  const others = more.length === 0 ? '' : ` and ${more.length} more`;
  return [
    {
      subject: 'coverage',
      code: 'uncovered',
      severity: 'ok',
      message: `no source covers ${nameUncovered(first)}${others}`,
      hint: 'holdfast config check --host lists all of it, with the sources that would',
    },
  ];
}

export function worstOf(findings: readonly CheckFinding[]): Severity {
  return findings.some(({ severity }) => severity === 'critical')
    ? 'critical'
    : findings.some(({ severity }) => severity === 'warning')
      ? 'warning'
      : 'ok';
}

function checkTier(tier: ScheduledTier, facts: CheckFacts, policy: CheckPolicy): CheckFinding[] {
  const { cron, maximumAgeMs } = policy.tiers[tier];
  // That there are none at all is said once.
  if (facts.sets.length === 0) return [];
  const nowMs = facts.now.getTime();
  const [newest] = goodSets(facts, tier);
  if (cron === undefined && maximumAgeMs === undefined) {
    // Nothing is promised of it; sets made by hand in a tier are just sets.
    return newest === undefined ? [] : freshness(tier, newest, facts);
  }
  const missed = cron === undefined ? [] : missedRuns(cron, newest, facts, policy);
  const tooOld =
    maximumAgeMs !== undefined &&
    (newest === undefined || nowMs - Date.parse(newest.startedAt) > maximumAgeMs);
  if (missed.length === 0 && !tooOld) {
    if (newest === undefined) {
      return [
        { subject: tier, code: 'not-due', severity: 'ok', message: `no ${tier} set was due yet` },
      ];
    }
    return freshness(tier, newest, facts);
  }
  return [missedFinding(tier, missed, newest, facts, maximumAgeMs)];
}

/** When the tier was due and no good set came, newest first. */
function missedRuns(
  cron: string,
  newest: SetFile | undefined,
  facts: CheckFacts,
  { timezone, graceMs, startGraceMs }: CheckPolicy,
): number[] {
  // Where the server tells what goes on, a run that has not begun need not be waited for.
  const { runningSince } = facts;
  const nowMs = facts.now.getTime();
  const untilMs = nowMs - (runningSince === undefined ? graceMs : startGraceMs);
  // Before the first set of the stack nothing was promised; what was imported is older than that.
  const own = facts.sets.filter(({ origin }) => origin === undefined);
  const begunMs = Math.min(...own.map(({ startedAt }) => Date.parse(startedAt)));
  const afterMs = newest === undefined ? begunMs : Date.parse(newest.startedAt);
  // A set may begin seconds before it was due by another clock.
  const missed = [...dueTimesBack(cron, timezone, untilMs, afterMs + 60_000)];
  const running = runningSince?.some((at) => Date.parse(at) >= (missed[0] ?? 0) - 60_000);
  return running === true && missed.length === 1 ? [] : missed;
}

function missedFinding(
  tier: ScheduledTier,
  missed: readonly number[],
  newest: SetFile | undefined,
  facts: CheckFacts,
  maximumAgeMs: number | undefined,
): CheckFinding {
  const { now, unsound } = facts;
  const bad = newerBad(tier, newest, facts);
  const was =
    newest === undefined
      ? `there is no good ${tier} set`
      : `the newest good ${tier} set is ${setName(newest)}, ${ageOf(newest, now.getTime())} old`;
  const first = missed.at(-1);
  const due =
    first === undefined
      ? `at most ${formatSpan(maximumAgeMs ?? 0)} is allowed`
      : missed.length === 1
        ? `the run due at ${new Date(first).toISOString()} made none`
        : `${missed.length} runs made none since ${new Date(first).toISOString()}`;
  const why =
    bad === undefined
      ? 'no run of it left anything behind: is the schedule there, and does the worker run?'
      : `${setName(bad)} ${unsound.get(setName(bad))?.reason ?? describeProblems(bad)}`;
  return {
    subject: tier,
    code: bad === undefined ? 'backup-missed' : 'backup-failed',
    severity: 'critical',
    message: `${was}; ${due}; ${why}`,
    hint: bad === undefined ? 'holdfast backup --tier ' + tier : `holdfast show ${setName(bad)}`,
  };
}

/** The newest set of the tier that is no good and that no good one has followed. */
function newerBad(
  tier: ScheduledTier,
  newest: SetFile | undefined,
  { sets, unsound, now }: CheckFacts,
): SetFile | undefined {
  const since = newest === undefined ? 0 : Date.parse(newest.startedAt);
  return newestFirst(sets).find(
    (set) =>
      set.tier === tier &&
      set.id !== newest?.id &&
      Date.parse(set.startedAt) > since &&
      !isOfFuture(set, now) &&
      (set.status === 'failed' || unsound.has(setName(set))),
  );
}

/** The newest good set, and that a later one came to nothing. */
function freshness(tier: ScheduledTier, newest: SetFile, facts: CheckFacts): CheckFinding[] {
  const { now, unsound } = facts;
  const bad = newerBad(tier, newest, facts);
  const found = fresh(tier, newest, now.getTime());
  if (bad === undefined || found.severity !== 'ok') return [found];
  const name = setName(bad);
  return [
    {
      subject: tier,
      code: 'newer-failed',
      severity: 'warning',
      message: `${found.message}, and a newer one is no good: ${name} ${unsound.get(name)?.reason ?? describeProblems(bad)}`,
      hint: `holdfast show ${name}`,
    },
  ];
}

function fresh(tier: ScheduledTier, set: SetFile, nowMs: number): CheckFinding {
  const message = `${setName(set)} is ${ageOf(set, nowMs)} old`;
  if (set.status === 'success') return { subject: tier, code: 'fresh', severity: 'ok', message };
  return {
    subject: tier,
    code: 'degraded',
    severity: 'warning',
    message: `${message}, but ${describeProblems(set)}`,
    hint: `holdfast show ${setName(set)}`,
  };
}

function checkLeftOpen({
  stopped,
  restores,
  lostRecords = [],
  leftRestores = [],
}: CheckFacts): CheckFinding[] {
  const findings = (
    left: readonly LeftOpen[],
    code: string,
    what: string,
    hint: string,
  ): CheckFinding[] =>
    left
      .filter(({ alive }) => alive !== true)
      .map(({ name, workflowId, at, alive }) => ({
        subject: name,
        code,
        severity: alive === false ? 'critical' : 'warning',
        message:
          `${what} since ${at} by ${workflowId}` +
          (alive === false ? ', which is over' : '; whether that run goes on is not known'),
        hint,
      }));
  return [
    ...findings(
      stopped,
      'left-stopped',
      'stopped',
      'a worker starts them when it starts; does one run?',
    ),
    ...findings(
      restores,
      'restore-open',
      'a restore or its undo is under way',
      '`holdfast recover` takes it back, or says what is in the way',
    ),
    ...lostRecords.map((message): CheckFinding => ({
      subject: 'restores',
      code: 'restore-unreadable',
      severity: 'critical',
      message: `${message}; what that restore touched is not known`,
      hint: 'written by a newer version? then install that again; else put the file back from a copy',
    })),
    ...leftRestores.map(({ name, by }): CheckFinding => ({
      subject: name,
      code: 'restore-left',
      severity: 'warning',
      message:
        `restore ${name} ended half way and was left as it is` +
        (by.length === 0 ? '' : `, since ${by.join(', ')} replaced the same things again`),
      hint: `is all well? then \`holdfast discard ${name}\`; until then its safety copies are kept`,
    })),
  ];
}

function ageOf(set: SetFile, nowMs: number): string {
  const hours = Math.floor((nowMs - Date.parse(set.startedAt)) / 3_600_000);
  return hours < 48 ? `${hours}h` : `${Math.floor(hours / 24)}d`;
}
