/** `holdfast restore`: shows what a restore would do, asks, does it and stays with it. */
import type { Command } from 'commander';
import { z } from 'zod';
import type { Config } from '../../config/schema.js';
import { HoldfastError } from '../../errors.js';
import { formatStamp, restoreWorkflowId } from '../../plan/ids.js';
import { restoreStackInputSchema } from '../../plan/inputs.js';
import type { RestorePlan } from '../../plan/restore-types.js';
import { pathOption, sourceOption } from '../artifact-choice.js';
import { ask } from '../ask.js';
import type { CommandHost } from '../command-host.js';
import type { CliContext } from '../context.js';
import type { ExitCode } from '../exit.js';
import { sayDetached, startAndWatch, startDetached, withRuns } from '../follow.js';
import { checkServices, checkSetName, serviceOption } from '../options.js';
import type { RunGateway, StartRestore } from '../ports.js';
import { silentReporter } from '../progress/reporter.js';
import { watchRun } from '../progress/watch.js';
import { parseResult, restoreStackResultSchema } from '../results.js';
import { rootOption } from '../store.js';
import { restoreTo } from './restore-to.js';
import { renderPlan } from '../views/plan-view.js';
import { renderRestoreResult } from '../views/result-view.js';
import { setName } from '../views/set-rows.js';

const optionsSchema = z.object({
  service: z.array(z.string()).optional(),
  dryRun: z.boolean().default(false),
  yes: z.boolean().default(false),
  detach: z.boolean().default(false),
  refuseIfBusy: z.boolean().default(false),
  to: z.string().min(1).optional(),
  source: z.array(z.string()).optional(),
  path: z.array(z.string()).optional(),
  root: z.string().optional(),
});
type Options = z.output<typeof optionsSchema>;

const EXAMPLES = `
Examples:
  holdfast restore --dry-run               what restoring the latest set does
  holdfast restore                         the same, then asks and does it
  holdfast restore 20241212_010000-daily   a certain set
  holdfast restore latest -s agent --yes   one service, without asking
  holdfast restore latest --source configs --path 'etc/*.conf' --to /tmp/look

With --to, one source is unpacked into a new or empty directory instead, all of
it or what --path matches, and nothing that runs is touched; the dump files of
a PostgreSQL source are copied. \`holdfast browse\` shows the paths. It needs no
Temporal and asks nothing.

Without it, nothing is touched before every artifact has been checked. What is
replaced is kept aside, and comes back when a step fails or the run is
cancelled.

Exit codes:
  0 done   1 failed, and taken back   2 usage or configuration   130 interrupted`;

export function addRestoreCommand(program: Command, commands: CommandHost): void {
  program
    .command('restore')
    .description('restore the stack, or some services, from a backup set')
    .argument('[set]', 'id of the set, with or without its tier, or latest', 'latest')
    .addOption(serviceOption())
    .option('--dry-run', 'show the plan and stop')
    .option('-y, --yes', 'do not ask for confirmation')
    .option('--detach', 'start the run and do not watch it')
    .option('--refuse-if-busy', 'fail when another run holds the stack, instead of waiting')
    .option('--to <directory>', 'unpack one source into this new or empty directory')
    .addOption(sourceOption('with --to: the source'))
    .addOption(pathOption('with --to: only what the pattern matches (repeat it)'))
    .addOption(rootOption('with --to: the directory of the backups'))
    .addHelpText('after', EXAMPLES)
    .action((set: string, options: unknown, command: Command) =>
      commands.run(command, (context) => dispatch(context, set, optionsSchema.parse(options))),
    );
}

/** With `--to` it is another command in all but name: it replaces nothing. */
async function dispatch(context: CliContext, set: string, options: Options): Promise<ExitCode> {
  checkSetName(set);
  const { to, source, path, root } = options;
  if (to === undefined) {
    if (source !== undefined || path !== undefined || root !== undefined) {
      throw new HoldfastError('USAGE', '--source, --path and --root belong to --to', {
        hint: 'add --to with a new or empty directory; without it whole services are restored',
      });
    }
    return restore(context, set, options);
  }
  if (options.dryRun || options.detach || options.refuseIfBusy) {
    throw new HoldfastError('USAGE', '--to takes no --dry-run, --detach or --refuse-if-busy', {
      hint: 'it is done here and now and replaces nothing; `holdfast browse` shows what there is',
    });
  }
  return restoreTo(context, set, { ...options, to });
}

