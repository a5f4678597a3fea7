/** Reading an artifact again without stopping at the first damage: every file is named that has some. */
import { createHash } from 'node:crypto';
import type { BigIntStats } from 'node:fs';
import { lstat, readFile, readdir } from 'node:fs/promises';
import path from 'node:path';
import { HoldfastError, messageOf, systemCodeOf } from '../../base/errors.js';
import type { Work } from '../../base/progress.js';
import { readManifest } from '../write/artifact.js';
import { parseChecksums } from '../../format/checksums.js';
import { restoreInstructions } from '../write/instructions.js';
import { decoderFor } from '../../base/process/decoder.js';
import { identityOf, type FileIdentity } from '../write/artifact-files.js';
import { CHECKSUMS_FILE, INSTRUCTIONS_FILE, MANIFEST_FILE } from '../layout.js';
import type { ArtifactFile, ArtifactManifest } from '../../format/manifest.js';
import { readContent, type ReadContent } from './read-content.js';
import type { VerifyLevel } from './verify.js';

export interface Finding {
  /** Name in the artifact's directory; `.` is the directory itself. */
  readonly file: string;
  readonly expected: string;
  readonly actual: string;
  /** What it takes to see it: a file with the right hash may still not decode. */
  readonly level: VerifyLevel;
  /** Absent for what is missing. */
  readonly identity?: FileIdentity;
}

export interface DamageReport {
  /** In the order of the manifest's files. */
  readonly findings: readonly Finding[];
  /** Files found as they should be. */
  readonly sound: ReadonlySet<FileIdentity>;
  /** Files looked at. */
  readonly files: number;
  /** Bytes read from disk: files that were read before under another name count for nothing. */
  readonly bytes: number;
  /** What is right as it was saved, but was not right then; a sentence each. */
  readonly notes: readonly string[];
}

/**
 * Files read in this run, so that those that several artifacts share are read once: by what they are
 * and when they were written, for an inode may be given to another file while the run goes on.
 */
export type KnownFiles = Map<string, ReadContent>;

/** Looks into what is sound as a file: `problem` where it is none the less not what it should be. */
export type LookInside = (
  directory: string,
  manifest: ArtifactManifest,
  file: ArtifactFile,
  work: Work,
) => Promise<string | undefined>;

export interface DamageOptions {
  readonly manifestSha256: string;
  readonly level: VerifyLevel;
  readonly known: KnownFiles;
  /** At level `decode`. */
  readonly lookInside?: LookInside | undefined;
}

/**
 * What {@link verifyArtifact} looks at, but all of it. Damage is never an error: the manifest, the
 * checksums and the instructions vouch for each other, and where one of them is damaged the others
 * tell what the files should be.
 * @throws HoldfastError USAGE where something may not be read; or the signal's reason
 */
export async function findDamage(
  directory: string,
  options: DamageOptions,
  work: Work,
): Promise<DamageReport> {
  const search = new Search(directory, options, work);
  await search.run();
  return search;
}

class Search implements DamageReport {
  readonly findings: Finding[] = [];
  readonly sound = new Set<FileIdentity>();
  readonly notes: string[] = [];
  files = 0;
  bytes = 0;

  constructor(
    readonly directory: string,
    readonly options: DamageOptions,
    readonly work: Work,
  ) {}

  async run(): Promise<void> {
    const names = await readdir(this.directory, { withFileTypes: true }).catch((error: unknown) => {
      refuseForeign(error, this.directory);
      this.#find('.', 'a directory', reasonOf(error));
      return undefined;
    });
    if (names === undefined) return;
    const manifest = await this.#manifest();
    const sumsText = await readFile(path.join(this.directory, CHECKSUMS_FILE), 'utf8').catch(
      () => '',
    );
    const sums = parseChecksums(sumsText);
    const files = manifest?.files ?? filesOf(sums);
    const expected = new Set([
      MANIFEST_FILE,
      CHECKSUMS_FILE,
      INSTRUCTIONS_FILE,
      ...files.map(({ name }) => name),
    ]);
    for (const file of files) await this.#content(file, manifest);
    await this.#papers(manifest, sums);
    for (const entry of names) {
      // Names the manifest has were looked at above, whatever they are.
      if (!expected.has(entry.name)) this.#find(entry.name, 'not in the manifest', 'there');
    }
  }

