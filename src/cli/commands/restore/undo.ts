/** `holdfast undo`: brings back what a finished restore replaced. */
import type { Command } from 'commander';
import { z } from 'zod';
import type { Config } from '../../../format/config/schema.js';
import { HoldfastError } from '../../../base/errors.js';
import { formatStamp, undoWorkflowId } from '../../../plan/shared/ids.js';
import type { UndoRestoreResult } from '../../../plan/shared/inputs.js';
import type { UndoPlan } from '../../../plan/rollback/undo-plan.js';
import { formatDuration } from '../../../base/words.js';
import { ask } from '../../ask.js';
import type { CommandHost } from '../../host/command-host.js';
import type { CliContext } from '../../host/context.js';
import { temporalAnswers } from '../../host/dev-temporal.js';
import { reportFrozen, withRunsAnywhere } from '../../host/embedded.js';
import type { ExitCode } from '../../output/exit.js';
import { leave, planOf, startAndWatch, targetOf } from '../../host/follow.js';
import type { RunGateway, StartUndo } from '../../host/ports.js';
import { parseResult, undoRestoreResultSchema } from '../../results.js';
import { oneLine } from '../../render/text.js';
import { renderUndoPlan } from '../../views/runs/restores-view.js';

const optionsSchema = z.object({
  dryRun: z.boolean().default(false),
  yes: z.boolean().default(false),
  refuseIfBusy: z.boolean().default(false),
});
type Options = z.output<typeof optionsSchema>;

const EXAMPLES = `
Examples:
  holdfast restores                        what can be undone
  holdfast undo                            the latest restore, after asking
  holdfast undo 20241213_093000 --yes

The exact state from before the restore comes back, from the safety copies that
the restore kept: data, files, volumes, and the containers that ran. What was
restored is thrown away; the set it came from stays.

Exit codes:
  0 done   1 failed   2 usage or configuration
  3 done, a service is not healthy   130 interrupted`;

export function addUndoCommand(program: Command, commands: CommandHost): void {
  program
    .command('undo')
    .description('bring back what a finished restore replaced')
    .argument('[restore]', 'id of the restore, or latest', 'latest')
    .option('--dry-run', 'show what would be put back and stop')
    .option('-y, --yes', 'do not ask for confirmation')
    .option('--refuse-if-busy', 'fail when another run holds the stack, instead of waiting')
    .addHelpText('after', EXAMPLES)
    .action((restore: string, options: unknown, command: Command) =>
      commands.run(command, (context) => undo(context, restore, optionsSchema.parse(options))),
    );
}

async function undo(context: CliContext, restore: string, options: Options): Promise<ExitCode> {
  if (!/^(latest|\d{8}_\d{6})$/.test(restore)) {
    throw new HoldfastError('USAGE', `"${restore}" is not a restore`, {
      hint: 'give an id such as 20241213_093000, or latest; `holdfast restores` lists them',
      facts: { restore },
    });
  }
  if (!options.dryRun && !options.yes && !context.interactive) {
    throw new HoldfastError('CONFIRMATION_REQUIRED', 'an undo replaces data and needs a yes', {
      hint: 'add --dry-run to see what it would do, or --yes to do it without asking',
    });
  }
  const config = await context.loadConfig();
  if (options.dryRun && !(await temporalAnswers(context, await context.ports.temporalAddress()))) {
    const found = await context.ports.planUndo(config, restore);
    const { restoreId } = found;
    return showDryRun(context, {
      ...{ restoreId, dryRun: true, plan: found },
      ...{ unhealthy: [], durationMs: 0 },
    });
  }
  return withRunsAnywhere(context, config, async (gateway, embedded) => {
    const planned = await plan(context, gateway, config, restore);
    if (planned === undefined) return 130;
    if (options.dryRun) return showDryRun(context, planned);
    showPlan(context, planned.plan);
    const question = `Put the state from before restore ${planned.restoreId} back? Type yes: `;
    if (!options.yes && (await ask(context.host, question)) !== 'yes') {
      context.say('nothing was changed');
      return 130;
    }
    return carryOut(context, gateway, config, planned.restoreId, { ...options, embedded });
  });
}

function showPlan(context: CliContext, plan: UndoPlan): void {
  for (const line of renderUndoPlan(plan, context.style)) context.say(line);
  context.emit({ type: 'plan', plan });
}

function showDryRun(context: CliContext, result: UndoRestoreResult): ExitCode {
  showPlan(context, result.plan);
  context.emit({ type: 'result', command: 'undo', exitCode: 0, dryRun: true, result });
  return 0;
}

async function plan(
  context: CliContext,
  gateway: RunGateway,
  config: Config,
  restore: string,
): Promise<UndoRestoreResult | undefined> {
  const run = undoRun(config, `${formatStamp(new Date())}-plan`, { restore, dryRun: true });
  const result = await planOf(context, gateway, run);
  if (result === undefined) return undefined;
  return parseResult(undoRestoreResultSchema, result, run.workflowId);
}

async function carryOut(
  context: CliContext,
  gateway: RunGateway,
  config: Config,
  restore: string,
  options: Options & { readonly embedded: boolean },
): Promise<ExitCode> {
  const onBusy = options.refuseIfBusy ? 'refuse' : 'wait';
  const run = undoRun(config, formatStamp(new Date()), { restore, onBusy });
  const outcome = await startAndWatch(context, gateway, run, !options.embedded);
  if (outcome.type === 'left') {
    return options.embedded
      ? reportFrozen(context, outcome.workflowId)
      : leave(context, gateway, outcome);
  }
  const result = parseResult(undoRestoreResultSchema, outcome.result, outcome.workflowId);
  const exitCode = result.unhealthy.length === 0 ? 0 : 3;
  context.emit({
    type: 'result',
    command: 'undo',
    exitCode,
    workflowId: outcome.workflowId,
    result,
  });
  context.say(
    `${context.style.status(exitCode === 0 ? 'success' : 'degraded', 'undone')}  restore ` +
      `${result.restoreId}, ${formatDuration(result.durationMs)}; ` +
      (exitCode === 0
        ? 'the state from before it is back'
        : 'the data from before it is back, but not all that ran:'),
  );
  for (const { service, reason } of result.unhealthy) {
    context.say(`  ${service}: ${oneLine(reason)}`);
  }
  return exitCode;
}

function undoRun(
  config: Config,
  stamp: string,
  input: Omit<StartUndo['input'], 'stack' | 'host'> & { readonly restore: string },
): StartUndo {
  return {
    type: 'undoRestore',
    workflowId: undoWorkflowId(config.stack, stamp),
    summary: `Undo of restore ${input.restore} of ${config.stack}`,
    input: {
      ...targetOf(config),
      ...input,
    },
  };
}
