/** `holdfast diff`: how a source differs from what was backed up. Needs no Temporal, changes nothing. */
import type { Command } from 'commander';
import { z } from 'zod';
import { compareWithArtifact } from '../../../tree/compare/compare-artifact.js';
import { MAX_DIFFERENCES } from '../../../tree/compare/compare.js';
import type { Work } from '../../../base/progress.js';
import { openArtifact } from '../../../store/catalogue/open-artifact.js';
import { chooseOneArtifact, sourceName, sourceOption } from '../../artifact-choice.js';
import type { CommandHost } from '../../host/command-host.js';
import type { CliContext } from '../../host/context.js';
import type { ExitCode } from '../../output/exit.js';
import { interruptible } from '../../host/interruptible.js';
import { HoldfastError } from '../../../base/errors.js';
import { isForeign } from '../../../tree/unpack/foreign.js';
import { chooseImported } from '../../old-backups.js';
import { checkSetName, serviceOption } from '../../options.js';
import { localProgress } from '../../progress/local-progress.js';
import { oneLine } from '../../render/text.js';
import { formatCount } from '../../render/words.js';
import { openStore, rootOption } from '../../host/store.js';
import { setName } from '../../views/sets/set-rows.js';

const optionsSchema = z.object({
  service: z.array(z.string()).optional(),
  source: z.array(z.string()).optional(),
  against: z.string().optional(),
  root: z.string().optional(),
});
type Options = z.output<typeof optionsSchema>;

const EXAMPLES = `
Examples:
  holdfast diff latest --source configs            what has changed since
  holdfast diff latest --source data --against /tmp/look

Names, types, modes, owners, sizes, times, links and contents are compared;
extended attributes are not. A directory that is missing or extra is shown
without what is below it. At most 1000 differences are shown; all are counted.

Exit codes:
  0 no difference   1 differences, or failed   2 usage or configuration`;

export function addDiffCommand(program: Command, commands: CommandHost): void {
  program
    .command('diff')
    .description('compare a source, or a directory, with what a backup set holds of it')
    .argument('[set]', 'id of the set, with or without its tier, or latest', 'latest')
    .addOption(serviceOption())
    .addOption(sourceOption('the source'))
    .option('--against <dir>', 'a directory instead of the place it was read from')
    .addOption(rootOption())
    .addHelpText('after', EXAMPLES)
    .action((set: string, options: unknown, command: Command) =>
      commands.run(command, (context) => diff(context, set, optionsSchema.parse(options))),
    );
}

async function diff(context: CliContext, name: string, options: Options): Promise<ExitCode> {
  checkSetName(name);
  const store = await openStore(context, options.root);
  const { root } = store;
  const { set, warnings } = await chooseImported(
    context,
    store,
    { root: options.root, name },
    options.service,
  );
  for (const warning of warnings) context.warn(warning);
  const artifact = chooseOneArtifact(set, options);
  const { directory, manifest } = await openArtifact(root, artifact);
  if (isForeign(manifest.files)) {
    throw new HoldfastError('USAGE', 'an archive of the old script can’t be compared in place', {
      hint: 'unpack it with `holdfast restore --to` and compare the two directories',
    });
  }
  const progress = localProgress(context);
  progress.subject(sourceName(artifact));
  const result = await interruptible(context, async (signal) => {
    const work: Work = { signal, report: progress.report };
    try {
      return await compareWithArtifact(
        { artifactDirectory: directory, manifest, root: options.against },
        work,
      );
    } finally {
      progress.clear();
    }
  });
  const exitCode = result.count === 0 ? 0 : 1;
  for (const { path, what, expected, actual } of result.differences) {
    const shown = what === 'mtime' ? formatTime : oneLine;
    context.say(`${oneLine(path)}: ${what}: ${shown(expected)} → ${shown(actual)}`);
  }
  const place = options.against ?? manifest.tree?.root ?? '';
  context.say(
    `${sourceName(artifact)} of ${setName(set)} and ${place}: ` +
      (result.count === 0
        ? `equal, ${formatCount(result.entries)} entries`
        : `${formatCount(result.count)} differences in ${formatCount(result.entries)} entries`),
  );
  if (result.count > result.differences.length) {
    context.say(
      `${formatCount(result.count - result.differences.length)} of them are not shown: below what is missing or extra as a whole, or beyond the first ${formatCount(MAX_DIFFERENCES)}`,
    );
  }
  context.emit({
    type: 'result',
    command: 'diff',
    exitCode,
    set: setName(set),
    service: artifact.service,
    source: artifact.source,
    against: place,
    ...result,
  });
  return exitCode;
}

/** Nanoseconds since 1970 as a date, with what is below the second where there is any. */
function formatTime(nanoseconds: string): string {
  if (!/^-?\d+$/.test(nanoseconds)) return oneLine(nanoseconds);
  const ns = BigInt(nanoseconds);
  const seconds =
    (ns - (((ns % 1_000_000_000n) + 1_000_000_000n) % 1_000_000_000n)) / 1_000_000_000n;
  const rest = ns - seconds * 1_000_000_000n;
  const date = new Date(Number(seconds) * 1000);
  if (Number.isNaN(date.getTime())) return oneLine(nanoseconds);
  const fraction = rest === 0n ? '' : `.${rest.toString().padStart(9, '0').replace(/0+$/, '')}`;
  return date.toISOString().replace(/\.\d+Z$/, `${fraction}Z`);
}
