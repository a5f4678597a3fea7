/** `holdfast list`: the backup sets on disk. Needs no Temporal. */
import type { Command } from 'commander';
import { z } from 'zod';
import { tierSchema, type SetFile } from '../../store/manifest.js';
import type { CommandHost } from '../command-host.js';
import type { CliContext } from '../context.js';
import type { ExitCode } from '../exit.js';
import { Option } from 'commander';
import { openStore, rootOption } from '../store.js';
import { renderList } from '../views/list-view.js';
import { summarizeSet } from '../views/set-rows.js';

const optionsSchema = z.object({ root: z.string().optional(), tier: tierSchema.optional() });

const EXAMPLES = `
Examples:
  holdfast list
  holdfast list --tier weekly
  holdfast list --root /mnt/disk/backups   a store without its configuration
  holdfast list --json | jq '.sets[0]'     newest first`;

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
  const sets = newestFirst(store.sets)
    .filter(({ tier }) => options.tier === undefined || tier === options.tier)
    .map((set) => summarizeSet(set, nowMs));
  if (context.options.json) {
    context.printJson({ root: store.root, sets, unreadable: store.unreadable });
  } else if (sets.length === 0) {
    context.say(`no backup sets in ${store.root}`);
    context.say('`holdfast backup` makes one');
  } else {
    for (const line of renderList(sets, context.host.out.columns(), context.style)) {
      context.print(line);
    }
  }
  // A set that can't be read is not there when it is needed.
  return store.unreadable.length > 0 ? 3 : 0;
}

function newestFirst(sets: readonly SetFile[]): SetFile[] {
  return [...sets].sort(
    (left, right) =>
      Date.parse(right.startedAt) - Date.parse(left.startedAt) ||
      right.id.localeCompare(left.id) ||
      left.tier.localeCompare(right.tier),
  );
}
