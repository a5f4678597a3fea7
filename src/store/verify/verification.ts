/**
 * What verifications found, one file a set in `.holdfast/verification/`. It is a memory, not part of
 * the backups: without it they are what they were, only nobody knows when they were last looked at.
 */
import { lstat, readdir } from 'node:fs/promises';
import path from 'node:path';
import { z } from 'zod';
import { systemCodeOf } from '../../base/errors.js';
import { readTextIfExists, removeTree, writeFileDurably } from '../../base/files/durable.js';
import { identityOf, type FileIdentity } from '../write/artifact-files.js';
import { makeDirectoriesInside, RECORDS_DIRECTORY, resolveInside, setFileName } from '../layout.js';
import { tierSchema, type SetFile } from '../../format/manifest.js';
import { readCatalogue } from '../catalogue/catalogue.js';
import { requireStore } from '../write/known-store.js';
import { Sharing, type FileName } from '../catalogue/sharing.js';

const DIRECTORY = `${RECORDS_DIRECTORY}/verification`;

const levelSchema = z.enum(['hashes', 'decode']);

const damageSchema = z.object({
  service: z.string(),
  source: z.string(),
  /** Directory of the artifact, relative to the root. */
  artifact: z.string(),
  /** Name in it; `.` is the directory itself. */
  file: z.string(),
  expected: z.string(),
  actual: z.string(),
  /** What it takes to see it. */
  level: levelSchema,
  /** `<device>:<inode>`; absent for what is missing. */
  identity: z
    .string()
    .regex(/^\d+:\d+$/)
    .optional(),
  /** When it was found. */
  at: z.iso.datetime(),
  /** All sets that had this very file then, `<id>-<tier>`. */
  sets: z.array(z.string()),
});

const recordSchema = z.object({
  format: z.literal('holdfast-verification'),
  version: z.literal(1),
  setId: z.string(),
  tier: tierSchema,
  /** The last verification of this set itself; none where its damage was found in another set. */
  last: z
    .object({
      at: z.iso.datetime(),
      level: levelSchema,
      files: z.number().int().min(0),
      bytes: z.number().int().min(0),
    })
    .nullable(),
  /** A verification that has not come to the end of the set yet: what it has read so far. */
  begun: z
    .object({
      /** Of the first artifact. */
      at: z.iso.datetime(),
      level: levelSchema,
      files: z.number().int().min(0),
      bytes: z.number().int().min(0),
      artifacts: z.array(z.string()),
    })
    .optional(),
  /** Empty when all was sound. */
  damage: z.array(damageSchema),
});

export type RecordedDamage = z.output<typeof damageSchema>;
export type VerificationRecord = z.output<typeof recordSchema>;

export interface FoundDamage extends Omit<RecordedDamage, 'at' | 'sets'> {
  /** All names the file has in the catalogue, in this set and others. */
  readonly names: readonly FileName[];
}

export interface VerificationOutcome {
  readonly set: Pick<SetFile, 'id' | 'tier'>;
  /** ISO 8601 */
  readonly at: string;
  readonly level: 'hashes' | 'decode';
  readonly files: number;
  readonly bytes: number;
  /** Directories of the artifacts that were verified, relative to the root. */
  readonly artifacts: readonly string[];
  /** Those that there was no time for. */
  readonly unfinished?: readonly string[];
  readonly damage: readonly FoundDamage[];
  /** Files seen to be sound. */
  readonly sound: ReadonlySet<FileIdentity>;
  /** What is sound, but was broken before it was saved. */
  readonly notes?: readonly string[];
}

/**
 * Records a verification. Damage is recorded for every set that has the damaged file, also for one
 * that was published while the verification ran; what was found sound now is taken out of every
 * record, unless it takes decoding to see the damage and only hashes were looked at.
 * @throws HoldfastError STORE_UNSAFE, DISK_FULL, and what the system says where nothing can be written
 */