  /** @returns the manifest if it is the one the set vouches for */
  async #manifest(): Promise<ArtifactManifest | undefined> {
    const { manifestSha256 } = this.options;
    const stats = await this.#regular(MANIFEST_FILE);
    if (stats === undefined) return undefined;
    const identity = identityOf(stats);
    try {
      const found = await readManifest(this.directory);
      if (found.manifestSha256 === manifestSha256) {
        this.sound.add(identity);
        return found.manifest;
      }
      this.#find(MANIFEST_FILE, manifestSha256, found.manifestSha256, { identity });
    } catch (error) {
      this.#find(MANIFEST_FILE, manifestSha256, messageOf(error), { identity });
    }
    return undefined;
  }

  async #content(file: ArtifactFile, manifest: ArtifactManifest | undefined): Promise<void> {
    const stats = await this.#regular(file.name);
    if (stats === undefined) return;
    const identity = identityOf(stats);
    const content = await this.#read(file, stats);
    if (content.problem !== undefined) {
      refuseForeign(content.problem, this.directory);
      this.#find(file.name, 'a readable file', content.problem, { identity });
    } else if (file.sizeBytes >= 0 && content.sizeBytes !== file.sizeBytes) {
      const [expected, actual] = [`${file.sizeBytes} bytes`, `${content.sizeBytes} bytes`];
      this.#find(file.name, expected, actual, { identity });
    } else if (content.sha256 !== file.sha256) {
      this.#find(file.name, file.sha256, content.sha256, { identity });
    } else {
      const problem = await this.#inside(file, manifest);
      if (problem === undefined) this.#decoded(file, content, identity);
      else this.#find(file.name, 'a whole dump', problem, { identity, level: 'decode' });
    }
  }

  async #inside(
    file: ArtifactFile,
    manifest: ArtifactManifest | undefined,
  ): Promise<string | undefined> {
    const { level, lookInside } = this.options;
    if (level !== 'decode' || manifest === undefined) return undefined;
    return lookInside?.(this.directory, manifest, file, this.work);
  }

  #decoded(file: ArtifactFile, { decoded }: ReadContent, identity: FileIdentity): void {
    if (decoded === undefined) {
      this.sound.add(identity);
    } else if ('problem' in decoded) {
      this.#find(file.name, 'a sound archive', decoded.problem, { identity, level: 'decode' });
    } else if (
      file.role === 'part' &&
      file.entries !== undefined &&
      decoded.members !== file.entries
    ) {
      const [expected, actual] = [`${file.entries} entries`, `${decoded.members} entries`];
      this.#find(file.name, expected, actual, { identity, level: 'decode' });
    } else {
      for (const name of decoded.misnamed ?? []) {
        this.notes.push(
          `${name} in ${file.name} is not what its name says: it was broken when it was saved`,
        );
      }
      this.sound.add(identity);
    }
  }

  async #read(file: ArtifactFile, stats: BigIntStats): Promise<ReadContent> {
    const identity = `${identityOf(stats)} ${stats.mtimeNs} ${stats.size}`;
    const decode = this.options.level === 'decode' && decoderFor(file.name) !== undefined;
    const { known } = this.options;
    const before = known.get(identity);
    if (before !== undefined && (!decode || before.decoded !== undefined)) return before;
    const content = await readContent(
      path.join(this.directory, file.name),
      { decode, headers: file.role === 'part', expectedSha256: file.sha256 },
      this.work,
      (bytes) => {
        this.bytes += bytes;
        const { bytes: read, files: entries } = this;
        this.work.report({ phase: 'verify', bytes: read, entries, totalBytes: 0 });
      },
    );
    known.set(identity, content);
    return content;
  }

  /** Instructions and checksums; when the two do not fit, what the manifest makes of them decides. */
  async #papers(
    manifest: ArtifactManifest | undefined,
    sums: ReadonlyMap<string, string>,
  ): Promise<void> {
    const instructions = await this.#regular(INSTRUCTIONS_FILE);
    const checksums = await this.#regular(CHECKSUMS_FILE);
    let wrongLine = false;
    if (instructions !== undefined) {
      const identity = identityOf(instructions);
      const text = await readFile(path.join(this.directory, INSTRUCTIONS_FILE)).catch(() => '');
      const actual = sha256Of(text);
      const listed = sums.get(INSTRUCTIONS_FILE);
      const rewritten =
        manifest === undefined ? undefined : sha256Of(restoreInstructions(manifest));
      if (actual === listed || actual === rewritten) {
        this.sound.add(identity);
        wrongLine = actual !== listed;
      } else {
        this.#find(INSTRUCTIONS_FILE, listed ?? rewritten ?? 'a hash', actual, { identity });
      }
    }
    if (checksums === undefined) return;
    const identity = identityOf(checksums);
    const wanted = new Map([
      ...(manifest?.files ?? []).map(({ name, sha256 }) => [name, sha256] as const),
      [MANIFEST_FILE, this.options.manifestSha256] as const,
    ]);
    const wrong = [...wanted].find(([name, sha256]) => sums.get(name) !== sha256);
    const extra = [...sums.keys()].some((name) => !wanted.has(name) && name !== INSTRUCTIONS_FILE);
    if (wrong !== undefined) {
      const [name, sha256] = wrong;
      this.#find(CHECKSUMS_FILE, `${sha256} of ${name}`, sums.get(name) ?? 'nothing', { identity });
    } else if (wrongLine || (manifest !== undefined && extra)) {
      this.#find(CHECKSUMS_FILE, 'the hash of every file', 'another line', { identity });
    } else {
      this.sound.add(identity);
    }
  }

  /** A file that is there and is one; what is not is noted. */
  async #regular(name: string): Promise<BigIntStats | undefined> {
    this.work.signal.throwIfAborted();
    this.files += 1;
    try {
      const stats = await lstat(path.join(this.directory, name), { bigint: true });
      if (stats.isFile()) return stats;
      this.#find(name, 'a regular file', 'something else');
    } catch (error) {
      refuseForeign(error, this.directory);
      this.#find(name, 'there', reasonOf(error));
    }
    return undefined;
  }

  #find(
    file: string,
    expected: string,
    actual: string,
    more: { readonly identity?: FileIdentity; readonly level?: VerifyLevel } = {},
  ): void {
    const { identity, level = 'hashes' } = more;
    this.findings.push({
      file,
      expected,
      actual,
      level,
      ...(identity === undefined ? {} : { identity }),
    });
  }
}

