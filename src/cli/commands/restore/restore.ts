/** `holdfast restore`: shows what a restore would do, asks, does it and stays with it. */
import type { Command } from 'commander';
import { z } from 'zod';
import type { Config } from '../../../format/config/schema.js';
import { HoldfastError } from '../../../base/errors.js';
import { formatStamp, restoreWorkflowId } from '../../../plan/shared/ids.js';
import { restoreStackInputSchema, type RestoreStackInput } from '../../../plan/shared/inputs.js';
import { parseMapping } from '../../../format/mapping.js';
import type { RestorePlan } from '../../../plan/restore/restore-types.js';
import { pathOption, sourceOption } from '../../artifact-choice.js';
import { ask } from '../../ask.js';
import type { CommandHost } from '../../host/command-host.js';
import type { CliContext } from '../../host/context.js';
import { exitCodeOfStatus, type ExitCode } from '../../output/exit.js';
import { temporalAnswers } from '../../host/dev-temporal.js';
import { reportFrozen, withRunsAnywhere } from '../../host/embedded.js';
import { leave, planOf, startAndWatch, startDetached, targetOf } from '../../host/follow.js';
import { checkServices, checkSetName, repeatable, serviceOption } from '../../options.js';
import type { RunGateway, StartRestore } from '../../host/ports.js';
import { parseResult, restoreStackResultSchema } from '../../results.js';
import { rootOption } from '../../host/store.js';
import { restoreTo } from './restore-to.js';
import { renderPlan } from '../../views/runs/plan-view.js';
import { renderRestoreResult } from '../../views/runs/result-view.js';
import { setName } from '../../views/sets/set-rows.js';
import { own } from '../../../base/own.js';

