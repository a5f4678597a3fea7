/**
 * Which parts have been unpacked into a directory, on disk while the work runs: an attempt that comes
 * after a killed one looks through these and unpacks the others. Only within one boot of the machine:
 * what was written may not have reached the disk before a power cut.
 */
import { createHash } from 'node:crypto';
import { open, readFile, stat } from 'node:fs/promises';
import { z } from 'zod';
import { systemCodeOf } from '../../base/errors.js';
import type { ArtifactFile } from '../../format/manifest.js';
import { parseJsonIfWhole, readTextIfExists } from '../../base/files/durable.js';

const headSchema = z.object({ boot: z.string(), target: z.string(), parts: z.string() });
const lineSchema = z.object({ part: z.string() });

export interface UnpackJournal {
  readonly file: string;
  /** The directory that is unpacked into. */
  readonly target: string;
  readonly parts: readonly ArtifactFile[];
}

/** Hashes of the parts that are unpacked; undefined when there is nothing to go on from. */
export async function readUnpacked(journal: UnpackJournal): Promise<Set<string> | undefined> {
  const text = await readTextIfExists(journal.file);
  if (text === undefined) return undefined;
  const [first = '', ...lines] = text.split('\n');
  const head = headSchema.safeParse(parseJsonIfWhole(first));
  if (!head.success) return undefined;
  const expected = await headOf(journal);
  if (expected === undefined) return undefined;
  const { boot, target, parts } = head.data;
  if (boot !== expected.boot || target !== expected.target || parts !== expected.parts) {
    return undefined;
  }
  const done = new Set<string>();
  for (const line of lines) {
    const parsed = lineSchema.safeParse(parseJsonIfWhole(line));
    if (parsed.success) done.add(parsed.data.part);
  }
  return done;
}

/** Begins anew: nothing is unpacked. The target must be there. */
export async function beginUnpacking(journal: UnpackJournal): Promise<void> {
  await write(journal.file, 'w', (await headOf(journal)) ?? {});
}

export async function noteUnpacked(journal: UnpackJournal, part: ArtifactFile): Promise<void> {
  await write(journal.file, 'a', { part: part.sha256 });
}

/** Undefined when there is no target. */
async function headOf(journal: UnpackJournal): Promise<z.output<typeof headSchema> | undefined> {
  const target = await identityOf(journal.target);
  if (target === undefined) return undefined;
  const boot = await readFile('/proc/sys/kernel/random/boot_id', 'utf8').catch(() => '');
  const hash = createHash('sha256');
  for (const { name, sha256 } of journal.parts) hash.update(`${name} ${sha256}\0`);
  return { boot: boot.trim(), target, parts: hash.digest('hex') };
}

/** A directory that was made anew under the same name is another one. */
async function identityOf(directory: string): Promise<string | undefined> {
  try {
    const { dev, ino, birthtimeNs } = await stat(directory, { bigint: true });
    return `${dev}:${ino}:${birthtimeNs}`;
  } catch (error) {
    if (systemCodeOf(error) === 'ENOENT') return undefined;
    throw error;
  }
}

async function write(file: string, flags: 'w' | 'a', line: object): Promise<void> {
  const handle = await open(file, flags, 0o600);
  try {
    await handle.appendFile(`${JSON.stringify(line)}\n`);
  } finally {
    await handle.close();
  }
}