function reasonOf(error: unknown): string {
  const code = systemCodeOf(error) ?? messageOf(error);
  return code === 'ENOENT' ? 'missing' : code;
}

/** What this process has no right to read is not damaged. @throws HoldfastError USAGE */
function refuseForeign(error: unknown, directory: string): void {
  const code = error === 'EACCES' ? error : systemCodeOf(error);
  if (code !== 'EACCES' && code !== 'EPERM') return;
  throw new HoldfastError('USAGE', `${directory} may not be read`, {
    facts: { path: directory, reason: code },
    hint: 'verify as the user the backups belong to, usually root',
  });
}

/** Without a manifest the checksums still say what should be there; sizes they do not know (-1). */
function filesOf(sums: ReadonlyMap<string, string>): ArtifactFile[] {
  return [...sums]
    .filter(([name]) => name !== MANIFEST_FILE && name !== INSTRUCTIONS_FILE)
    .filter(([name]) => !name.includes('/'))
    .map(([name, sha256]) => ({
      name,
      role: /^part-\d+\.tar\.zst$/.test(name) ? ('part' as const) : ('other' as const),
      sizeBytes: -1,
      sha256,
    }));
}

function sha256Of(content: string | Buffer): string {
  return createHash('sha256').update(content).digest('hex');
}
