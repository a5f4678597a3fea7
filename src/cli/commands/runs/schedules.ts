/** `holdfast schedules`: what runs by itself, and when. */
import type { Command } from 'commander';
import { z } from 'zod';
import type { CommandHost } from '../../host/command-host.js';
import type { CliContext } from '../../host/context.js';
import type { ExitCode } from '../../output/exit.js';
import type { ScheduleGateway } from '../../host/ports.js';
import {
  needsCare,
  renderChanges,
  renderPaused,
  renderResumed,
  renderSchedules,
} from '../../views/runs/schedules-view.js';

const applyOptionsSchema = z.object({ dryRun: z.boolean().default(false) });
const pauseOptionsSchema = z.object({ note: z.string().trim().min(1).optional() });

const EXAMPLES = `
Examples:
  holdfast schedules apply --dry-run       what the configuration would change
  holdfast schedules list                  next and last runs, what was left out
  holdfast schedules pause --note 'disk swap'    all of the stack's
  holdfast schedules resume
  holdfast schedules trigger backup        now; makes up for a night that failed

The worker applies the schedules of the configuration when it starts, unless
\`schedules.apply\` is \`manual\`. A paused schedule stays paused.`;

const LIST_HELP = `
Exit codes:
  0 all as configured   3 one is missing, differs or is not Holdfast's`;

export function addSchedulesCommand(program: Command, commands: CommandHost): void {
  const schedules = program
    .command('schedules')
    .description('what runs by itself: apply, list, pause, resume, trigger')
    .addHelpText('after', EXAMPLES);
  schedules
    .command('apply')
    .description("make Temporal's schedules those of the configuration")
    .option('--dry-run', 'say what would change, and change nothing')
    .action((options: unknown, command: Command) =>
      commands.run(command, (context) => apply(context, applyOptionsSchema.parse(options))),
    );
  schedules
    .command('list')
    .description('list the schedules with their next and last runs')
    .addHelpText('after', LIST_HELP)
    .action((_options: unknown, command: Command) => commands.run(command, list));
  schedules
    .command('pause')
    .argument('[name]', 'backup, check, verify or drill; all of them by default')
    .description('let nothing start by itself until it is resumed')
    .option('--note <text>', 'why, for whoever looks next')
    .action((name: string | undefined, options: unknown, command: Command) =>
      commands.run(command, (context) => pause(context, name, pauseOptionsSchema.parse(options))),
    );
  schedules
    .command('resume')
    .argument('[name]', 'backup, check, verify or drill; all of them by default')
    .description('the opposite of pause')
    .action((name: string | undefined, _options: unknown, command: Command) =>
      commands.run(command, (context) => resume(context, name)),
    );
  schedules
    .command('trigger')
    .argument('<name>', 'backup, check, verify or drill')
    .description('start a run now, unless one is going on')
    .action((name: string, _options: unknown, command: Command) =>
      commands.run(command, (context) => trigger(context, name)),
    );
}

async function withSchedules<T>(
  context: CliContext,
  work: (gateway: ScheduleGateway) => Promise<T>,
): Promise<T> {
  const gateway = await context.ports.connectSchedules();
  try {
    return await work(gateway);
  } finally {
    await gateway.close();
  }
}

async function apply(
  context: CliContext,
  { dryRun }: z.output<typeof applyOptionsSchema>,
): Promise<ExitCode> {
  const config = await context.loadConfig();
  const changes = await withSchedules(context, (gateway) => gateway.apply(config, { dryRun }));
  const foreign = changes.some(({ action }) => action === 'foreign');
  if (context.options.json) {
    const changed = changes.some(({ action }) => action !== 'keep' && action !== 'foreign');
    context.printJson({ stack: config.stack, dryRun, changed, changes });
  } else {
    for (const line of renderChanges(changes, config.stack, dryRun, context.style)) {
      context.say(line);
    }
  }
  return foreign ? 3 : 0;
}

async function list(context: CliContext): Promise<ExitCode> {
  const config = await context.loadConfig();
  const schedules = await withSchedules(context, (gateway) => gateway.list(config));
  if (context.options.json) {
    context.printJson({ stack: config.stack, apply: config.schedules.apply, schedules });
  } else if (schedules.length === 0) {
    context.say(`${config.file} has no schedules: nothing runs by itself`);
    context.say('write `tiers.daily.schedule`, for example');
  } else {
    const columns = context.host.out.columns();
    for (const line of renderSchedules(schedules, columns, Date.now(), context.style)) {
      context.print(line);
    }
  }
  return schedules.some(needsCare) ? 3 : 0;
}

async function pause(
  context: CliContext,
  name: string | undefined,
  options: z.output<typeof pauseOptionsSchema>,
): Promise<ExitCode> {
  const { stack } = await context.loadConfig();
  const user = context.host.env['USER'];
  const note = options.note ?? `paused${user === undefined ? '' : ` by ${user}`}`;
  const ids = await withSchedules(context, (gateway) => gateway.pause(stack, name, note));
  if (context.options.json) context.printJson({ stack, paused: ids, note });
  else for (const line of renderPaused(ids, note)) context.say(line);
  return 0;
}

async function resume(context: CliContext, name: string | undefined): Promise<ExitCode> {
  const { stack } = await context.loadConfig();
  const ids = await withSchedules(context, (gateway) => gateway.resume(stack, name));
  if (context.options.json) context.printJson({ stack, resumed: ids });
  else for (const line of renderResumed(ids)) context.say(line);
  return 0;
}

async function trigger(context: CliContext, name: string): Promise<ExitCode> {
  const { stack } = await context.loadConfig();
  const workflowId = await withSchedules(context, (gateway) => gateway.trigger(stack, name));
  if (context.options.json) {
    context.printJson({ stack, schedule: name, workflowId: workflowId ?? null });
  } else if (context.options.quiet) {
    if (workflowId !== undefined) context.print(workflowId);
  } else {
    context.say(
      workflowId === undefined
        ? 'asked for; `holdfast schedules list` shows the run when it has started'
        : `started: ${workflowId}`,
    );
  }
  return 0;
}
