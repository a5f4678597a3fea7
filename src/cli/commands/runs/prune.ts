/** `holdfast prune`: retention by hand, shown before it is done. */
import { Option, type Command } from 'commander';
import { z } from 'zod';
import { toRetentionPolicy } from '../../../config/retention-policy.js';
import type { Config } from '../../../format/config/schema.js';
import { HoldfastError } from '../../../base/errors.js';
import { acceptanceOf, describeShrink } from '../../../plan/backup/anomaly.js';
import { formatStamp, pruneWorkflowId } from '../../../plan/shared/ids.js';
import { decisionsOf, type PruneDecisions } from '../../../plan/retention/prune-types.js';
import { planRetention } from '../../../plan/retention/retention.js';
import { tierSchema } from '../../../format/manifest.js';
import { readStoreKnowledge } from '../../../store/catalogue/set-knowledge.js';
import { ask } from '../../ask.js';
import type { CommandHost } from '../../host/command-host.js';
import type { CliContext } from '../../host/context.js';
import type { ExitCode } from '../../output/exit.js';
import { leave, startAndWatch, targetOf, withRuns } from '../../host/follow.js';
import { countOption } from '../../options.js';
import type { StartPrune } from '../../host/ports.js';
import { count } from '../../../base/words.js';
import { parseResult, pruneBackupsResultSchema } from '../../results.js';
import { renderDecisions } from '../../views/runs/prune-view.js';

const TIERS = tierSchema.exclude(['manual']);
const optionsSchema = z.object({
  tier: TIERS.optional(),
  limit: z.number().optional(),
  acceptShrink: z.boolean().default(false),
  dryRun: z.boolean().default(false),
  yes: z.boolean().default(false),
});
type Options = z.output<typeof optionsSchema>;

const EXAMPLES = `
Examples:
  holdfast prune --dry-run                 each set, and why it stays or goes
  holdfast prune --tier daily --yes
  holdfast prune --accept-shrink           a source is smaller now: so be it
  holdfast prune --limit 50                more at once than backups.pruneLimit

Every backup does this for its tier. Only whole sets count, the last good backup
of a source never goes, nor does what \`holdfast pin\` named. --dry-run reads the
disk and needs no Temporal.

Exit codes:
  0 done   1 failed   2 usage or configuration   3 held back: a source shrank
  130 interrupted`;

export function addPruneCommand(program: Command, commands: CommandHost): void {
  program
    .command('prune')
    .description('remove what the tiers keep no longer')
    .addOption(new Option('--tier <tier>', 'only sets of this tier').choices(TIERS.options))
    .addOption(countOption('--limit <number>', 'how many sets of a tier may go'))
    .option('--accept-shrink', 'sources that suddenly are small are so from now on')
    .option('--dry-run', 'show what would go, and why')
    .option('-y, --yes', 'do not ask')
    .addHelpText('after', EXAMPLES)
    .action((options: unknown, command: Command) =>
      commands.run(command, (context) => prune(context, optionsSchema.parse(options))),
    );
}

async function prune(context: CliContext, options: Options): Promise<ExitCode> {
  const config = await context.loadConfig();
  const planned = await look(config, options);
  const goes = planned.decisions.filter(({ action }) => action === 'remove');
  const loses = planned.decisions.flatMap((one) => one.loses);
  if (!context.options.json || options.dryRun) show(context, planned, options.dryRun);
  if (options.dryRun) return planned.held.length > 0 ? 3 : 0;
  if (goes.length + loses.length === 0 && !options.acceptShrink) {
    context.emit({ type: 'result', command: 'prune', exitCode: heldCode(planned), ...planned });
    context.say('nothing to remove');
    return heldCode(planned);
  }
  if (!options.yes && !(await confirmed(context, goes.length, loses.length))) return 130;
  return carryOut(context, config, options);
}

/** As the workflow will plan it, unless a backup comes between. */
async function look(config: Config, options: Options): Promise<PruneDecisions> {
  const { sets, knowledge } = await readStoreKnowledge(config.backups.root, config.stack);
  const policy = toRetentionPolicy(config);
  const wanted = options.limit === undefined ? policy : { ...policy, limit: options.limit };
  const plan = planRetention(sets, wanted, knowledge, new Date());
  if (!options.acceptShrink) return decisionsOf(plan, options.tier);
  const accepted = plan.held.map(acceptanceOf);
  const after = planRetention(
    sets,
    wanted,
    { ...knowledge, accepted: [...knowledge.accepted, ...accepted] },
    new Date(),
  );
  return { ...decisionsOf(after, options.tier), held: after.held.map(describeShrink) };
}

function show(context: CliContext, planned: PruneDecisions, dryRun: boolean): void {
  if (context.options.json) {
    context.printJson({ dryRun, ...planned });
    return;
  }
  if (planned.decisions.length === 0) {
    context.say('no backup sets');
    return;
  }
  for (const line of renderDecisions(planned, context.host.out.columns(), context.style)) {
    if (dryRun) context.print(line);
    else context.say(line);
  }
}

async function confirmed(context: CliContext, sets: number, versions: number): Promise<boolean> {
  if (!context.interactive) {
    throw new HoldfastError('CONFIRMATION_REQUIRED', 'removing sets needs a yes', {
      hint: 'look at `holdfast prune --dry-run`, then add --yes',
    });
  }
  const what = [
    ...(sets === 0 ? [] : [count(sets, 'set')]),
    ...(versions === 0 ? [] : [count(versions, 'old version')]),
  ].join(' and ');
  const question =
    what === '' ? 'Accept that? Type yes to go on: ' : `Remove ${what}? Type yes to go on: `;
  return (await ask(context.host, question)) === 'yes';
}

async function carryOut(context: CliContext, config: Config, options: Options): Promise<ExitCode> {
  const run: StartPrune = {
    type: 'pruneBackups',
    workflowId: pruneWorkflowId(config.stack, formatStamp(new Date())),
    summary: `Removal of old sets of ${config.stack}`,
    input: {
      ...targetOf(config),
      ...(options.tier === undefined ? {} : { tier: options.tier }),
      ...(options.limit === undefined ? {} : { limit: options.limit }),
      acceptShrink: options.acceptShrink,
    },
  };
  return withRuns(context, async (gateway) => {
    const outcome = await startAndWatch(context, gateway, run);
    if (outcome.type === 'left') return leave(context, gateway, outcome);
    const result = parseResult(pruneBackupsResultSchema, outcome.result, outcome.workflowId);
    const exitCode = heldCode(result);
    context.emit({
      type: 'result',
      command: 'prune',
      exitCode,
      workflowId: outcome.workflowId,
      result,
    });
    for (const text of result.accepted) context.say(`accepted: ${text}`);
    context.say(
      result.removed.length === 0
        ? 'no set was removed'
        : `removed ${count(result.removed.length, 'set')}: ${result.removed.join(', ')}`,
    );
    return exitCode;
  });
}

function heldCode({ held }: Pick<PruneDecisions, 'held'>): ExitCode {
  return held.length > 0 ? 3 : 0;
}
