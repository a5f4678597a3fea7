/** Input and result of `scheduledBackup`, and how it says what it is for. Pure. */
import { z } from 'zod';
import { parseCron } from '../../base/time/cron.js';
import { SCHEDULED_TIERS, type DueAnswer } from './due.js';
import type { BackupStackResult } from '../shared/inputs.js';
import { formatDuration } from '../../base/words.js';
import { wallTime } from '../../base/time/zone.js';

const cronLine = z.string().superRefine((line, context) => {
  const parsed = parseCron(line);
  if (!parsed.ok) context.addIssue({ code: 'custom', message: parsed.problem });
});

const zone = z.string().refine((name) => {
  try {
    new Intl.DateTimeFormat('en', { timeZone: name });
    return true;
  } catch {
    return false;
  }
}, 'unknown time zone');

export const scheduledBackupInputSchema = z.strictObject({
  stack: z.string().min(1).optional(),
  host: z.string().min(1).optional(),
  /** Zone of the cron lines, an IANA name. */
  timezone: zone.default('UTC'),
  /** The times of the tiers: the run itself says which of them it was due for. */
  tiers: z.array(z.strictObject({ tier: z.enum(SCHEDULED_TIERS), cron: cronLine })).min(1),
});

export type ScheduledBackupInput = z.input<typeof scheduledBackupInputSchema>;

/** The server hands it to the schedule's next run, so it is small. */
export interface ScheduledBackupResult {
  readonly outcome: 'made' | 'covered';
  /** Id of the schedule; absent when started without one. */
  readonly schedule?: string;
  /** When it was due, ISO. */
  readonly dueAt: string;
  /** Everything that came due until then is made, ISO. */
  readonly coveredUntil: string;
  readonly tiers: readonly string[];
  readonly setId?: string;
  readonly status?: BackupStackResult['status'];
}

/** What a run needs to know of the result of the last one that succeeded. */
export const lastResultSchema = z.object({ coveredUntil: z.iso.datetime() });

export interface ScheduledRun {
  readonly schedule: string | undefined;
  readonly dueAtMs: number;
  readonly startedAtMs: number;
  readonly timezone: string;
}

/** Later than this is worth saying: below it are jitter and a busy server. */
const LATE_MS = 5 * 60_000;

/** One line for the log of runs. */
export function describeScheduledRun(run: ScheduledRun, { reason, tiers }: DueAnswer): string {
  const name = run.schedule ?? 'a schedule';
  const due = `${formatWall(run.dueAtMs, run.timezone)} ${run.timezone}`;
  const lateMs = run.startedAtMs - run.dueAtMs;
  const late = lateMs > LATE_MS ? `, started ${formatDuration(lateMs)} late` : '';
  switch (reason) {
    case 'due':
      return `Scheduled by ${name} for ${due}${late}: ${tiers.join(', ')}`;
    case 'asked':
      return `Asked of ${name} at ${due}: ${tiers.join(', ')}`;
    case 'covered':
      return `Scheduled by ${name} for ${due}: the run before has made it already`;
  }
}

/** `2026-11-22 01:00`, with seconds where there are any. */
export function formatWall(atMs: number, timezone: string): string {
  const { year, month, day, hour, minute, second } = wallTime(atMs, timezone);
  const two = (value: number): string => String(value).padStart(2, '0');
  const seconds = second === 0 ? '' : `:${two(second)}`;
  return `${year}-${two(month)}-${two(day)} ${two(hour)}:${two(minute)}${seconds}`;
}
