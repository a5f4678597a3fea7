/**
 * What reading an old file to its end told, one record a file in `.holdfast/old-files/`. A restore
 * reads the manifest from here that the file has not got itself; an import that goes on after a kill
 * need not read again. Without the records everything is only read once more.
 */
import { createHash } from 'node:crypto';
import { lstat } from 'node:fs/promises';
import path from 'node:path';
import { z } from 'zod';
import { HoldfastError } from '../base/errors.js';
import {
  parseJsonIfWhole,
  pathExists,
  readTextIfExists,
  removeTree,
  writeFileDurably,
} from '../base/files/durable.js';
import { readArtifact } from '../store/write/artifact.js';
import { makeDirectoriesInside, RECORDS_DIRECTORY, resolveInside } from '../store/layout.js';
import {
  artifactFileSchema,
  artifactManifestSchema,
  type ArtifactManifest,
} from '../format/manifest.js';
import { identifyOldFile, type OldFileIdentity } from './old-files.js';

const DIRECTORY = `${RECORDS_DIRECTORY}/old-files`;

const recordSchema = z.object({
  format: z.literal('holdfast-old-file'),
  version: z.literal(1),
  /** Relative to the root. */
  path: z.string(),
  identity: z.object({ sizeBytes: z.number(), mtimeNs: z.string(), inode: z.string() }),
  /** Of the configuration that said what it is. */
  configDigest: z.string(),
  /** When it was read. */
  at: z.iso.datetime(),
  outcome: z.discriminatedUnion('type', [
    z.object({
      type: z.literal('whole'),
      /** As if the directory it lies in were the artifact. */
      manifest: artifactManifestSchema,
      /** The index beside this record, where one was made. */
      index: artifactFileSchema.optional(),
      warnings: z.array(z.string()),
    }),
    z.object({ type: z.literal('refused'), code: z.string(), message: z.string() }),
  ]),
});
export type OldFileRecord = z.output<typeof recordSchema>;

/** Directory of a file's own, for its record and its index. Made where it is missing. */
export async function oldRecordDirectory(root: string, relative: string): Promise<string> {
  return makeDirectoriesInside(root, directoryOf(relative));
}

export async function writeOldRecord(root: string, record: OldFileRecord): Promise<void> {
  const directory = await oldRecordDirectory(root, record.path);
  await writeFileDurably(path.join(directory, 'record.json'), `${JSON.stringify(record)}\n`);
}

/** The record of a file as it is now; undefined where it was not read since it was written. */
export async function readOldRecord(
  root: string,
  relative: string,
  identity: OldFileIdentity,
): Promise<OldFileRecord | undefined> {
  const file = await resolveInside(root, `${directoryOf(relative)}/record.json`);
  const parsed = recordSchema.safeParse(parseJsonIfWhole((await readTextIfExists(file)) ?? ''));
  if (!parsed.success || parsed.data.path !== relative) return undefined;
  const { sizeBytes, mtimeNs, inode } = parsed.data.identity;
  const same =
    sizeBytes === identity.sizeBytes && mtimeNs === identity.mtimeNs && inode === identity.inode;
  return same ? parsed.data : undefined;
}

export async function hasOldRecord(root: string, relative: string): Promise<boolean> {
  return pathExists(await resolveInside(root, directoryOf(relative)));
}

export async function dropOldRecord(root: string, relative: string): Promise<void> {
  await removeTree(await resolveInside(root, directoryOf(relative)));
}

/**
 * An artifact a restore can read: its directory with its manifest, or, of a file of the old script, the
 * directory it lies in with the manifest that its check made.
 * @throws HoldfastError MANIFEST_INVALID, STORE_UNSAFE; INTEGRITY when the old file is not the one that
 *   was checked
 */
export async function readRestorable(
  root: string,
  relative: string,
): Promise<{ readonly directory: string; readonly manifest: ArtifactManifest }> {
  const target = await resolveInside(root, relative);
  if (!(await isOldFile(root, relative))) {
    return { directory: target, manifest: await readArtifact(target) };
  }
  const record = await readOldRecord(root, relative, await identifyOldFile(root, relative));
  if (record?.outcome.type === 'whole') {
    return { directory: path.dirname(target), manifest: record.outcome.manifest };
  }
  throw new HoldfastError('INTEGRITY', `${target} is not the file that was checked before`, {
    facts: { path: target },
    hint: 'start the restore again: it checks every file before anything is touched',
  });
}

/** Does the path of a set's artifact name a file of the old script? */
export async function isOldFile(root: string, relative: string): Promise<boolean> {
  if (!/\.(tar\.gz|sql)$/.test(relative)) return false;
  const stats = await lstat(await resolveInside(root, relative)).catch(() => undefined);
  return stats?.isDirectory() !== true;
}

function directoryOf(relative: string): string {
  const key = createHash('sha256').update(relative).digest('hex').slice(0, 32);
  return `${DIRECTORY}/${key}`;
}
