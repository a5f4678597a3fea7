/**
 * Reads published sets again, those first that were not looked at for longest, until the time for it
 * is used up. It takes no permit: it only reads, a backup may go on beside it, and a set that
 * retention removes meanwhile is left out. It fails when something is damaged.
 */
import { upsertSearchAttributes } from '@temporalio/workflow';
import {
  verifyBackupsInputSchema,
  type VerifiedSet,
  type VerifyBackupsResult,
} from '../../src/plan/verify/verify-types.js';
import { newestName } from '../../src/format/set-order.js';
import { count, formatBytes } from '../../src/base/words.js';
import { hostActivities, resolveStack, type HostCalls } from '../shared/activity-options.js';
import { failure, parseInput, raise } from '../shared/failure.js';
import { Story } from '../shared/story.js';
import { searchAttributes } from '../shared/support.js';
import { notifyEnd, notifyOnFailure } from '../notify/tell.js';

export async function verifyBackups(rawInput?: unknown): Promise<VerifyBackupsResult> {
  const story = new Story('verification of the backups');
  const { input, view } = await notifyOnFailure('The verification of the backups', async () => {
    const asked = parseInput(verifyBackupsInputSchema, rawInput, 'verifyBackups');
    const { stack, host } = asked;
    return { input: asked, ...(await resolveStack({ stack, host }).catch(raise)) };
  });
  const activities = hostActivities(view.hostId);
  upsertSearchAttributes(searchAttributes({ stack: view.stack, status: 'running' }));
  try {
    const result = await notifyOnFailure(
      `Verification of the backups of ${view.stack}`,
      () => verifyAll(input, activities, story),
      { activities },
    );
    const status = result.damaged.length > 0 ? 'failed' : hasNotes(result) ? 'degraded' : 'success';
    story.phase(status);
    upsertSearchAttributes(searchAttributes({ status }));
    const message = summaryOf(result);
    // Success is for the log: nobody waits for it.
    await notifyEnd(activities, status, message, { silent: status === 'success' });
    if (status === 'failed') {
      throw failure('INTEGRITY', message, {
        hint: 'the next backup writes what is damaged anew; use another set for restores',
        details: [result],
      });
    }
    return result;
  } catch (error) {
    upsertSearchAttributes(searchAttributes({ status: 'failed' }));
    return raise(error);
  }
}

type Input = ReturnType<typeof verifyBackupsInputSchema.parse>;

async function verifyAll(
  { level, budgetMs }: Input,
  activities: HostCalls,
  story: Story,
): Promise<VerifyBackupsResult> {
  story.phase('planning');
  const { sets } = await activities.planVerify('which sets, in which order', { level });
  const newest = newestName(sets);
  const verified: VerifiedSet[] = [];
  let usedMs = 0;
  let looked = 0;
  story.phase('reading');
  for (const set of sets) {
    // The first is begun in any case, so that a small budget comes round in the end, too.
    if (budgetMs !== undefined && looked > 0 && usedMs >= budgetMs) break;
    looked += 1;
    const name = `${set.id}-${set.tier}`;
    story.step('', name, 'running');
    const seen = await activities.verifySet(`verify ${name}`, {
      set,
      level,
      volumes: name === newest,
      ...(budgetMs === undefined ? {} : { budgetMs: Math.max(0, budgetMs - usedMs) }),
    });
    if (seen === null) {
      story.step('', name, 'skipped', 'removed meanwhile');
      continue;
    }
    usedMs += seen.durationMs;
    verified.push(seen);
    story.step('', name, seen.damage.length > 0 ? 'failed' : 'done', describeVerified(seen));
  }
  return {
    level,
    sets: verified,
    left: sets.length - looked,
    bytes: verified.reduce((sum, { bytes }) => sum + bytes, 0),
    damaged: [
      ...new Set(verified.flatMap(({ damage }) => damage.flatMap((one) => one.sets))),
    ].sort(),
  };
}

function describeVerified({ files, bytes, damage, unfinished }: VerifiedSet): string {
  return [
    `${count(files, 'file')}, ${formatBytes(bytes)} read`,
    ...(damage.length === 0 ? [] : [`${damage.length} damaged`]),
    ...(unfinished === 0 ? [] : [`${count(unfinished, 'artifact')} left for the next time`]),
  ].join(', ');
}

function hasNotes({ sets }: VerifyBackupsResult): boolean {
  return sets.some(({ notes }) => notes.length > 0);
}

function summaryOf({ sets, bytes, damaged, left }: VerifyBackupsResult): string {
  const read = `${count(sets.length, 'set')} looked at, ${formatBytes(bytes)} read`;
  const rest = left === 0 ? [] : [`${left} left for the next time`];
  const files = new Map(
    sets.flatMap(({ damage }) =>
      damage.map((one) => [one.file, `${one.file} (in ${one.sets.join(', ')})`] as const),
    ),
  );
  const notes = sets.flatMap((set) => set.notes);
  const head = damaged.length === 0 ? 'Backups verified' : 'Backups are damaged';
  return [`${head}: ${read}`, ...rest, ...files.values(), ...notes].join('; ');
}
