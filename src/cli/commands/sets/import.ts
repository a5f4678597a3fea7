/** `holdfast import`: makes sets of the catalogue of the old script's backups. Needs no Temporal. */
import type { Command } from 'commander';
import { z } from 'zod';
import { HoldfastError, isHoldfastError } from '../../../base/errors.js';
import { chooseSet } from '../../../plan/restore/choose-set.js';
import {
  importLock,
  importOldSet,
  settleImports,
  type ImportedFile,
  type ImportedSet,
} from '../../../legacy/import-old.js';
import { requireStore } from '../../../store/write/known-store.js';
import type { StoreOwnership } from '../../../store/layout.js';
import { readOldBackups, type OldBackup, type OldBackups } from '../../../legacy/old-sets.js';
import { withFileLock } from '../../../base/files/lock.js';
import { lookUpOwner } from '../../../base/files/ownership.js';
import type { Config } from '../../../format/config/schema.js';
import type { CommandHost } from '../../host/command-host.js';
import type { CliContext } from '../../host/context.js';
import type { ExitCode } from '../../output/exit.js';
import { interruptible } from '../../host/interruptible.js';
import { checkSetName } from '../../options.js';
import { localProgress, type LocalProgress } from '../../progress/local-progress.js';
import { count } from '../../../base/words.js';
import { openStore, type OpenStore } from '../../host/store.js';
import { renderImportedFile } from '../../views/sets/old-view.js';
import { setName } from '../../views/sets/set-rows.js';

const optionsSchema = z.object({
  all: z.boolean().default(false),
  dryRun: z.boolean().default(false),
  keepOld: z.boolean().default(false),
});
type Options = z.output<typeof optionsSchema>;

const EXAMPLES = `
Examples:
  holdfast import --all --dry-run          read them all, change nothing
  holdfast import 20241212_010000-daily
  holdfast import --all --keep-old         the old names stay as well

The old script's files (*.tar.gz, *.sql in the same tree) are read to their end,
and those that are whole become artifacts with manifest, checksums and
instructions. From then on retention counts them. No byte is copied: the file
gets a second name in its artifact, and loses the old one once the set is
published, so that the old script's own clean-up no longer finds it.

A file that is damaged or can't be placed is named and stays where it is; the
set then says what is missing. Importing again is fine, also after Ctrl-C.

Exit codes:
  0 all is imported   1 nothing could be imported   2 usage or configuration
  3 some files were refused   130 interrupted`;

export function addImportCommand(program: Command, commands: CommandHost): void {
  program
    .command('import')
    .description('check backups of the old script and make them sets like the others')
    .argument('[set]', 'id of the set, with or without its tier')
    .option('--all', 'every set of the old script')
    .option('--dry-run', 'only read and check')
    .option('--keep-old', 'leave the old names in place, too')
    .addHelpText('after', EXAMPLES)
    .action((set: string | undefined, options: unknown, command: Command) =>
      commands.run(command, (context) => run(context, set, optionsSchema.parse(options))),
    );
}

async function run(
  context: CliContext,
  name: string | undefined,
  options: Options,
): Promise<ExitCode> {
  if ((name === undefined) !== options.all) {
    throw new HoldfastError('USAGE', 'name one set, or say --all', {
      hint: '`holdfast list` shows the sets of the old script',
    });
  }
  if (name !== undefined) checkSetName(name);
  const config = await context.loadConfig();
  const { owner, fileMode, directoryMode } = config.backups;
  const ownership: StoreOwnership = {
    ...(owner === undefined ? {} : await lookUpOwner(owner)),
    fileMode,
    directoryMode,
  };
  const { root } = await openStore(context, undefined);
  if (!options.dryRun) await requireStore(root, directoryMode);
  return interruptible(context, (signal) =>
    withFileLock(importLock(root), { mode: 'refuse', signal }, async () => {
      if (!options.dryRun) await settleImports(root, ownership);
      const store = await openStore(context, undefined);
      const old = await readOldBackups(root, config, store.sets);
      const wanted = choose(store, old, name);
      if (wanted.length === 0) {
        context.say(name === undefined ? 'nothing to import' : `${name} is imported already`);
      }
      return importAll({ context, config, ownership, options, signal }, wanted, old);
    }),
  );
}

