/** `holdfast notify test`: tries the notification channels now. Needs no Temporal. */
import { Option, type Command } from 'commander';
import { z } from 'zod';
import { notificationStatusSchema } from '../../../format/config/notifications.js';
import type { Config } from '../../../format/config/schema.js';
import { HoldfastError } from '../../../base/errors.js';
import type { CommandHost } from '../../host/command-host.js';
import type { CliContext } from '../../host/context.js';
import type { ExitCode } from '../../output/exit.js';
import type { ChannelOutcome } from '../../host/ports.js';
import { renderOutcomes } from '../../views/runs/notify-view.js';

const optionsSchema = z.object({
  channel: z.string().optional(),
  status: notificationStatusSchema.default('success'),
});

const EXAMPLES = `
Examples:
  holdfast notify test
  holdfast notify test --channel chat --status failed
  holdfast notify test --json

Every channel gets the message, also one whose \`on\` leaves this status out.
Run it where the worker runs, as its user: secrets come from its environment
and files.`;

export function addNotifyCommand(program: Command, commands: CommandHost): void {
  const notify = program
    .command('notify')
    .description('try the notification channels')
    .addHelpText('after', EXAMPLES);
  notify
    .command('test')
    .description('send a test message to every channel and say how each took it')
    .option('--channel <name>', 'only this one: its name, or its type where it has none')
    .addOption(
      new Option('--status <status>', 'what to tell (default: success)').choices(
        notificationStatusSchema.options,
      ),
    )
    .addHelpText('after', EXAMPLES)
    .action((options: unknown, command: Command) =>
      commands.run(command, (context) => test(context, optionsSchema.parse(options))),
    );
}

async function test(
  context: CliContext,
  options: z.output<typeof optionsSchema>,
): Promise<ExitCode> {
  const config = await context.loadConfig();
  const indices = chosen(config, options.channel);
  const { status } = options;
  const outcomes = await context.ports.testNotifications(config, { indices, status });
  const failed = outcomes.some(({ ok }) => !ok);
  if (context.options.json) context.printJson({ ok: !failed, status, channels: outcomes });
  else report(context, outcomes);
  return failed ? 1 : 0;
}

/** @throws HoldfastError USAGE when there is no such channel, or none at all */
function chosen(config: Config, wanted: string | undefined): readonly number[] {
  const names = config.notifications.map(({ name, type }) => name ?? type);
  if (names.length === 0) {
    throw new HoldfastError('USAGE', `${config.file} has no notifications`, {
      hint: 'add a channel under `notifications`',
    });
  }
  const indices = names.flatMap((name, index) =>
    wanted === undefined || name === wanted ? [index] : [],
  );
  if (indices.length > 0) return indices;
  throw new HoldfastError('USAGE', `there is no notification channel "${wanted ?? ''}"`, {
    hint: `there are ${[...new Set(names)].join(', ')}`,
    facts: { known: names },
  });
}

function report(context: CliContext, outcomes: readonly ChannelOutcome[]): void {
  for (const { ok, lines } of renderOutcomes(outcomes, context.style)) {
    // With --quiet only what went wrong is told.
    for (const line of lines) {
      if (ok) context.say(line);
      else context.print(line);
    }
  }
}
