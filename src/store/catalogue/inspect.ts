/**
 * Is a set plainly there? Every file its artifacts should have, by existence, type and size, against
 * the manifest, and the manifest against the hash its set has. Contents are not read: what has the
 * right size may still be damaged, which `verify` finds.
 */
import { createHash } from 'node:crypto';
import { constants } from 'node:fs';
import { lstat, open, readdir } from 'node:fs/promises';
import path from 'node:path';
import { z } from 'zod';
import { inParallel } from '../../base/parallel.js';
import { isHoldfastError, messageOf, systemCodeOf } from '../../base/errors.js';
import { identityOf, type StoredFile } from '../write/artifact-files.js';
import { readSet } from './catalogue.js';
import { checksumLine } from '../../format/checksums.js';
import { CHECKSUMS_FILE, INSTRUCTIONS_FILE, MANIFEST_FILE, resolveInside } from '../layout.js';
import type { SetArtifact, SetFile } from '../../format/manifest.js';

const ARTIFACTS_AT_ONCE = 8;
const STATS_AT_ONCE = 16;

/** Something that is not as the set says. */
export interface Lack {
  readonly service: string;
  readonly source: string;
  /** Directory of the artifact, relative to the root. */
  readonly artifact: string;
  /** Name in it; `.` is the directory itself. */
  readonly file: string;
  readonly expected: string;
  readonly actual: string;
  /** It could not be looked at: it may be whole. */
  readonly unknown: boolean;
}

/** As much of a set as is looked at. */
interface Holder {
  readonly artifacts: readonly SetArtifact[];
}

type Found = Pick<Lack, 'file' | 'expected' | 'actual' | 'unknown'>;

interface InspectedArtifact {
  /** Its regular files; empty where its directory could not be listed. */
  readonly files: readonly StoredFile[];
  readonly found: readonly Found[];
}

/** What was found of the artifacts of some sets. */
export class Inspection {
  constructor(readonly artifacts: ReadonlyMap<string, InspectedArtifact>) {}

  /** The regular files of an artifact; undefined where it was not looked at, or could not be listed. */
  filesOf(artifact: SetArtifact): readonly StoredFile[] | undefined {
    const inspected = this.artifacts.get(keyOf(artifact));
    const unlisted = inspected?.found.some(
      ({ file, actual }) => file === '.' && actual !== 'missing',
    );
    return unlisted === true ? undefined : inspected?.files;
  }

  /** Empty where all is there. */
  lacksOf({ artifacts }: Holder): Lack[] {
    return artifacts.flatMap((artifact) => {
      const { service, source, path: directory } = artifact;
      const found = this.artifacts.get(keyOf(artifact))?.found ?? [];
      return found.map((one) => ({ service, source, artifact: directory, ...one }));
    });
  }
}

function keyOf({ path: directory, manifestSha256 }: SetArtifact): string {
  return `${directory}\0${manifestSha256}`;
}

/** Looks at every artifact of the sets once, some at a time. Never fails: what is wrong is a lack. */
export async function inspectSets(root: string, sets: readonly Holder[]): Promise<Inspection> {
  const artifacts = [
    ...new Map(
      sets.flatMap((set) => set.artifacts.map((artifact) => [keyOf(artifact), artifact] as const)),
    ).values(),
  ];
  const inspected = await inParallel(
    artifacts,
    ARTIFACTS_AT_ONCE,
    async (artifact) => [keyOf(artifact), await inspectArtifact(root, artifact)] as const,
    new AbortController().signal,
  );
  return new Inspection(new Map(inspected));
}

/**
 * As {@link inspectSets}, without the sets and artifacts that were removed while they were looked at.
 * @returns the sets as they are now
 */
export async function inspectCatalogue(
  root: string,
  sets: readonly SetFile[],
): Promise<{ readonly sets: readonly SetFile[]; readonly inspection: Inspection }> {
  const inspection = await inspectSets(root, sets);
  const now = await Promise.all(
    sets.map(async (set) =>
      inspection.lacksOf(set).length === 0
        ? set
        : readSet(root, set.id, set.tier).catch((error: unknown) =>
            isHoldfastError(error) && error.code === 'SET_NOT_FOUND' ? undefined : set,
          ),
    ),
  );
  return { sets: now.filter((set) => set !== undefined), inspection };
}

/** Only what says which files there are: the hash vouches for all of it. */
const filesSchema = z.object({
  files: z.array(z.object({ name: z.string(), sizeBytes: z.number() })),
});

