/** `holdfast list`: the backup sets on disk. Needs no Temporal. */
import type { Command } from 'commander';
import { z } from 'zod';
import { formatBytes } from '../../../base/words.js';
import { diskUseOf } from '../../../store/catalogue/disk-use.js';
import { readDrills } from '../../../store/records/drills.js';
import { tierSchema, type SetFile } from '../../../format/manifest.js';
import { inspectCatalogue, describeLacks } from '../../../store/catalogue/inspect.js';
import { readPins } from '../../../store/catalogue/pins.js';
import { readVerifications } from '../../../store/verify/verification.js';
import type { CommandHost } from '../../host/command-host.js';
import type { CliContext } from '../../host/context.js';
import type { ExitCode } from '../../output/exit.js';
import { Option } from 'commander';
import { oneLine } from '../../render/text.js';
import { openOldBackups } from '../../old-backups.js';
import { openStore, rootOption } from '../../host/store.js';
import { summarizeDrills } from '../../views/runs/drill-view.js';
import { renderList } from '../../views/sets/list-view.js';
import { oldBackupAsJson, renderOldList } from '../../views/sets/old-view.js';
import { setName, storeFacts, summarizeSet } from '../../views/sets/set-rows.js';
import { summarizeVerification } from '../../views/runs/verify-view.js';

const optionsSchema = z.object({ root: z.string().optional(), tier: tierSchema.optional() });

const EXAMPLES = `
Examples:
  holdfast list
  holdfast list --tier weekly
  holdfast list --root /mnt/disk/backups   a store without its configuration
  holdfast list --json | jq '.sets[0]'     newest first

Sets share the files that did not change between them: STORED counts them in
each, the total below the table once. STATUS is "incomplete" where files are
missing or have another size than when they were written. VERIFIED is what
\`holdfast verify\` found, DRILLED how long a restore took in the last drill. A
tier with a * is that of a pinned set (\`holdfast pin\`).
What the old backup script left in the same tree is listed below, unverified.

Exit codes:
  0 done   2 usage or configuration
  3 a set can't be read, is damaged or not all there`;

export function addListCommand(program: Command, commands: CommandHost): void {
  program
    .command('list')
    .description('list the backup sets, newest first')
    .addOption(rootOption())
    .addOption(new Option('--tier <tier>', 'only sets of this tier').choices(tierSchema.options))
    .addHelpText('after', EXAMPLES)
    .action((options: unknown, command: Command) =>
      commands.run(command, (context) => list(context, optionsSchema.parse(options))),
    );
}

async function list(
  context: CliContext,
  options: z.output<typeof optionsSchema>,
): Promise<ExitCode> {
  const store = await openStore(context, options.root);
  const nowMs = Date.now();
  const [looked, verifications, drills, pins] = await Promise.all([
    inspectCatalogue(store.root, store.sets),
    readVerifications(store.root),
    readDrills(store.root),
    readPins(store.root),
  ]);
  const use = diskUseOf(looked.sets, looked.inspection);
  const sets = newestFirst(looked.sets)
    .filter(({ tier }) => options.tier === undefined || tier === options.tier)
    .map((set) => ({
      ...summarizeSet(set, nowMs),
      ...storeFacts(set, {
        use: use.sets.get(setName(set)),
        lacks: looked.inspection.lacksOf(set),
        verification: summarizeVerification(verifications.get(setName(set))),
        drill: summarizeDrills(drills.get(setName(set))),
        pin: pins.get(setName(set)),
      }),
    }));
  const { root, unreadable } = store;
  if (!context.options.json) {
    for (const { lacks, ...set } of sets.filter((one) => one.lacks.length > 0)) {
      context.warn(oneLine(`${setName(set)} is not all there: ${describeLacks(lacks)}`));
    }
  }
  const { backups, unknown } = await openOldBackups(context, store, options.root);
  const old = backups.filter(({ tier }) => options.tier === undefined || tier === options.tier);
  if (context.options.json) {
    context.printJson({
      root,
      sets,
      diskBytes: use.diskBytes,
      unreadable,
      oldSets: [...old].reverse().map((backup) => oldBackupAsJson(backup, nowMs)),
      unknownFiles: unknown,
    });
  } else if (sets.length === 0) {
    context.say(`no backup sets in ${store.root}`);
    context.say('`holdfast backup` makes one');
  } else {
    for (const line of renderList(sets, context.host.out.columns(), nowMs, context.style)) {
      context.print(line);
    }
    context.say();
    context.say(`${formatBytes(use.diskBytes)} on disk; FREES is what removing one set would free`);
    if (sets.some(({ pinned }) => pinned !== null)) {
      context.say('* pinned: stays whatever its tier keeps');
    }
  }
  if (!context.options.json) {
    const lines = renderOldList(old, unknown, context.host.out.columns(), nowMs, context.style);
    if (lines.length > 0) context.print('');
    for (const line of lines) context.print(line);
  }
  // A set that can't be read, or is damaged, is not there when it is needed.
  const damaged = sets.some(
    ({ verification, lacks }) => verification?.ok === false || lacks.length > 0,
  );
  return unreadable.length > 0 || damaged ? 3 : 0;
}

function newestFirst(sets: readonly SetFile[]): SetFile[] {
  return [...sets].sort(
    (left, right) =>
      Date.parse(right.startedAt) - Date.parse(left.startedAt) ||
      right.id.localeCompare(left.id) ||
      left.tier.localeCompare(right.tier),
  );
}