const optionsSchema = z.object({
  service: z.array(z.string()).optional(),
  dryRun: z.boolean().default(false),
  yes: z.boolean().default(false),
  detach: z.boolean().default(false),
  refuseIfBusy: z.boolean().default(false),
  database: z.array(z.string()).optional(),
  map: z.array(z.string()).optional(),
  pauseBefore: z.string().min(1).optional(),
  leaveDependents: z.boolean().default(false),
  withoutServerSettings: z.boolean().default(false),
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
  holdfast restore --service agent --service pgdb=20241211_010000
                                           the latest, but pgdb from that set
  holdfast restore --source mlopsnew/grafana
  holdfast restore --database mlops        one database of the running server
  holdfast restore --map /mlopsnew=/srv/mlopsnew --map volume:a=b
  holdfast restore --pause-before agent    waits for \`holdfast approve\`
  holdfast restore latest --source configs --path 'etc/*.conf' --to /tmp/look

What comes after a restored service is stopped and started again, too, unless
--leave-dependents says otherwise. --map gives what the configuration names
another name for this restore, and services of the set those of the
configuration.

postgresql.conf, pg_hba.conf and the like come back with a server's data, unless
--without-server-settings says otherwise.

With --to, one source is unpacked into a new or empty directory instead, all of
it or what --path matches, and nothing that runs is touched; the dump files of
a PostgreSQL source are copied. \`holdfast browse\` shows the paths. It needs no
Temporal and asks nothing.

Without it, nothing is touched before every artifact has been checked. What is
replaced is kept aside, and comes back when a step fails or the run is
cancelled; later \`holdfast undo\` brings it back. Where no Temporal answers, as
on a bare machine, one is started for the run.

Exit codes:
  0 done   1 failed, and taken back   2 usage or configuration
  3 done, but something named could not be brought back   130 interrupted`;

export function addRestoreCommand(program: Command, commands: CommandHost): void {
  program
    .command('restore')
    .description('restore the stack, or some services, from a backup set')
    .argument('[set]', 'id of the set, with or without its tier, or latest', 'latest')
    .addOption(serviceOption('only these services, each also as name=set'))
    .addOption(repeatable('--database <name>', 'only this database (repeat it)'))
    .addOption(repeatable('--map <from=to>', 'another name for this restore (repeat it)'))
    .option('--pause-before <stage>', 'wait for an approval before this stage or service')
    .option('--leave-dependents', 'leave what comes after the restored services running')
    .option('--without-server-settings', 'leave database servers with what initdb makes')
    .option('--dry-run', 'show the plan and stop')
    .option('-y, --yes', 'do not ask for confirmation')
    .option('--detach', 'start the run and do not watch it')
    .option('--refuse-if-busy', 'fail when another run holds the stack, instead of waiting')
    .option('--to <directory>', 'unpack one source into this new or empty directory')
    .addOption(sourceOption('only this source, as service/source; with --to: the source'))
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
    if (path !== undefined || root !== undefined) {
      throw new HoldfastError('USAGE', '--path and --root belong to --to', {
        hint: 'add --to with a new or empty directory; without it whole sources are restored',
      });
    }
    const unclear = (source ?? []).filter((name) => !/^[^/]+\/[^/]+$/.test(name));
    if (unclear.length > 0) {
      throw new HoldfastError('USAGE', `--source ${unclear.join(', ')}: of which service?`, {
        hint: 'write service/source, as `holdfast show` lists them',
        facts: { unclear },
      });
    }
    return restore(context, set, options);
  }
  const senseless = [
    ...(options.dryRun ? ['--dry-run'] : []),
    ...(options.detach ? ['--detach'] : []),
    ...(options.refuseIfBusy ? ['--refuse-if-busy'] : []),
    ...(options.database === undefined ? [] : ['--database']),
    ...(options.map === undefined ? [] : ['--map']),
    ...(options.pauseBefore === undefined ? [] : ['--pause-before']),
    ...(options.leaveDependents ? ['--leave-dependents'] : []),
    ...(options.withoutServerSettings ? ['--without-server-settings'] : []),
  ];
  if (senseless.length > 0) {
    throw new HoldfastError('USAGE', `--to takes no ${senseless.join(', ')}`, {
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
  const selection = selectionOf(set, options);
  checkServices(config, selection.services);
  if (options.dryRun && !(await temporalAnswers(context, await context.ports.temporalAddress()))) {
    // To look at what would be done nothing is started, and nothing is left behind.
    const input = { ...targetOf(config), ...selection, dryRun: true };
    return showDryRun(context, config, await context.ports.planRestore(config, input));
  }
  return withRunsAnywhere(context, config, async (gateway, embedded) => {
    if (embedded && options.detach) {
      throw new HoldfastError('USAGE', '--detach needs a Temporal and a worker that go on', {
        hint: 'start them with `holdfast up`, or leave --detach out',
      });
    }
    const plan = await makePlan(context, gateway, config, selection);
    if (plan === undefined) return 130;
    if (options.dryRun) return showDryRun(context, config, plan);
    showPlan(context, config, plan);
    if (!options.yes && !(await confirmed(context, plan))) {
      context.say('nothing was changed');
      return 130;
    }
    return carryOut(context, gateway, config, plan, { ...options, selection, embedded });
  });
}

function showPlan(context: CliContext, config: Config, plan: RestorePlan): void {
  const columns = context.host.out.columns();
  for (const line of renderPlan(plan, config.stack, columns, context.style)) context.say(line);
  context.emit({ type: 'plan', plan });
}

function showDryRun(context: CliContext, config: Config, plan: RestorePlan): ExitCode {
  showPlan(context, config, plan);
  context.emit({ type: 'result', command: 'restore', exitCode: 0, dryRun: true, plan });
  return 0;
}

type Selection = Omit<RestoreStackInput, 'stack' | 'host' | 'dryRun' | 'onBusy'> & {
  readonly set: string;
};

/** What of which sets, as the workflow takes it. @throws HoldfastError USAGE */
function selectionOf(set: string, options: Options): Selection {
  const services: string[] = [];
  const sets: Record<string, string> = {};
  for (const name of options.service ?? []) {
    const [service = '', other] = name.split('=', 2);
    services.push(service);
    if (other !== undefined) sets[service] = checkSetName(other);
  }
  const { source, database, map, pauseBefore } = options;
  return {
    set,
    ...(services.length === 0 ? {} : { services }),
    ...(Object.keys(sets).length === 0 ? {} : { sets }),
    ...(source === undefined ? {} : { sources: source }),
    ...(database === undefined ? {} : { databases: database }),
    ...(map === undefined ? {} : { map: parseMapping(map) }),
    ...(options.leaveDependents ? { dependents: 'leave' } : {}),
    ...(options.withoutServerSettings ? { serverSettings: false } : {}),
    ...(pauseBefore === undefined
      ? {}
      : { pauseBefore: /^\d+$/.test(pauseBefore) ? Number(pauseBefore) : pauseBefore }),
  };
}

/** The plan by the workflow itself, so that what is shown is what will happen. */
async function makePlan(
  context: CliContext,
  gateway: RunGateway,
  config: Config,
  selection: Selection,
): Promise<RestorePlan | undefined> {
  const run: StartRestore = {
    type: 'restoreStack',
    workflowId: restoreWorkflowId(config.stack, `${formatStamp(new Date())}-plan`),
    summary: `Plan a restore of ${config.stack}`,
    input: { ...targetOf(config), ...selection, dryRun: true },
  };
  const result = await planOf(context, gateway, run);
  if (result === undefined) return undefined;
  return parseResult(restoreStackResultSchema, result, run.workflowId).plan;
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
  {
    selection,
    embedded,
    ...options
  }: Options & { readonly selection: Selection; readonly embedded: boolean },
): Promise<ExitCode> {
  const run: StartRestore = {
    type: 'restoreStack',
    workflowId: restoreWorkflowId(config.stack, formatStamp(new Date())),
    summary: `Restore of ${config.stack} from ${plan.setId}`,
    input: {
      ...targetOf(config),
      ...agreed(selection, plan),
      onBusy: options.refuseIfBusy ? 'refuse' : 'wait',
    },
  };
  if (options.detach) {
    await startDetached(context, gateway, run);
    return 0;
  }
  const outcome = await startAndWatch(context, gateway, run, !embedded);
  if (outcome.type === 'left') {
    return embedded ? reportFrozen(context, outcome.workflowId) : leave(context, gateway, outcome);
  }
  const result = parseResult(restoreStackResultSchema, outcome.result, outcome.workflowId);
  const exitCode = exitCodeOfStatus(result.problems === undefined ? 'success' : 'degraded');
  context.emit({
    type: 'result',
    command: 'restore',
    exitCode,
    workflowId: outcome.workflowId,
    result,
  });
  for (const line of renderRestoreResult(result, context.style)) context.say(line);
  return exitCode;
}

/** The sets that were agreed to, also when "latest" has meanwhile become another one. */
function agreed(selection: Selection, plan: RestorePlan): Selection {
  const name = setName({ id: plan.setId, tier: plan.setTier });
  const set = restoreStackInputSchema.shape.set.safeParse(name).success ? name : plan.setId;
  const sets = Object.fromEntries(
    Object.keys(selection.sets ?? {}).map((service) => [
      service,
      own(plan.otherSets ?? {}, service) ?? set,
    ]),
  );
  return { ...selection, set, ...(Object.keys(sets).length === 0 ? {} : { sets }) };
}