export async function recordVerification(
  root: string,
  outcome: VerificationOutcome,
): Promise<void> {
  await requireStore(root);
  await makeDirectoriesInside(root, DIRECTORY);
  const records = new Map(await readVerifications(root));
  const own = setName(outcome.set);
  if (!records.has(own)) records.set(own, emptyRecord(outcome.set));
  const fresh = freshDamage(outcome);
  for (const { names } of outcome.damage) {
    for (const { set } of names) {
      if (!records.has(setName(set))) records.set(setName(set), emptyRecord(set));
    }
  }
  for (const [name, record] of records) {
    const added = fresh.get(name) ?? [];
    const kept: RecordedDamage[] = [];
    for (const old of record.damage) {
      const again = added.some((now) => now.artifact === old.artifact && now.file === old.file);
      if (!again && !(await isRefuted(root, old, outcome))) kept.push(old);
    }
    const changed = added.length > 0 || kept.length !== record.damage.length;
    if (name !== own && !changed) continue;
    const progress = name === own ? progressOf(record, outcome) : {};
    await write(root, { ...record, ...progress, damage: [...kept, ...added] });
  }
  if (outcome.damage.length > 0) await spreadDamage(root);
}

/** What the record of the verified set says of how far it is. */
function progressOf(
  { begun, last }: VerificationRecord,
  { at, level, files, bytes, artifacts, unfinished = [] }: VerificationOutcome,
): Pick<VerificationRecord, 'last' | 'begun'> {
  // One that began anew has read what was read before, too.
  const anew = begun?.artifacts.some((path) => artifacts.includes(path)) === true;
  const before = begun?.level === level && !anew ? begun : undefined;
  const now = {
    at: before?.at ?? at,
    level,
    files: files + (before?.files ?? 0),
    bytes: bytes + (before?.bytes ?? 0),
  };
  if (unfinished.length === 0) return { last: now, begun: undefined };
  return { last, begun: { ...now, artifacts: [...(before?.artifacts ?? []), ...artifacts] } };
}

/** Artifacts of a set that a verification at this level, which had no more time, has read already. */
export function artifactsDone(
  record: VerificationRecord | undefined,
  level: 'hashes' | 'decode',
): ReadonlySet<string> {
  return new Set(record?.begun?.level === level ? record.begun.artifacts : []);
}

/**
 * Records known damage for sets of the catalogue that have a damaged file and do not know it: those
 * that linked it before it was found and were published afterwards. A verification calls it after it
 * has recorded, a backup after it has published: whichever comes second sees what the other did.
 * @returns the names of sets that were marked
 */
export async function spreadDamage(root: string): Promise<readonly string[]> {
  const records = await readVerifications(root);
  const known = [...records.values()].flatMap(({ damage }) => damage);
  if (known.length === 0) return [];
  const { sets } = await readCatalogue(root);
  const sharing = new Sharing(root, sets);
  const missing = new Map<string, { set: FileName['set']; damage: RecordedDamage[] }>();
  for (const old of known) {
    const now = await identityNow(root, old);
    if (!now.same) continue;
    const { service, source, artifact: path, file } = old;
    const names = await sharing.namesOf(
      { service, source, path },
      { file, identity: now.identity },
    );
    for (const { set, artifact, file: as } of names) {
      const name = setName(set);
      const has = (one: { artifact: string; file: string }): boolean =>
        one.artifact === artifact && one.file === as;
      const entry = missing.get(name) ?? { set, damage: [] };
      if (records.get(name)?.damage.some(has) === true || entry.damage.some(has)) continue;
      const marked = [...new Set([...old.sets, name])].sort();
      entry.damage.push({ ...old, artifact, file: as, sets: marked });
      missing.set(name, entry);
    }
  }
  for (const [name, { set, damage }] of missing) {
    const record = records.get(name) ?? emptyRecord(set);
    await write(root, { ...record, damage: [...record.damage, ...damage] });
  }
  return [...missing.keys()];
}

/** What to record of the outcome's damage for each set that has it. */
function freshDamage({ at, damage, set: own }: VerificationOutcome): Map<string, RecordedDamage[]> {
  const fresh = new Map<string, RecordedDamage[]>();
  for (const { names, ...found } of damage) {
    const sets = [...new Set([setName(own), ...names.map(({ set }) => setName(set))])].sort();
    const places = new Map(
      names.map(({ set, artifact, file }) => [setName(set), { artifact, file }]),
    );
    for (const set of sets) {
      const place = set === setName(own) ? {} : (places.get(set) ?? {});
      const recorded = { ...found, ...place, at, sets };
      fresh.set(set, [...(fresh.get(set) ?? []), recorded]);
    }
  }
  return fresh;
}

