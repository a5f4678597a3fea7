/** What a check says of the sets: all there, read again, plausible, of the present, and whose. Pure. */
import type { SetFile } from '../../format/manifest.js';
import { describeShrink } from '../backup/anomaly.js';
import type { CheckFacts, CheckFinding, CheckPolicy } from './check-facts.js';
import { isOfFuture, newestFirst, setName } from '../../format/set-order.js';
import { count, formatSpan } from '../../base/words.js';

const TIERS = ['daily', 'weekly', 'monthly', 'manual'] as const;

/** In words, what a run said of its set. */
export function describeProblems({ status, problems }: SetFile): string {
  const [first] = problems;
  return first === undefined
    ? status
    : `${status}: ${first.service}/${first.source}: ${first.message}`;
}

const UNSOUND_CODES = {
  damaged: 'set-damaged',
  incomplete: 'set-incomplete',
  unknown: 'set-unreadable',
} as const;
const UNSOUND_HINTS = {
  damaged: 'a restore from it would fail; the next backup writes what is damaged anew',
  incomplete: 'a restore from it would fail; is something unmounted, or did somebody remove files?',
  unknown: 'look at the disk and at whom the files belong to; it counts for nothing meanwhile',
} as const;

export function checkStore({ storeRefused }: CheckFacts): CheckFinding[] {
  if (storeRefused === undefined) return [];
  return [{ subject: 'store', severity: 'critical', ...storeRefused }];
}

/** Whatever was promised of the tiers: sets of which none could be restored are no backups. */
export function checkAnyGood({ sets, unsound, now }: CheckFacts): CheckFinding[] {
  const good = sets.filter(
    (set) => set.status !== 'failed' && !unsound.has(setName(set)) && !isOfFuture(set, now),
  );
  const [newest] = newestFirst(sets);
  if (newest === undefined || good.length > 0) return [];
  const name = setName(newest);
  // What is not all there has a finding of its own.
  const why = unsound.has(name) ? 'is damaged or not all there' : describeProblems(newest);
  return [
    {
      subject: 'sets',
      code: 'no-good-backup',
      severity: 'critical',
      message: `there is no good backup: of ${sets.length} sets none is whole; the newest, ${name}, ${why}`,
      hint: `holdfast show ${name}`,
    },
  ];
}

/** A source that was configured and never saved makes no run fail. */
export function checkSaved(
  { sets, unsound, now }: CheckFacts,
  { sources = [] }: CheckPolicy,
): CheckFinding[] {
  const saved = new Set(
    sets
      .filter((set) => !isOfFuture(set, now))
      .flatMap((set) =>
        set.artifacts
          .filter(({ path }) => unsound.get(setName(set))?.artifacts.has(path) !== true)
          .map(({ service, source }) => `${service}/${source}`),
      ),
  );
  // Where nothing at all is good, that is said.
  if (saved.size === 0) return [];
  return sources
    .map(({ service, source }) => `${service}/${source}`)
    .filter((name) => !saved.has(name))
    .map((name) => ({
      subject: name,
      code: 'never-saved',
      severity: 'warning',
      message: `${name} is configured, and no sound backup holds it`,
      hint: 'the next backup saves it, or says why it can not; `holdfast backup` makes one now',
    }));
}

/** How many sets of the future are named. */
const MOST_OF_FUTURE = 3;

export function checkClock({ sets, now }: CheckFacts): CheckFinding[] {
  const ahead = newestFirst(sets).filter((set) => isOfFuture(set, now));
  const [first] = ahead;
  if (first === undefined) return [];
  const names = ahead.slice(0, MOST_OF_FUTURE).map(setName).join(', ');
  const more = ahead.length > MOST_OF_FUTURE ? ` and ${ahead.length - MOST_OF_FUTURE} more` : '';
  const by = formatSpan(
    Math.ceil((Date.parse(first.startedAt) - now.getTime()) / 3_600_000) * 3_600_000,
  );
  return [
    {
      subject: 'clock',
      code: 'set-of-future',
      severity: ahead.length === sets.length ? 'critical' : 'warning',
      message: `${names}${more} ${ahead.length === 1 ? 'is' : 'are'} dated after now, by up to ${by}`,
      hint: 'is the clock of this host right? if so, it was not then: such a set is not the latest, pushes nothing out and is restored by its id',
    },
  ];
}

export function checkWhole({
  sets,
  unsound,
  unreadable,
  storeRefused,
}: CheckFacts): CheckFinding[] {
  const newestIds = new Set(
    TIERS.flatMap((tier) => newestFirst(sets).find((set) => set.tier === tier) ?? []).map(setName),
  );
  const damaged = sets.filter((set) => unsound.has(setName(set)));
  const findings = newestFirst(damaged).map((set): CheckFinding => {
    const name = setName(set);
    const { state = 'damaged', reason = '' } = unsound.get(name) ?? {};
    return {
      subject: name,
      code: UNSOUND_CODES[state],
      // What the next restore would start from, or only a version among others.
      severity: newestIds.has(name) || state === 'damaged' ? 'critical' : 'warning',
      message: `${name}: ${reason}`,
      hint: UNSOUND_HINTS[state],
    };
  });
  const lost = unreadable.map((sentence): CheckFinding => ({
    subject: 'catalogue',
    code: 'catalogue-unreadable',
    severity: 'critical',
    message: sentence,
    hint: 'a set whose file can not be read is not there when it is needed',
  }));
  if (findings.length + lost.length > 0) return [...findings, ...lost];
  // Where the store itself is not there, that is what has to be known.
  if (sets.length === 0 && storeRefused !== undefined) return [];
  if (sets.length === 0) {
    return [
      {
        subject: 'sets',
        code: 'no-backups',
        severity: 'critical',
        message: 'there are no backups of this stack',
        hint: 'is the disk of the backups mounted? `holdfast backup` makes one',
      },
    ];
  }
  return [
    {
      subject: 'sets',
      code: 'whole',
      severity: 'ok',
      message: `${count(sets.length, 'set')}, all there`,
    },
  ];
}

export function checkSizes({ shrinks }: CheckFacts): CheckFinding[] {
  return shrinks
    .filter(({ current }) => current)
    .map((shrink) => ({
      subject: `${shrink.service}/${shrink.source}`,
      code: 'size-dropped',
      severity: shrink.contentBytes === 0 ? ('critical' as const) : ('warning' as const),
      message: `${describeShrink(shrink)}; no old set is removed meanwhile`,
      hint: 'is that right? then `holdfast prune --accept-shrink`; if not, look at the source',
    }));
}

export function checkVerified(
  facts: CheckFacts,
  { verifiedWithinMs }: CheckPolicy,
): CheckFinding[] {
  const nowMs = facts.now.getTime();
  const lookedAt = (set: SetFile): number =>
    Date.parse(facts.verifiedAt.get(setName(set)) ?? set.finishedAt);
  const late = newestFirst(facts.sets).filter((set) => nowMs - lookedAt(set) > verifiedWithinMs);
  const [example] = late;
  if (example === undefined) return [];
  const message =
    late.length === 1
      ? `${setName(example)} was not read again for ${formatSpan(verifiedWithinMs)}`
      : `${late.length} sets were not read again for ${formatSpan(verifiedWithinMs)}, ${setName(example)} among them`;
  return [
    {
      subject: 'verification',
      code: 'not-verified',
      severity: 'warning',
      message,
      hint: 'holdfast verify --budget 30m reads those that were not looked at for longest',
    },
  ];
}