/** @returns nothing for a set that is imported already */
function choose(
  { sets }: OpenStore,
  { backups }: OldBackups,
  name: string | undefined,
): readonly OldBackup[] {
  // Oldest first: what is killed in between has brought the sets that are next to be removed.
  if (name === undefined) return backups;
  try {
    const { set } = chooseSet(
      backups.map((backup) => backup.set),
      name,
    );
    return backups.filter((backup) => backup.set === set);
  } catch (error) {
    if (!isHoldfastError(error) || error.code !== 'SET_NOT_FOUND') throw error;
    const imported = sets.some(
      (set) => set.origin === 'old-script' && (set.id === name || setName(set) === name),
    );
    if (imported) return [];
    throw error;
  }
}

interface Importing {
  readonly context: CliContext;
  readonly config: Config;
  readonly ownership: StoreOwnership;
  readonly options: Options;
  readonly signal: AbortSignal;
}

async function importAll(
  { context, config, ownership, options, signal }: Importing,
  wanted: readonly OldBackup[],
  { unknown }: OldBackups,
): Promise<ExitCode> {
  const { root } = config.backups;
  const { dryRun, keepOld } = options;
  const progress = localProgress(context);
  const refused: ImportedFile[] = [];
  const imported: string[] = [];
  for (const backup of wanted) {
    const name = setName(backup);
    context.say(context.style.paint('bold', name));
    const result = await importOne(context, progress, backup, () =>
      importOldSet(
        backup,
        {
          root,
          config,
          ownership,
          dryRun,
          keepOld,
          onFile: (file) => {
            progress.clear();
            for (const line of renderImportedFile(file, context.style)) context.say(line);
            context.emit({ type: 'file', set: name, ...file });
          },
        },
        { signal, report: progress.report },
      ),
    );
    refused.push(...result.files.filter(({ outcome }) => outcome.type === 'refused'));
    if (result.set !== undefined) imported.push(setName(result.set));
    tell(context, name, result, options);
  }
  if (wanted.length > 0 && unknown.length > 0) {
    context.say(
      `${count(unknown.length, 'file')} of no source of the configuration; \`holdfast list\` names them`,
    );
  }
  const exitCode = refused.length === 0 ? 0 : imported.length === 0 ? 1 : 3;
  context.emit({
    type: 'result',
    command: 'import',
    exitCode,
    dryRun,
    imported: dryRun ? [] : imported,
    refused: refused.map(({ path }) => path),
    unknown: unknown.map(({ path }) => path),
  });
  return exitCode;
}

async function importOne(
  context: CliContext,
  progress: LocalProgress,
  backup: OldBackup,
  work: () => Promise<ImportedSet>,
): Promise<ImportedSet> {
  progress.subject(setName(backup));
  try {
    return await work();
  } finally {
    progress.clear();
  }
}

function tell(
  context: CliContext,
  name: string,
  { set, copied }: ImportedSet,
  { dryRun }: Options,
): void {
  if (set === undefined) {
    context.say('  nothing of it can be used: it stays as it is');
    return;
  }
  const doubts = set.problems.length === 0 ? '' : `, ${count(set.problems.length, 'problem')}`;
  const status = context.style.status(set.status, `${set.status}${doubts}`);
  context.say(
    dryRun ? `  would become a set: ${status}` : `  imported as ${setName(set)}: ${status}`,
  );
  for (const file of copied)
    context.say(`  copied, since it can't be linked; ${file} is still there`);
  context.emit({
    type: 'set',
    name,
    dryRun,
    set: setName(set),
    status: set.status,
    problems: set.problems,
  });
}
