/** `holdfast drill`: a real restore under throw-away names, beside the running stack. */
import type { Command } from 'commander';
import { z } from 'zod';
import { HoldfastError } from '../../../base/errors.js';
import { drillWorkflowId, formatStamp } from '../../../plan/shared/ids.js';
import type { CommandHost } from '../../host/command-host.js';
import type { CliContext } from '../../host/context.js';
import { exitCodeOfStatus, type ExitCode } from '../../output/exit.js';
import { leave, startAndWatch, startDetached, targetOf, withRuns } from '../../host/follow.js';
import { checkServices, checkSetName, serviceOption } from '../../options.js';
import type { StartDrill } from '../../host/ports.js';
import { drillRestoreResultSchema, parseResult } from '../../results.js';
import { renderDrillResult } from '../../views/runs/drill-view.js';

const optionsSchema = z.object({
  service: z.array(z.string()).optional(),
  keep: z.boolean().default(false),
  reap: z.boolean().default(false),
  detach: z.boolean().default(false),
});
type Options = z.output<typeof optionsSchema>;

const EXAMPLES = `
Examples:
  holdfast drill                           the latest set, all of it
  holdfast drill 20241212_010000-daily     a certain set
  holdfast drill -s agent                  one service, and what it comes after
  holdfast drill --keep                    leave it up, to look at it
  holdfast drill --reap                    remove what kept and dead drills left

The same plan as a restore, under names of its own: its containers, volumes and
networks carry the drill's id, no port is published, and nothing reaches the
real stack or (unless the configuration allows it) the internet. What comes up
is compared with the backup, timed, and removed again however the drill ends.

Exit codes:
  0 passed   1 failed   2 usage or configuration   130 interrupted`;

export function addDrillCommand(program: Command, commands: CommandHost): void {
  program
    .command('drill')
    .description('restore a set under throw-away names, compare it, time it, remove it')
    .argument('[set]', 'id of the set, with or without its tier, or latest', 'latest')
    .addOption(serviceOption())
    .option('--keep', 'leave the drill up for looking at it')
    .option('--reap', 'only remove what kept and dead drills left')
    .option('--detach', 'start the run and do not watch it')
    .addHelpText('after', EXAMPLES)
    .action((set: string, options: unknown, command: Command) =>
      commands.run(command, (context) => drill(context, set, optionsSchema.parse(options))),
    );
}

async function drill(context: CliContext, set: string, options: Options): Promise<ExitCode> {
  checkSetName(set);
  if (options.reap && (options.keep || options.service !== undefined || set !== 'latest')) {
    throw new HoldfastError('USAGE', '--reap takes no set, --service or --keep', {
      hint: 'it removes what is left of all drills of this stack',
    });
  }
  const config = await context.loadConfig();
  checkServices(config, options.service);
  const run: StartDrill = {
    type: 'drillRestore',
    workflowId: drillWorkflowId(config.stack, formatStamp(new Date())),
    summary: options.reap ? `Reap drills of ${config.stack}` : `Drill of ${config.stack}`,
    input: {
      ...targetOf(config),
      set,
      ...(options.service === undefined ? {} : { services: options.service }),
      keep: options.keep,
      reap: options.reap,
    },
  };
  return withRuns(context, async (gateway) => {
    if (options.detach) {
      await startDetached(context, gateway, run);
      return 0;
    }
    const outcome = await startAndWatch(context, gateway, run);
    if (outcome.type === 'left') return leave(context, gateway, outcome);
    const result = parseResult(drillRestoreResultSchema, outcome.result, outcome.workflowId);
    const exitCode = exitCodeOfStatus(
      result.drill?.problems === undefined ? 'success' : 'degraded',
    );
    context.emit({
      type: 'result',
      command: 'drill',
      exitCode,
      workflowId: outcome.workflowId,
      result,
    });
    for (const line of renderDrillResult(result, context.style)) context.say(line);
    return exitCode;
  });
}
