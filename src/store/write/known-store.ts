/**
 * Is what lies at the backups' root the store that was there before? A disk that is not mounted leaves
 * an empty directory, into which a backup would go as well, and be green. So the store has a mark in
 * it, and the host remembers, outside of it, which one it saw at that root.
 */
import { createHash, randomUUID } from 'node:crypto';
import { readdir } from 'node:fs/promises';
import { homedir } from 'node:os';
import path from 'node:path';
import { z } from 'zod';
import { HoldfastError } from '../../base/errors.js';
import {
  linkFile,
  mkdirDurably,
  parseJsonIfWhole,
  readTextIfExists,
  removeTree,
  writeFileDurably,
} from '../../base/files/durable.js';
import {
  kindOf,
  makeDirectoriesInside,
  RECORDS_DIRECTORY,
  resolveInside,
  SETS_DIRECTORY,
} from '../layout.js';

const MARK_FILE = `${RECORDS_DIRECTORY}/store.json`;

const markSchema = z.object({ format: z.literal('holdfast-store'), id: z.string().min(1) });
const memorySchema = z.object({
  format: z.literal('holdfast-known-store'),
  version: z.literal(1),
  root: z.string(),
  id: z.string(),
  /** Name of the newest set's file that was seen; tells a store by when it has lost its mark. */
  newestSet: z.string().optional(),
  seenAt: z.string(),
});
type Memory = z.output<typeof memorySchema>;

export type StoreState =
  /** It has its mark, and nothing else is remembered. */
  | { readonly type: 'known'; readonly id: string }
  /** No mark, and none is remembered: a new one, or one of before marks were made. */
  | { readonly type: 'unmarked' }
  /** One is remembered, and there is none. */
  | { readonly type: 'missing'; readonly remembered: string; readonly seenAt: string }
  | { readonly type: 'other'; readonly id: string; readonly remembered: string };

/** Where the host remembers, the one to write first. Readers look into all: users may differ. */
export function stateDirectories(env: NodeJS.ProcessEnv = process.env): readonly string[] {
  const told = env['HOLDFAST_STATE_DIR'];
  if (told !== undefined && path.isAbsolute(told)) return [told];
  const systemd = env['STATE_DIRECTORY']?.split(':')[0] ?? '';
  const xdg = env['XDG_STATE_HOME'];
  const own =
    xdg !== undefined && path.isAbsolute(xdg) ? xdg : path.join(homedir(), '.local/state');
  const shared = '/var/lib/holdfast';
  const users = path.join(own, 'holdfast');
  return [
    ...(systemd === '' ? [] : [systemd]),
    ...(process.getuid?.() === 0 ? [shared, users] : [users, shared]),
  ];
}

/** Reads only. @throws what the system says where the root can't be read */
export async function lookAtStore(root: string): Promise<StoreState> {
  const [mark, memory] = await Promise.all([readMark(root), readMemory(root)]);
  if (mark !== undefined) {
    return memory === undefined || memory.id === mark
      ? { type: 'known', id: mark }
      : { type: 'other', id: mark, remembered: memory.id };
  }
  if (memory === undefined) return { type: 'unmarked' };
  const { id, newestSet, seenAt } = memory;
  // Somebody has cleared its records away; the backups are the same.
  if (newestSet !== undefined && (await setFiles(root)).includes(newestSet)) {
    return { type: 'unmarked' };
  }
  return { type: 'missing', remembered: id, seenAt };
}

/**
 * To be called before anything is written below the root. Marks a store that has no mark, and
 * remembers it. @param makeRoot with this mode the root is made where there is none; without it an
 * empty root gets no mark
 * @throws HoldfastError STORE_MISSING, STORE_CHANGED; and what writing the mark throws
 */
export async function requireStore(root: string, makeRoot?: number): Promise<void> {
  const state = await lookAtStore(root);
  const refusal = refusalOf(root, state);
  if (refusal !== undefined) throw refusal;
  let id = state.type === 'known' ? state.id : undefined;
  if (id === undefined) {
    if (makeRoot === undefined && (await setFiles(root)).length === 0) return;
    if (makeRoot !== undefined) await mkdirDurably(root, makeRoot);
    id = await writeMark(root, (await readMemory(root))?.id ?? randomUUID());
  }
  await remember(root, id);
}

