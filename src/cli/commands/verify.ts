/** `holdfast verify`: are the backups still what was written? Needs no Temporal. */
import { Option, type Command } from 'commander';
import { z } from 'zod';
import { messageOf } from '../../errors.js';
import { newestFirst } from '../../plan/set-order.js';
import { formatBytes } from '../../plan/words.js';
import type { SetFile } from '../../store/manifest.js';
import { recordVerification, type VerificationOutcome } from '../../store/verification.js';
import { SetVerifier } from '../../store/verify-set.js';
import type { CommandHost } from '../command-host.js';
import type { CliContext } from '../context.js';
import type { ExitCode } from '../exit.js';
import { interruptible } from '../interruptible.js';
import { chooseImported } from '../old-backups.js';
import { checkSetName } from '../options.js';
import { localProgress } from '../progress/local-progress.js';
import { count } from '../render/text.js';
import { openStore, rootOption } from '../store.js';
import { setName } from '../views/set-rows.js';
import { outcomeAsJson, renderOutcome } from '../views/verify-view.js';

const optionsSchema = z.object({
  level: z.enum(['hashes', 'decode']).default('hashes'),
  root: z.string().optional(),
});
type Options = z.output<typeof optionsSchema>;

const EXAMPLES = `
Examples:
  holdfast verify                          every set, newest first
  holdfast verify latest --level decode
  holdfast verify --json | jq 'select(.type == "result") | .damaged'

hashes reads every file and compares it with what was written; decode also
decompresses it and counts what is in it. A file that several sets share is read
once, and its damage is told of each of them. What was found is recorded in the
store: list and show tell it, and a damaged file is not used for new backups.

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
      ? newestFirst(sets)
      : [(await chooseImported(context, store, { root: options.root, name })).set];
  if (wanted.length === 0 && unreadable.length === 0) context.say(`no backup sets in ${root}`);
  const verifier = new SetVerifier(root, sets, options.level);
  const outcomes = await interruptible(context, (signal) =>
    verifyAll({ context, root, verifier, signal }, wanted),
  );
  const damaged = outcomes.filter(({ damage }) => damage.length > 0);
  // A set file that can't be read concerns whoever asks for all of them.
  const lost = name === undefined ? unreadable : [];
  const exitCode = damaged.length + lost.length > 0 ? 1 : 0;
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
}

async function verifyAll(
  { context, root, verifier, signal }: Verifying,
  sets: readonly SetFile[],
): Promise<readonly VerificationOutcome[]> {
  const progress = localProgress(context);
  const outcomes: VerificationOutcome[] = [];
  let recording = true;
  for (const [index, set] of sets.entries()) {
    progress.subject(`${setName(set)} (${index + 1} of ${sets.length})`);
    let outcome;
    try {
      outcome = await verifier.verify(set, { signal, report: progress.report });
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
