/**
 * The commands, each loaded when it is asked for: all of them with what they need take half a second,
 * which a script that asks ten times would pay ten times.
 */
import type { Command } from 'commander';
import type { CommandHost } from './host/command-host.js';

type AddCommand = (program: Command, commands: CommandHost) => void;

interface Entry {
  readonly names: readonly string[];
  readonly load: () => Promise<AddCommand>;
}

/** In the order of the help. */
const TABLE: readonly Entry[] = [
  { names: ['up'], load: async () => (await import('./commands/host/up.js')).addUpCommand },
  {
    names: ['worker'],
    load: async () => (await import('./commands/host/worker.js')).addWorkerCommand,
  },
  {
    names: ['backup'],
    load: async () => (await import('./commands/runs/backup.js')).addBackupCommand,
  },
  {
    names: ['restore'],
    load: async () => (await import('./commands/restore/restore.js')).addRestoreCommand,
  },
  {
    names: ['undo'],
    load: async () => (await import('./commands/restore/undo.js')).addUndoCommand,
  },
  {
    names: ['restores', 'discard', 'recover', 'approve'],
    load: async () => (await import('./commands/restore/restores.js')).addRestoresCommands,
  },
  { names: ['list'], load: async () => (await import('./commands/sets/list.js')).addListCommand },
  { names: ['show'], load: async () => (await import('./commands/sets/show.js')).addShowCommand },
  {
    names: ['browse'],
    load: async () => (await import('./commands/sets/browse.js')).addBrowseCommand,
  },
  {
    names: ['check'],
    load: async () => (await import('./commands/runs/check.js')).addCheckCommand,
  },
  {
    names: ['verify'],
    load: async () => (await import('./commands/runs/verify.js')).addVerifyCommand,
  },
  {
    names: ['prune'],
    load: async () => (await import('./commands/runs/prune.js')).addPruneCommand,
  },
  {
    names: ['pin', 'unpin'],
    load: async () => (await import('./commands/sets/pin.js')).addPinCommands,
  },
  {
    names: ['drill'],
    load: async () => (await import('./commands/runs/drill.js')).addDrillCommand,
  },
  { names: ['diff'], load: async () => (await import('./commands/sets/diff.js')).addDiffCommand },
  {
    names: ['schedules'],
    load: async () => (await import('./commands/runs/schedules.js')).addSchedulesCommand,
  },
  {
    names: ['import'],
    load: async () => (await import('./commands/sets/import.js')).addImportCommand,
  },
  {
    names: ['config'],
    load: async () => (await import('./commands/host/config.js')).addConfigCommand,
  },
  {
    names: ['notify'],
    load: async () => (await import('./commands/runs/notify.js')).addNotifyCommand,
  },
];

/**
 * What this command line needs: the commands it names, or all of them where its first word is none
 * (help, a typing error, no command at all).
 */
export async function loadCommands(argv: readonly string[]): Promise<readonly AddCommand[]> {
  const first = firstWord(argv);
  const known = TABLE.some(({ names }) => first !== undefined && names.includes(first));
  const wanted = known
    ? TABLE.filter(({ names }) => names.some((name) => argv.includes(name)))
    : TABLE;
  // One after the other: loading is the processor's work, side by side it takes as long.
  const commands: AddCommand[] = [];
  for (const { load } of wanted) commands.push(await load());
  return commands;
}

/** The first word that is neither an option nor the value of one. */
function firstWord(argv: readonly string[]): string | undefined {
  return argv.find(
    (word, index) => !word.startsWith('-') && !['-c', '--config'].includes(argv[index - 1] ?? ''),
  );
}