async function inspectArtifact(root: string, artifact: SetArtifact): Promise<InspectedArtifact> {
  const found: Found[] = [];
  const note = (file: string, expected: string, actual: string, unknown = false): void => {
    found.push({ file, expected, actual, unknown });
  };
  const noteError = (file: string, error: unknown): void => {
    const { actual, unknown } = reasonOf(error);
    note(file, 'there', actual, unknown);
  };
  let directory: string;
  let names: string[];
  try {
    directory = await resolveInside(root, artifact.path);
    names = await readdir(directory);
  } catch (error) {
    noteError('.', error);
    return { files: [], found };
  }
  const files = new Map<string, StoredFile>();
  const others = new Set<string>();
  await inParallel(
    names,
    STATS_AT_ONCE,
    async (name) => {
      try {
        const stats = await lstat(path.join(directory, name), { bigint: true });
        if (stats.isFile()) {
          files.set(name, { name, identity: identityOf(stats), sizeBytes: Number(stats.size) });
        } else {
          others.add(name);
        }
      } catch (error) {
        // Gone between the two looks is gone.
        if (systemCodeOf(error) === 'ENOENT') return;
        noteError(name, error);
        others.add(name);
      }
    },
    new AbortController().signal,
  );
  const sizes = await expectedSizes(directory, artifact, files, note, noteError);
  for (const [name, expected] of sizes ?? PAPERS) {
    const file = files.get(name);
    if (file === undefined) {
      if (found.some((one) => one.file === name)) continue;
      note(name, 'a file', others.has(name) ? 'something else' : 'missing');
    } else if (expected !== undefined && file.sizeBytes !== expected) {
      note(name, `${expected} bytes`, `${file.sizeBytes} bytes`);
    } else if (expected === undefined && file.sizeBytes === 0) {
      note(name, 'some bytes', '0 bytes');
    }
  }
  if (sizes !== undefined) {
    for (const name of names) {
      if (!sizes.has(name) && (files.has(name) || others.has(name))) {
        note(name, 'not in the manifest', 'there');
      }
    }
  }
  return { files: [...files.values()], found };
}

/** Files whose size is not known beforehand. */
const PAPERS: ReadonlyMap<string, number | undefined> = new Map([
  [MANIFEST_FILE, undefined],
  [CHECKSUMS_FILE, undefined],
  [INSTRUCTIONS_FILE, undefined],
]);

/** By name; undefined where the manifest is not the one the set vouches for, which is noted. */
async function expectedSizes(
  directory: string,
  { manifestSha256 }: SetArtifact,
  files: ReadonlyMap<string, StoredFile>,
  note: (file: string, expected: string, actual: string) => void,
  noteError: (file: string, error: unknown) => void,
): Promise<ReadonlyMap<string, number | undefined> | undefined> {
  const stored = files.get(MANIFEST_FILE);
  if (stored === undefined || stored.sizeBytes === 0) return undefined;
  let manifest: z.output<typeof filesSchema>;
  try {
    const text = await readRegular(path.join(directory, MANIFEST_FILE));
    if (createHash('sha256').update(text).digest('hex') !== manifestSha256) {
      note(MANIFEST_FILE, 'the one of the set', 'another');
      return undefined;
    }
    manifest = filesSchema.parse(JSON.parse(text.toString('utf8')));
  } catch (error) {
    noteError(MANIFEST_FILE, error);
    return undefined;
  }
  const sums = [...manifest.files.map(({ name }) => name), MANIFEST_FILE, INSTRUCTIONS_FILE]
    .map((name) => Buffer.byteLength(checksumLine(name, manifestSha256)))
    .reduce((sum, length) => sum + length, 0);
  return new Map([
    ...PAPERS,
    [CHECKSUMS_FILE, sums],
    ...manifest.files.map(({ name, sizeBytes }) => [name, sizeBytes] as const),
  ]);
}

async function readRegular(file: string): Promise<Buffer> {
  const handle = await open(file, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  try {
    return await handle.readFile();
  } finally {
    await handle.close();
  }
}

/** What is gone is gone; whatever else keeps it from being looked at may pass. */
function reasonOf(error: unknown): { actual: string; unknown: boolean } {
  if (isHoldfastError(error)) {
    return { actual: error.code === 'STORE_UNSAFE' ? 'a link' : error.message, unknown: false };
  }
  const code = systemCodeOf(error);
  switch (code) {
    case 'ENOENT':
      return { actual: 'missing', unknown: false };
    case 'ENOTDIR':
    case 'ELOOP':
      return { actual: 'something else', unknown: false };
    case 'EACCES':
    case 'EPERM':
      return { actual: `may not be read (${code})`, unknown: true };
    default:
      return { actual: `can't be read (${code ?? messageOf(error)})`, unknown: true };
  }
}

const MOST_NAMED = 3;

/** `agent/data: part-00001.tar.zst has 0 bytes, not 120 bytes; and 4 more`. */
export function describeLacks(lacks: readonly Lack[]): string {
  const named = lacks.slice(0, MOST_NAMED).map(describeLack);
  const more = lacks.length - named.length;
  return [...named, ...(more === 0 ? [] : [`and ${more} more`])].join('; ');
}

export function describeLack({ service, source, file, expected, actual }: Lack): string {
  const what = file === '.' ? 'its directory' : file;
  const subject = `${service}/${source}: ${what}`;
  if (expected === 'not in the manifest') return `${subject} does not belong there`;
  if (actual === 'missing') return `${subject} is missing`;
  if (actual.startsWith("can't") || actual.startsWith('may not')) return `${subject} ${actual}`;
  return /bytes$/.test(expected)
    ? `${subject} has ${actual}, not ${expected}`
    : `${subject} is ${actual}, not ${expected === 'there' ? 'a directory' : expected}`;
}