async function restore(context: CliContext, set: string, options: Options): Promise<ExitCode> {
  if (!options.dryRun && !options.yes && !context.interactive) {
    throw new HoldfastError('CONFIRMATION_REQUIRED', 'a restore replaces data and needs a yes', {
      hint: 'add --dry-run to see what it would do, or --yes to do it without asking',
    });
  }
  const config = await context.loadConfig();
  checkServices(config, options.service);
  return withRuns(context, async (gateway) => {
    const plan = await makePlan(context, gateway, config, set, options);
    if (plan === undefined) return 130;
    const columns = context.host.out.columns();
    for (const line of renderPlan(plan, config.stack, columns, context.style)) context.say(line);
    context.emit({ type: 'plan', plan });
    if (options.dryRun) {
      context.emit({ type: 'result', command: 'restore', exitCode: 0, dryRun: true, plan });
      return 0;
    }
    if (!options.yes && !(await confirmed(context, plan))) {
      context.say('nothing was changed');
      return 130;
    }
    return carryOut(context, gateway, config, plan, options);
  });
}

/** The plan by the workflow itself, so that what is shown is what will happen. */
async function makePlan(
  context: CliContext,
  gateway: RunGateway,
  config: Config,
  set: string,
  options: Options,
): Promise<RestorePlan | undefined> {
  const run: StartRestore = {
    type: 'restoreStack',
    workflowId: restoreWorkflowId(config.stack, `${formatStamp(new Date())}-plan`),
    summary: `Plan a restore of ${config.stack}`,
    input: { ...target(config), ...chosenServices(options), set, dryRun: true },
  };
  await gateway.start(run);
  const outcome = await watchRun(context, {
    gateway,
    reporter: { ...silentReporter(), note: (text) => context.warn(text) },
    workflowId: run.workflowId,
    title: run.summary,
    asks: false,
  });
  if (outcome.type === 'left') return undefined;
  return parseResult(restoreStackResultSchema, outcome.result, run.workflowId).plan;
}

async function confirmed(context: CliContext, plan: RestorePlan): Promise<boolean> {
  const name = setName({ id: plan.setId, tier: plan.setTier });
  const question = `Replace the data named above with set ${name}? Type yes to go on: `;
  return (await ask(context.host, question)) === 'yes';
}

async function carryOut(
  context: CliContext,
  gateway: RunGateway,
  config: Config,
  plan: RestorePlan,
  options: Options,
): Promise<ExitCode> {
  const run: StartRestore = {
    type: 'restoreStack',
    workflowId: restoreWorkflowId(config.stack, formatStamp(new Date())),
    summary: `Restore of ${config.stack} from ${plan.setId}`,
    input: {
      ...target(config),
      ...chosenServices(options),
      set: plannedSet(plan),
      onBusy: options.refuseIfBusy ? 'refuse' : 'wait',
    },
  };
  if (options.detach) {
    await startDetached(context, gateway, run);
    return 0;
  }
  const outcome = await startAndWatch(context, gateway, run);
  if (outcome.type === 'left') {
    sayDetached(context, gateway, run.workflowId);
    return outcome.how === 'detached' ? 0 : 130;
  }
  const result = parseResult(restoreStackResultSchema, outcome.result, run.workflowId);
  context.emit({
    type: 'result',
    command: 'restore',
    exitCode: 0,
    workflowId: run.workflowId,
    result,
  });
  for (const line of renderRestoreResult(result, context.style)) context.say(line);
  return 0;
}

/** The set that was agreed to, also when "latest" has meanwhile become another one. */
function plannedSet(plan: RestorePlan): string {
  const name = setName({ id: plan.setId, tier: plan.setTier });
  return restoreStackInputSchema.shape.set.safeParse(name).success ? name : plan.setId;
}

function target(config: Config): { stack: string; host?: string } {
  return {
    stack: config.stack,
    ...(config.host === undefined ? {} : { host: config.host.id }),
  };
}

function chosenServices({ service }: Options): { services?: string[] } {
  return service === undefined ? {} : { services: service };
}