/** Why nothing may be written there, if so. */
export function refusalOf(root: string, state: StoreState): HoldfastError | undefined {
  switch (state.type) {
    case 'known':
    case 'unmarked':
      return undefined;
    case 'missing':
      return new HoldfastError(
        'STORE_MISSING',
        `the backups that were in ${root} are not there: last seen ${state.seenAt}`,
        {
          hint: `is their disk mounted? if they are gone for good, \`holdfast check --accept-store\` lets a new store begin`,
          facts: { root, expected: state.remembered, seenAt: state.seenAt },
        },
      );
    case 'other':
      return new HoldfastError(
        'STORE_CHANGED',
        `in ${root} is another store of backups than the one that was there before`,
        {
          hint: 'is another disk mounted there? if it is the right one, say `holdfast check --accept-store`',
          facts: { root, expected: state.remembered, actual: state.id },
        },
      );
  }
}

/**
 * Takes what is at the root now for the right store: another one, or none, of which the next backup
 * makes a new one.
 */
export async function acceptStore(root: string): Promise<void> {
  const mark = await readMark(root);
  for (const directory of stateDirectories()) await removeTree(memoryFile(directory, root));
  if (mark !== undefined) await remember(root, mark);
}

async function readMark(root: string): Promise<string | undefined> {
  const text = await readTextIfExists(await resolveInside(root, MARK_FILE));
  const mark = markSchema.safeParse(text === undefined ? undefined : parseJsonIfWhole(text));
  return mark.success ? mark.data.id : undefined;
}

/** @returns the id that is there afterwards: somebody may have been faster */
async function writeMark(root: string, id: string): Promise<string> {
  const directory = await makeDirectoriesInside(root, RECORDS_DIRECTORY);
  const fresh = path.join(directory, `.store-${randomUUID()}`);
  const mark = { format: 'holdfast-store', version: 1, id, createdAt: new Date().toISOString() };
  const text = `${JSON.stringify(mark, null, 2)}\n`;
  const file = path.join(root, MARK_FILE);
  await writeFileDurably(fresh, text);
  try {
    await linkFile(fresh, file);
  } catch {
    // It is there by now, unreadable, or the file system has no links.
    if ((await readMark(root)) === undefined) await writeFileDurably(file, text);
  } finally {
    await removeTree(fresh);
  }
  return (await readMark(root)) ?? id;
}

function memoryFile(directory: string, root: string): string {
  const key = createHash('sha256').update(path.resolve(root)).digest('hex').slice(0, 24);
  return path.join(directory, 'stores', `${key}.json`);
}

/** The latest of all that is remembered of this root. */
async function readMemory(root: string): Promise<Memory | undefined> {
  const found: Memory[] = [];
  for (const directory of stateDirectories()) {
    // What another user remembers may not be ours to read.
    const text = await readTextIfExists(memoryFile(directory, root)).catch(() => undefined);
    const memory = memorySchema.safeParse(text === undefined ? undefined : parseJsonIfWhole(text));
    if (memory.success && memory.data.root === path.resolve(root)) found.push(memory.data);
  }
  return found.sort((left, right) => (left.seenAt < right.seenAt ? 1 : -1))[0];
}

const REFRESH_AFTER_MS = 3_600_000;

/** Where nothing can be remembered the store works all the same: it is only not known again. */
async function remember(root: string, id: string): Promise<void> {
  const known = await readMemory(root);
  const newestSet = (await setFiles(root)).at(-1);
  const isFresh =
    known?.id === id &&
    known.newestSet === newestSet &&
    Date.now() - Date.parse(known.seenAt) < REFRESH_AFTER_MS;
  if (isFresh) return;
  const memory: Memory = {
    format: 'holdfast-known-store',
    version: 1,
    root: path.resolve(root),
    id,
    ...(newestSet === undefined ? {} : { newestSet }),
    seenAt: new Date().toISOString(),
  };
  for (const directory of stateDirectories()) {
    const file = memoryFile(directory, root);
    try {
      await mkdirDurably(path.dirname(file), 0o700);
      await writeFileDurably(file, `${JSON.stringify(memory, null, 2)}\n`);
      return;
    } catch {
      // The next place.
    }
  }
}

async function setFiles(root: string): Promise<readonly string[]> {
  const directory = await resolveInside(root, SETS_DIRECTORY);
  if ((await kindOf(directory)) !== 'directory') return [];
  return (await readdir(directory)).filter((name) => /^\d{8}_\d{6}-.*\.json$/.test(name)).sort();
}
