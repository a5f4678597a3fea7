/** `holdfast restores`, `discard`, `recover`, `approve`: looking after restores that were begun. */
import type { Command } from 'commander';
import { z } from 'zod';
import { HoldfastError, isHoldfastError } from '../../../base/errors.js';
import { formatBytes, count } from '../../../base/words.js';
import { ask } from '../../ask.js';
import type { CommandHost } from '../../host/command-host.js';
import type { CliContext } from '../../host/context.js';
import type { ExitCode } from '../../output/exit.js';
import { withRuns } from '../../host/follow.js';
import type { RestoreListing } from '../../host/ports.js';
import { requireWorker } from '../../host/require-worker.js';
import { renderRestores } from '../../views/runs/restores-view.js';

export function addRestoresCommands(program: Command, commands: CommandHost): void {
  program
    .command('restores')
    .description('list past restores, and what their safety copies take')
    .action((_options: unknown, command: Command) => commands.run(command, listRestores));
  program
    .command('discard')
    .description("throw a restore's safety copies away: it can't be undone after that")
    .argument('[restores...]', 'ids of restores')
    .option('--all', 'those of every finished restore')
    .option('-y, --yes', 'do not ask for confirmation')
    .addHelpText('after', DISCARD_EXAMPLES)
    .action((restores: string[], options: unknown, command: Command) =>
      commands.run(command, (context) => discard(context, restores, discardSchema.parse(options))),
    );
  program
    .command('recover')
    .description('take back what dead runs left: half restores, containers that stayed stopped')
    .option('--without-temporal', 'no Temporal will come back: every run counts as dead')
    .option(
      '--leave <restore>',
      'do not take this one back: close it as it is, keep its safety copies',
    )
    .option('-y, --yes', 'do not ask for confirmation')
    .addHelpText('after', RECOVER_EXAMPLES)
    .action((options: unknown, command: Command) =>
      commands.run(command, (context) => recover(context, recoverSchema.parse(options))),
    );
  program
    .command('approve')
    .description('let a restore go on that waits for a person')
    .argument('[run]', 'id of the run; not needed where only one waits')
    .option('--by <name>', 'who approves, for the record')
    .addHelpText('after', APPROVE_EXAMPLES)
    .action((run: string | undefined, options: unknown, command: Command) =>
      commands.run(command, (context) => approve(context, run, approveSchema.parse(options))),
    );
}

const discardSchema = z.object({
  all: z.boolean().default(false),
  yes: z.boolean().default(false),
});
const recoverSchema = z.object({
  withoutTemporal: z.boolean().default(false),
  leave: z
    .string()
    .regex(/^\d{8}_\d{6}$/)
    .optional(),
  yes: z.boolean().default(false),
});
const approveSchema = z.object({ by: z.string().min(1).optional() });

const DISCARD_EXAMPLES = `
Examples:
  holdfast restores                        what there is, and what it takes
  holdfast discard 20241213_093000
  holdfast discard --all --yes

Safety copies go by themselves when they are older than restore.keepSafetyCopies
(14 days by default). What can't be removed, or is broken off, is tried again by
every run. A restore that is not finished keeps its own: they are
needed to take it back.`;

const RECOVER_EXAMPLES = `
Examples:
  holdfast recover                         every worker does it at its start
  holdfast recover --without-temporal      Temporal's state is lost
  holdfast recover --leave 20241213_093000 can't be taken back, and need not be

A restore whose run was terminated, or whose Temporal is gone, is taken back:
its safety copies return, what ran before it runs again. Containers that a dead
backup had stopped are started.

Exit codes:
  0 nothing is left to do   1 something could not be taken back`;

const APPROVE_EXAMPLES = `
Examples:
  holdfast restore --pause-before agent --detach --yes
  holdfast approve --by anna

In Temporal's UI: the update "approve" with {"by":"anna"}.`;

async function listRestores(context: CliContext): Promise<ExitCode> {
  const config = await context.loadConfig();
  const restores = await context.ports.pastRestores(config);
  if (context.options.json) {
    context.printJson({ restores });
    return 0;
  }
  if (restores.length === 0) {
    context.say('nothing was restored yet');
    return 0;
  }
  const columns = context.host.out.columns();
  for (const line of renderRestores(restores, columns, Date.now(), context.style)) {
    context.print(line);
  }
  return 0;
}

