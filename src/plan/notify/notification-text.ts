/**
 * What a person is told of a run: what happened, since when nothing better was saved, what is still
 * good, and what to do. Pure; written for a phone at three in the morning.
 */
import type { RunKind, RunStatus } from '../../format/config/notifications.js';
import type { SetFile } from '../../format/manifest.js';
import { formatDuration } from '../../base/words.js';

export interface RunEnd {
  readonly status: RunStatus;
  /** The run's own words. */
  readonly message: string;
  /** What the error says can be done. */
  readonly hint?: string | undefined;
  readonly run: RunKind;
  readonly stack: string;
  readonly host: string;
  readonly workflowId: string;
}

/** The stack's sets; absent when the store could not be read in time. */
export type KnownSets = readonly Pick<
  SetFile,
  'id' | 'tier' | 'stack' | 'status' | 'startedAt' | 'scope'
>[];

export interface Told {
  /** One line, without the details: a subject. */
  readonly title: string;
  readonly message: string;
}

/** Chat services cut at 2000 to 4096 characters, and the end of the message is what helps. */
const LONGEST_ACCOUNT = 1_400;

/** `timezone` is an IANA name: the zone the set ids are in. */
export function notificationText(
  end: RunEnd,
  sets: KnownSets | undefined,
  now: Date,
  timezone: string,
): Told {
  const title = `${end.stack} on ${end.host}: ${end.run} ${end.status}`;
  const account = shorten(end.message.trim());
  if (end.status === 'success') return { title, message: account };
  const good = whatIsGood(end, sets, now, timezone);
  return { title, message: [account, ...good, `What to do: ${whatToDo(end)}`].join('\n') };
}

/** What kind of run a workflow is, by its type. */
export function runKindOf(workflowType: string): RunKind {
  switch (workflowType) {
    case 'restoreStack':
    case 'restoreService':
      return 'restore';
    case 'undoRestore':
      return 'undo';
    case 'drillRestore':
      return 'drill';
    case 'verifyBackups':
      return 'verify';
    case 'checkBackups':
      return 'check';
    case 'pruneBackups':
      return 'prune';
    default:
      return 'backup';
  }
}

function whatIsGood(
  { stack, status, run }: RunEnd,
  sets: KnownSets | undefined,
  now: Date,
  timezone: string,
): string[] {
  if (sets === undefined) return ['The store could not be read: what is still good is not known.'];
  const own = sets
    .filter((set) => set.stack === stack)
    .sort((left, right) => Date.parse(right.startedAt) - Date.parse(left.startedAt));
  // A degraded run has just saved everything; the question is which set had no blemish.
  const blemished = run === 'backup' && status === 'degraded';
  const wanted: readonly string[] = blemished ? ['success'] : ['success', 'degraded'];
  const whole = own.filter((set) => set.scope === 'all' && wanted.includes(set.status));
  const [newest] = whole;
  if (newest === undefined) {
    return [
      blemished
        ? `There is no set of ${stack} without problems yet.`
        : `There is NO good backup of the whole stack ${stack}.`,
    ];
  }
  const since = `${localMinute(newest.startedAt, timezone)} (${age(newest.startedAt, now)} ago)`;
  const words = blemished ? 'Last without problems' : 'Still good';
  const lines = [
    `${words}: set ${newest.id} (${newest.tier}${newest.status === 'degraded' ? ', degraded' : ''}), from ${since}.`,
  ];
  if (run === 'backup' && status === 'failed') {
    const failed = own.filter(
      (set) => set.status === 'failed' && Date.parse(set.startedAt) > Date.parse(newest.startedAt),
    ).length;
    lines.push(
      `Nothing newer is whole since then${failed < 2 ? '' : `: ${failed} incomplete sets`}.`,
    );
  }
  return lines;
}

function whatToDo({ run, status, hint, workflowId }: RunEnd): string {
  const first = hint === undefined || hint === '' ? [] : [hint];
  const steps = `temporal workflow show -w ${workflowId} has every step`;
  switch (run) {
    case 'backup':
      return status === 'degraded'
        ? [...first, steps].join('; ')
        : [...first, 'holdfast backup tries again', steps].join('; ');
    case 'restore':
      return [...first, 'holdfast restore --dry-run checks all of it again', steps].join('; ');
    case 'check':
    case 'prune':
      return [...first, steps].join('; ');
    case 'verify':
      return [...first, 'holdfast list shows what there is', steps].join('; ');
    case 'undo':
    case 'drill':
      return [...first, steps].join('; ');
  }
}

function shorten(text: string): string {
  if (text.length <= LONGEST_ACCOUNT) return text;
  // Not through the middle of a character of two units.
  return `${text.slice(0, LONGEST_ACCOUNT).replace(/[\uD800-\uDBFF]$/, '')} … (cut)`;
}

function localMinute(iso: string, timezone: string): string {
  const parts = new Intl.DateTimeFormat('sv-SE', {
    timeZone: timezone,
    dateStyle: 'short',
    timeStyle: 'short',
  }).format(new Date(iso));
  return timezone === 'UTC' ? `${parts} UTC` : parts;
}

function age(iso: string, now: Date): string {
  const ms = Math.max(0, now.getTime() - Date.parse(iso));
  const days = Math.floor(ms / 86_400_000);
  return days >= 2 ? `${days} days` : formatDuration(ms);
}
