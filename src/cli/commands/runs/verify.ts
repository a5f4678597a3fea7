/** `holdfast verify`: are the backups still what was written? Needs no Temporal. */
import { Option, type Command } from 'commander';
import { z } from 'zod';
import { messageOf } from '../../../base/errors.js';
import { newestFirst } from '../../../format/set-order.js';
import { oldestChecked } from '../../../plan/verify/verify-order.js';
import { formatBytes, count } from '../../../base/words.js';
import { lookInsideDumps } from '../../../postgres/inspect/look-inside.js';
import type { PostgresExec } from '../../../postgres/client/exec.js';
import type { SetFile } from '../../../format/manifest.js';
import {
  artifactsDone,
  readVerification,
  readVerifications,
  recordVerification,
  type VerificationOutcome,
} from '../../../store/verify/verification.js';
import { SetVerifier } from '../../../store/verify/verify-set.js';
import type { CommandHost } from '../../host/command-host.js';
import type { CliContext } from '../../host/context.js';
import type { ExitCode } from '../../output/exit.js';
import { interruptible } from '../../host/interruptible.js';
import { chooseImported } from '../../old-backups.js';
import { checkSetName, durationOption } from '../../options.js';
import { localProgress } from '../../progress/local-progress.js';
import { openStore, rootOption } from '../../host/store.js';
import { setName } from '../../views/sets/set-rows.js';
import { outcomeAsJson, renderOutcome } from '../../views/runs/verify-view.js';

const optionsSchema = z.object({
  level: z.enum(['hashes', 'decode']).default('hashes'),
  budget: z.number().optional(),
  root: z.string().optional(),
});
type Options = z.output<typeof optionsSchema>;

const EXAMPLES = `
Examples:
  holdfast verify                          every set, newest first
  holdfast verify latest --level decode
  holdfast verify --budget 30m             those not looked at for longest
  holdfast verify --json | jq 'select(.type == "result") | .damaged'

hashes reads every file and compares it with what was written; decode also
decompresses it and counts what is in it. A file that several sets share is read
once, and its damage is told of each of them. What was found is recorded in the
store: list and show tell it, and a damaged file is not used for new backups.
With --budget it ends between two artifacts when the time is used up, and goes
on there the next time.

Exit codes:
  0 all is sound   1 something is damaged or missing   2 usage or configuration`;

export function addVerifyCommand(program: Command, commands: CommandHost): void {
  program
    .command('verify')
    .description('read backup sets again and name every damaged or missing file')
    .argument('[set]', 'id of the set, with or without its tier, or latest; all by default')
    .addOption(
      new Option('--level <level>', 'how closely to look')
        .choices(['hashes', 'decode'])
        .default('hashes'),
    )
    .addOption(durationOption('--budget <time>', 'how long to read, such as 30m'))
    .addOption(rootOption())
    .addHelpText('after', EXAMPLES)
    .action((set: string | undefined, options: unknown, command: Command) =>
      commands.run(command, (context) => verify(context, set, optionsSchema.parse(options))),
    );
}

async function verify(
  context: CliContext,
  name: string | undefined,
  options: Options,
): Promise<ExitCode> {
  if (name !== undefined) checkSetName(name);
  const store = await openStore(context, options.root);
  const { root, sets, unreadable } = store;
  const wanted =
    name === undefined
      ? await inOrder(root, sets, options)
      : [(await chooseImported(context, store, { root: options.root, name, asItIs: true })).set];
  if (wanted.length === 0 && unreadable.length === 0) context.say(`no backup sets in ${root}`);
  const verifier = new SetVerifier(root, sets, options.level, {
    lookInside: lookInsideDumps(runningServer),
  });
  const outcomes = await interruptible(context, (signal) =>
    verifyAll({ context, root, verifier, signal, budgetMs: options.budget }, wanted),
  );
  const damaged = outcomes.filter(({ damage }) => damage.length > 0);
  // A set file that can't be read concerns whoever asks for all of them.
  const lost = name === undefined ? unreadable : [];
  const exitCode = damaged.length + lost.length > 0 ? 1 : 0;
  const left = wanted.length - outcomes.filter((one) => isWhole(one)).length;
  if (left > 0) context.say(`${count(left, 'set')} left for the next time`);
  if (outcomes.length > 1) {
    context.say(
      `${count(outcomes.length, 'set')}, ${formatBytes(verifier.bytes)} read: ` +
        (damaged.length === 0 ? 'all sound' : `${count(damaged.length, 'set')} damaged`),
    );
  }
  context.emit({
    type: 'result',
    command: 'verify',
    exitCode,
    level: options.level,
    sets: outcomes.length,
    left,
    bytes: verifier.bytes,
    damaged: damaged.map(({ set }) => setName(set)),
    unreadable: lost,
  });
  return exitCode;
}

interface Verifying {
  readonly context: CliContext;
  readonly root: string;
  readonly verifier: SetVerifier;
  readonly signal: AbortSignal;
  readonly budgetMs: number | undefined;
}

/** All of them newest first; where time is short, those that were not looked at for longest. */
async function inOrder(
  root: string,
  sets: readonly SetFile[],
  { budget, level }: Options,
): Promise<SetFile[]> {
  if (budget === undefined) return newestFirst(sets);
  const records = await readVerifications(root);
  return oldestChecked(sets, (set) => records.get(setName(set))?.last ?? undefined, level);
}

function isWhole({ unfinished = [] }: VerificationOutcome): boolean {
  return unfinished.length === 0;
}

/** The server that made a dump, where Docker answers and it runs: it can list the dump. */
async function runningServer(container: string): Promise<PostgresExec | undefined> {
  const [{ connectEngine }, { findContainer }, { containerExec }] = await Promise.all([
    import('../../../docker/engine/engine.js'),
    import('../../../docker/containers/containers.js'),
    import('../../../postgres/client/container.js'),
  ]);
  const engine = connectEngine();
  const found = await findContainer(engine, container);
  return found?.state === 'running' ? containerExec(engine, { container: found.name }) : undefined;
}

async function verifyAll(
  { context, root, verifier, signal, budgetMs }: Verifying,
  sets: readonly SetFile[],
): Promise<readonly VerificationOutcome[]> {
  const progress = localProgress(context);
  const outcomes: VerificationOutcome[] = [];
  const startedMs = Date.now();
  const enough = (): boolean => budgetMs !== undefined && Date.now() - startedMs >= budgetMs;
  let recording = true;
  for (const [index, set] of sets.entries()) {
    if (index > 0 && enough()) break;
    // Without a budget everything is read, whatever an earlier run had no time for.
    const record = budgetMs === undefined ? undefined : await readVerification(root, set);
    const done = artifactsDone(record, verifier.level);
    progress.subject(`${setName(set)} (${index + 1} of ${sets.length})`);
    let outcome;
    try {
      const work = { signal, report: progress.report };
      outcome = await verifier.verify(set, work, { done, enough });
    } finally {
      progress.clear();
    }
    outcomes.push(outcome);
    for (const line of renderOutcome(outcome, root, context.style)) {
      if (!context.options.json && (!context.options.quiet || outcome.damage.length > 0)) {
        context.print(line);
      }
    }
    context.emit({ type: 'set', ...outcomeAsJson(outcome) });
    if (!recording) continue;
    try {
      await recordVerification(root, outcome);
    } catch (error) {
      // The disk may be mounted read-only, and is none the less worth looking at.
      recording = false;
      context.warn(`what was found is not recorded in the store: ${messageOf(error)}`);
    }
  }
  return outcomes;
}
