/** `holdfast pin` and `unpin`: sets that stay whatever the tiers keep. Need no Temporal. */
import type { Command } from 'commander';
import { z } from 'zod';
import { chooseSet } from '../../../plan/restore/choose-set.js';
import { pinSet, readPins, unpinSet } from '../../../store/catalogue/pins.js';
import type { CommandHost } from '../../host/command-host.js';
import type { CliContext } from '../../host/context.js';
import type { ExitCode } from '../../output/exit.js';
import { checkSetName } from '../../options.js';
import { oneLine } from '../../render/text.js';
import { openStore, rootOption } from '../../host/store.js';
import { setName } from '../../views/sets/set-rows.js';

const optionsSchema = z.object({ note: z.string().default(''), root: z.string().optional() });
type Options = z.output<typeof optionsSchema>;

const EXAMPLES = `
Examples:
  holdfast pin latest --note 'before the move to PostgreSQL 16'
  holdfast pin                             what is pinned
  holdfast unpin 20241212_010000-daily

A pinned set is never removed, loses nothing, and does not count towards what
its tier keeps.

Exit codes:
  0 done   2 usage or configuration`;

export function addPinCommands(program: Command, commands: CommandHost): void {
  program
    .command('pin')
    .description('keep a set whatever retention says, or list those that are pinned')
    .argument('[set]', 'id of the set, with or without its tier, or latest')
    .option('--note <text>', 'why')
    .addOption(rootOption())
    .addHelpText('after', EXAMPLES)
    .action((set: string | undefined, options: unknown, command: Command) =>
      commands.run(command, (context) => pin(context, set, optionsSchema.parse(options))),
    );
  program
    .command('unpin')
    .description('let retention decide about a set again')
    .argument('<set>', 'id of the set, with or without its tier, or latest')
    .addOption(rootOption())
    .action((set: string, options: unknown, command: Command) =>
      commands.run(command, (context) => unpin(context, set, optionsSchema.parse(options))),
    );
}

async function pin(
  context: CliContext,
  name: string | undefined,
  { note: why, root: explicitRoot }: Options,
): Promise<ExitCode> {
  if (name !== undefined) checkSetName(name);
  const { root, sets } = await openStore(context, explicitRoot);
  if (name !== undefined) {
    const { set } = chooseSet(sets, name);
    await pinSet(root, set, why, new Date());
    context.say(`${setName(set)} is pinned`);
  }
  const pins = await readPins(root);
  if (context.options.json) {
    context.printJson({ pins: [...pins].map(([set, pin]) => ({ set, ...pin })) });
  } else if (name === undefined) {
    if (pins.size === 0) context.say('no set is pinned');
    for (const [set, { note }] of pins) context.print(`${set}  ${oneLine(note)}`.trimEnd());
  }
  return 0;
}

async function unpin(context: CliContext, name: string, options: Options): Promise<ExitCode> {
  checkSetName(name);
  const { root, sets } = await openStore(context, options.root);
  const { set } = chooseSet(sets, name);
  const was = await unpinSet(root, set);
  if (context.options.json) context.printJson({ set: setName(set), wasPinned: was });
  context.say(`${setName(set)} ${was ? 'is no longer pinned' : 'was not pinned'}`);
  return 0;
}