async function discard(
  context: CliContext,
  ids: readonly string[],
  options: z.output<typeof discardSchema>,
): Promise<ExitCode> {
  if (options.all === ids.length > 0) {
    throw new HoldfastError('USAGE', 'say which restores: their ids, or --all', {
      hint: '`holdfast restores` lists them',
    });
  }
  const config = await context.loadConfig();
  const known = await context.ports.pastRestores(config);
  const unknown = ids.filter((id) => known.every(({ restoreId }) => restoreId !== id));
  if (unknown.length > 0) {
    throw new HoldfastError('SET_NOT_FOUND', `there is no restore ${unknown.join(', ')}`, {
      hint: '`holdfast restores` lists them',
      facts: { unknown },
    });
  }
  const chosen = known.filter(({ restoreId, state }) =>
    options.all ? state === 'finished' || state === 'discarding' : ids.includes(restoreId),
  );
  if (chosen.length === 0) {
    context.say('there are no safety copies');
    context.emit({ type: 'result', command: 'discard', exitCode: 0, discarded: [] });
    return 0;
  }
  if (!(await confirmed(context, options.yes, describeDiscard(chosen)))) return 130;
  // All of them before the first goes: what a kill leaves of this is done by the next run.
  await context.ports.markDiscarded(
    config,
    chosen.map(({ restoreId }) => restoreId),
  );
  const discarded: string[] = [];
  const failures: HoldfastError[] = [];
  for (const { restoreId } of chosen) {
    try {
      await context.ports.discardRestore(config, restoreId);
      context.say(`discarded the safety copies of restore ${restoreId}`);
      discarded.push(restoreId);
    } catch (error) {
      if (!isHoldfastError(error)) throw error;
      failures.push(error);
      if (chosen.length > 1) {
        context.say(
          `${context.style.status('failed', 'not done')}  ${restoreId}: ${error.message}`,
        );
      }
    }
  }
  const [first, ...others] = failures;
  if (first !== undefined && others.length === 0) throw first;
  if (first !== undefined) {
    throw new HoldfastError(
      'RESTORE_FAILED',
      `the safety copies of ${count(failures.length, 'restore')} could not be discarded`,
      { hint: first.hint ?? 'every run tries it again', facts: { discarded } },
    );
  }
  context.emit({ type: 'result', command: 'discard', exitCode: 0, discarded });
  return 0;
}

function describeDiscard(chosen: readonly RestoreListing[]): string {
  const bytes = chosen.reduce((sum, { sizeBytes }) => sum + (sizeBytes ?? 0), 0);
  return (
    `Throw the safety copies of ${count(chosen.length, 'restore')} away ` +
    `(${chosen.map(({ restoreId }) => restoreId).join(', ')}; ${formatBytes(bytes)})?`
  );
}

async function recover(
  context: CliContext,
  options: z.output<typeof recoverSchema>,
): Promise<ExitCode> {
  const config = await context.loadConfig();
  const question = 'Take back everything that is not finished, whatever run it belongs to?';
  if (options.withoutTemporal && !(await confirmed(context, options.yes, question))) return 130;
  const report = await context.ports.recover(config, options);
  const { takenBack, started, superseded = [] } = report;
  const lost = (report.unreadable ?? []).flatMap(({ unreadable = [] }) => unreadable);
  const problems = [...report.problems, ...lost];
  const exitCode: ExitCode = problems.length === 0 ? 0 : 1;
  for (const id of takenBack) context.say(`restore ${id} was taken back`);
  for (const name of started) context.say(`started ${name}`);
  for (const sentence of superseded) context.say(sentence);
  for (const problem of problems)
    context.say(`${context.style.status('failed', 'not done')}  ${problem}`);
  if (takenBack.length + started.length + problems.length + superseded.length === 0)
    context.say('nothing to recover');
  context.emit({
    ...{ type: 'result', command: 'recover', exitCode },
    ...{ takenBack, started, problems, superseded },
  });
  return exitCode;
}

async function approve(
  context: CliContext,
  run: string | undefined,
  { by }: z.output<typeof approveSchema>,
): Promise<ExitCode> {
  const config = await context.loadConfig();
  return withRuns<ExitCode>(context, async (gateway) => {
    await requireWorker(context, gateway, { stack: config.stack });
    const waiting = run === undefined ? await gateway.waiting(config.stack) : [run];
    const [only] = waiting;
    if (only === undefined || waiting.length > 1) {
      throw new HoldfastError(
        'USAGE',
        only === undefined ? 'no run waits for an approval' : 'several runs wait for an approval',
        {
          hint: only === undefined ? 'nothing is to be done' : `name one: ${waiting.join(', ')}`,
          facts: { waiting },
        },
      );
    }
    const answer = await gateway.approve(only, by);
    context.say(answer);
    context.emit({ type: 'result', command: 'approve', exitCode: 0, workflowId: only, answer });
    return 0;
  });
}

/** @throws HoldfastError CONFIRMATION_REQUIRED where nobody can be asked */
async function confirmed(context: CliContext, yes: boolean, question: string): Promise<boolean> {
  if (yes) return true;
  if (!context.interactive) {
    throw new HoldfastError('CONFIRMATION_REQUIRED', 'this needs a yes', {
      hint: 'add --yes to do it without asking',
    });
  }
  if ((await ask(context.host, `${question} Type yes: `)) === 'yes') return true;
  context.say('nothing was changed');
  return false;
}
