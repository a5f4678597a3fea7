/**
 * The flags of chattr(1) that keep a name from being removed or renamed, even by root: immutable and
 * append-only. Node can't ask for them; lsattr and chattr can, where the file system has them at all.
 */
import { readFile } from 'node:fs/promises';
import { HoldfastError } from '../errors.js';
import { runCommand, startCommand } from '../process/process.js';

/** Bit of CAP_LINUX_IMMUTABLE. */
const LINUX_IMMUTABLE = 9n;

/** May this process clear these flags? root in a container usually may not. */
export async function mayClearFlags(): Promise<boolean> {
  const status = await readFile('/proc/self/status', 'utf8');
  const capabilities = /^CapEff:\s*([0-9a-f]+)$/m.exec(status)?.[1];
  return (
    capabilities !== undefined && ((BigInt(`0x${capabilities}`) >> LINUX_IMMUTABLE) & 1n) === 1n
  );
}

export type FileFlag = 'immutable' | 'append-only';

export interface Flagged {
  /** As lsattr prints it: relative to the directory, `.` for the directory itself. */
  readonly name: string;
  readonly flag: FileFlag;
}

/**
 * The first entries with such a flag, at most `limit`.
 * @param directory a path that can be a working directory
 * @param depth `itself`: the directory alone; `entries`: with what is in it; `tree`: with all below
 * @returns none also where the file system has no flags, or lsattr is not there
 */
export async function findFlagged(
  directory: string,
  depth: 'itself' | 'entries' | 'tree',
  {
    limit = 5,
    signal,
  }: { readonly limit?: number; readonly signal?: AbortSignal | undefined } = {},
): Promise<readonly Flagged[]> {
  const found: Flagged[] = [];
  const how = { itself: ['-d'], entries: ['-a'], tree: ['-R', '-a'] }[depth];
  const args = [...how, '--', '.'];
  const running = startCommand('lsattr', args, {
    cwd: directory,
    env: { LC_ALL: 'C' },
    signal,
    // It fails for each entry that has no flags to tell, and goes on.
    okExitCodes: [0, 1],
  });
  let rest = '';
  running.stdout.on('data', (chunk: Buffer) => {
    const lines = (rest + chunk.toString('utf8')).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) {
      const flagged = parseFlags(line);
      if (flagged !== undefined && found.length < limit) found.push(flagged);
    }
  });
  try {
    await running.done;
  } catch (error) {
    signal?.throwIfAborted();
    if (!(error instanceof HoldfastError)) throw error;
  }
  // The directory's own entry comes up as `./.` in a recursive list.
  return found.map(({ name, flag }) => ({ name: name === './.' ? '.' : name, flag }));
}

/** @param line of lsattr: `----i---------e------- ./name` */
export function parseFlags(line: string): Flagged | undefined {
  const parts = /^([A-Za-z-]{16,24}) (.+)$/.exec(line);
  const [, flags, name] = parts ?? [];
  if (flags === undefined || name === undefined || name.endsWith('/..')) return undefined;
  if (flags.includes('i')) return { name, flag: 'immutable' };
  if (flags.includes('a')) return { name, flag: 'append-only' };
  return undefined;
}

/**
 * Takes both flags off a directory and the entries in it (not off what is further below), or off one
 * entry alone. What can't be cleared is left: the caller tries its own work again and sees.
 */
export async function clearFlags(
  directory: string,
  { inode, signal }: { readonly inode?: bigint; readonly signal?: AbortSignal | undefined } = {},
): Promise<void> {
  const which = inode === undefined ? [] : ['-inum', String(inode)];
  await runCommand(
    'find',
    ['.', '-maxdepth', '1', '(', '-type', 'f', '-o', '-type', 'd', ')', ...which].concat([
      '-exec',
      'chattr',
      '-i',
      '-a',
      '--',
      '{}',
      '+',
    ]),
    { cwd: directory, env: { LC_ALL: 'C' }, signal, okExitCodes: [0, 1] },
  );
}
