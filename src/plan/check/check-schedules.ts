/** What a check finds in the schedules of the server. Pure. */
import type {
  Severity,
  CheckFinding,
  CheckPolicy,
  ScheduleFact,
  CheckFacts,
} from './check-facts.js';
import { TIERS, goodSets } from './good-sets.js';

/** Endings of runs after which nothing was made. */
const BAD_ENDINGS = new Set(['FAILED', 'TIMED_OUT', 'TERMINATED']);

export function checkSchedules(facts: CheckFacts, { tiers }: CheckPolicy): CheckFinding[] {
  const { schedules } = facts;
  const subject = 'schedules';
  if (!schedules.known) {
    return [
      {
        subject,
        code: 'schedules-unknown',
        // What was not looked at is not well: without a server nothing runs tonight.
        severity: 'warning',
        message: `schedules could not be looked at: ${schedules.reason}`,
        hint: 'start Temporal and the worker (`holdfast up`), or set TEMPORAL_ADDRESS to yours; no backup runs without',
      },
    ];
  }
  const isScheduled = TIERS.some((tier) => tiers[tier].cron !== undefined);
  if (schedules.schedules.length === 0) {
    if (!isScheduled) return [];
    return [
      {
        subject,
        code: 'schedules-missing',
        severity: 'warning',
        message: 'the configuration has schedules, the server has none',
        hint: 'a worker applies them when it starts',
      },
    ];
  }
  const newestGood = Math.max(
    0,
    ...TIERS.flatMap((tier) => goodSets(facts, tier).slice(0, 1)).map(({ startedAt }) =>
      Date.parse(startedAt),
    ),
  );
  return schedules.schedules.flatMap((schedule) => checkSchedule(schedule, newestGood));
}

function checkSchedule(schedule: ScheduleFact, newestGoodMs: number): CheckFinding[] {
  const { id, paused, note, missedCatchUps, skippedRuns, lastRun, hasNext } = schedule;
  const finding = (code: string, severity: Severity, message: string, hint?: string) => ({
    subject: id,
    code,
    severity,
    message: `${id} ${message}`,
    ...(hint === undefined ? {} : { hint }),
  });
  const findings: CheckFinding[] = [];
  if (paused) {
    const why = note === '' ? '' : ` (${note})`;
    const hint = `temporal schedule toggle --unpause -s ${id}`;
    findings.push(
      finding('schedule-paused', 'warning', `is paused${why}: nothing runs by it`, hint),
    );
  } else if (!hasNext) {
    findings.push(finding('schedule-ended', 'critical', 'has no next time: nothing runs by it'));
  }
  // What an earlier check found is found again, or is over; and so is what a good backup followed.
  const isOver =
    id.endsWith('/check') ||
    (id.endsWith('/backup') && Date.parse(lastRun?.at ?? '') < newestGoodMs);
  if (lastRun !== undefined && BAD_ENDINGS.has(lastRun.status) && !isOver) {
    const hint = `temporal workflow show -w ${lastRun.workflowId}`;
    const ended = lastRun.status.toLowerCase().replace('_', ' ');
    findings.push(
      finding('schedule-run-failed', 'warning', `last ran at ${lastRun.at} and ${ended}`, hint),
    );
  }
  if (findings.length > 0) return findings;
  // Counted since the schedule was made: they say nothing about today, whose runs are looked for above.
  const counts = [
    ...(missedCatchUps === 0 ? [] : [`${missedCatchUps} missed`]),
    ...(skippedRuns === 0 ? [] : [`${skippedRuns} skipped`]),
  ];
  const since = counts.length === 0 ? '' : ` (${counts.join(', ')} since it was made)`;
  return [finding('schedule-fine', 'ok', `is active${since}`)];
}
