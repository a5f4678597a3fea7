/** `holdfast backup`: starts a backup of the stack and stays with it. */
import type { Command } from 'commander';
import { Option } from 'commander';
import { z } from 'zod';
import { backupWorkflowId, formatStamp } from '../../../plan/shared/ids.js';
import { tierSchema } from '../../../format/manifest.js';
import type { CommandHost } from '../../host/command-host.js';
import type { CliContext } from '../../host/context.js';
import { exitCodeOfStatus, type ExitCode } from '../../output/exit.js';
import { leave, startAndWatch, startDetached, targetOf, withRuns } from '../../host/follow.js';
import { alsoOption, checkServices, serviceOption } from '../../options.js';
import type { StartBackup } from '../../host/ports.js';
import { backupStackResultSchema, parseResult } from '../../results.js';
import { renderBackupResult } from '../../views/runs/result-view.js';

const optionsSchema = z.object({
  tier: tierSchema,
  also: z.array(tierSchema).optional(),
  service: z.array(z.string()).optional(),
  refuseIfBusy: z.boolean().default(false),
  detach: z.boolean().default(false),
});

const EXAMPLES = `
Examples:
  holdfast backup                          everything, as a manual set
  holdfast backup --tier daily             what the schedule would do now
  holdfast backup --tier daily --also weekly   read once, kept in both tiers
  holdfast backup -s pgdb,agent            only these services
  holdfast backup --detach                 start it and come back

Exit codes:
  0 done   1 failed   2 usage or configuration   3 done, but degraded
  130 interrupted`;

export function addBackupCommand(program: Command, commands: CommandHost): void {
  program
    .command('backup')
    .description('back up the stack now and watch it')
    .addOption(
      new Option('--tier <tier>', 'the tier the set belongs to')
        .choices(tierSchema.options)
        .default('manual'),
    )
    .addOption(alsoOption())
    .addOption(serviceOption())
    .option('--refuse-if-busy', 'fail when another run holds the stack, instead of waiting')
    .option('--detach', 'start the run and do not watch it')
    .addHelpText('after', EXAMPLES)
    .action((options: unknown, command: Command) =>
      commands.run(command, (context) => backup(context, optionsSchema.parse(options))),
    );
}

async function backup(
  context: CliContext,
  options: z.output<typeof optionsSchema>,
): Promise<ExitCode> {
  const config = await context.loadConfig();
  checkServices(config, options.service);
  const run: StartBackup = {
    type: 'backupStack',
    workflowId: backupWorkflowId(config.stack, formatStamp(new Date())),
    summary: `Backup of ${config.stack} (${options.tier})`,
    input: {
      ...targetOf(config),
      tier: options.tier,
      ...(options.also === undefined ? {} : { alsoTiers: options.also }),
      ...(options.service === undefined ? {} : { services: options.service }),
      onBusy: options.refuseIfBusy ? 'refuse' : 'wait',
    },
  };
  return withRuns(context, async (gateway) => {
    if (options.detach) {
      await startDetached(context, gateway, run);
      return 0;
    }
    const outcome = await startAndWatch(context, gateway, run);
    if (outcome.type === 'left') return leave(context, gateway, outcome);
    const result = parseResult(backupStackResultSchema, outcome.result, outcome.workflowId);
    const exitCode = exitCodeOfStatus(result.status);
    context.emit({
      type: 'result',
      command: 'backup',
      exitCode,
      workflowId: outcome.workflowId,
      result,
    });
    const columns = context.host.out.columns();
    for (const line of renderBackupResult(result, columns, context.style)) context.say(line);
    return exitCode;
  });
}