/** Has this verification seen, well enough, that the file is sound? */
async function isRefuted(
  root: string,
  old: RecordedDamage,
  { level, artifacts, sound }: VerificationOutcome,
): Promise<boolean> {
  const now = await identityNow(root, old);
  // What takes decoding to see is not refuted by the file's hash. Another file is another file.
  if (old.level === 'decode' && level === 'hashes' && now.same) return false;
  return artifacts.includes(old.artifact) || (now.same && sound.has(now.identity));
}

/**
 * Files recorded as damaged that still exist under the name they were found by, as `<device>:<inode>`:
 * what must not be linked into another artifact. A store without records has none.
 */
export async function damagedFiles(root: string): Promise<ReadonlySet<FileIdentity>> {
  const damaged = new Set<FileIdentity>();
  for (const { damage } of (await readVerifications(root)).values()) {
    for (const one of damage) {
      const now = await identityNow(root, one);
      if (now.same) damaged.add(now.identity);
    }
  }
  return damaged;
}

/** Device numbers may change when the host starts; inodes of a file system do not. */
async function identityNow(
  root: string,
  { artifact, file, identity }: RecordedDamage,
): Promise<{ readonly same: false } | { readonly same: true; readonly identity: FileIdentity }> {
  if (identity === undefined) return { same: false };
  try {
    const stats = await lstat(await resolveInside(root, `${artifact}/${file}`), { bigint: true });
    if (identity.split(':')[1] !== String(stats.ino)) return { same: false };
    return { same: true, identity: identityOf(stats) };
  } catch {
    // Gone, or not to be looked at: then it can't be linked either.
    return { same: false };
  }
}

/** The record of a set; undefined where it was never verified, or its record can't be read. */
export async function readVerification(
  root: string,
  set: Pick<SetFile, 'id' | 'tier'>,
): Promise<VerificationRecord | undefined> {
  return readRecord(await resolveInside(root, `${DIRECTORY}/${setFileName(set)}`));
}

/** All records by the name of their set, `<id>-<tier>`. */
export async function readVerifications(
  root: string,
): Promise<ReadonlyMap<string, VerificationRecord>> {
  const directory = await resolveInside(root, DIRECTORY);
  const names = await readdir(directory).catch((error: unknown) => {
    // What can't be read is not known; it must not keep anyone from seeing the sets.
    if (['ENOENT', 'ENOTDIR', 'EACCES'].includes(systemCodeOf(error) ?? '')) return [];
    throw error;
  });
  const records = new Map<string, VerificationRecord>();
  for (const name of names.sort()) {
    if (name.startsWith('.') || !name.endsWith('.json')) continue;
    const record = await readRecord(path.join(directory, name));
    if (record === undefined || setFileName({ ...record, id: record.setId }) !== name) continue;
    records.set(name.slice(0, -'.json'.length), record);
  }
  return records;
}

/** Forgets a set. Missing is fine. */
export async function dropVerification(
  root: string,
  set: Pick<SetFile, 'id' | 'tier'>,
): Promise<void> {
  await removeTree(await resolveInside(root, `${DIRECTORY}/${setFileName(set)}`));
}

async function readRecord(file: string): Promise<VerificationRecord | undefined> {
  const text = await readTextIfExists(file);
  if (text === undefined) return undefined;
  try {
    return recordSchema.parse(JSON.parse(text));
  } catch {
    return undefined;
  }
}

async function write(root: string, record: VerificationRecord): Promise<void> {
  const name = setFileName({ id: record.setId, tier: record.tier });
  const file = await resolveInside(root, `${DIRECTORY}/${name}`);
  await writeFileDurably(file, `${JSON.stringify(record, null, 2)}\n`);
}

function emptyRecord({ id, tier }: Pick<SetFile, 'id' | 'tier'>): VerificationRecord {
  return { format: 'holdfast-verification', version: 1, setId: id, tier, last: null, damage: [] };
}

function setName(set: Pick<SetFile, 'id' | 'tier'>): string {
  return `${set.id}-${set.tier}`;
}
