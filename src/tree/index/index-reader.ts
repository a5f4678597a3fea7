/** Reading `index.jsonl.zst` entry by entry: what an artifact holds, without unpacking it. */
import { createHash, type Hash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import path from 'node:path';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { z } from 'zod';
import { HoldfastError, messageOf, systemCodeOf } from '../../base/errors.js';
import type { Work } from '../../base/progress.js';
import type { ArtifactFile, ArtifactManifest } from '../../format/manifest.js';
import { hashFile } from '../../base/files/hash-file.js';
import { startCommand } from '../../base/process/process.js';
import type { IndexEntry } from './index-file.js';
import { pathFromJson, type JsonPath } from '../../base/files/byte-paths.js';

const CHUNK_BYTES = 256 * 1024;
/** Far above what two paths of the longest kind take. */
const LONGEST_LINE = 1024 * 1024;
const REPORT_EVERY = 10_000;

const digits = z.string().regex(/^\d{1,20}$/);
const nanoseconds = z.string().regex(/^-?\d{1,20}$/);
const id = z.number().int().min(0);
const anyPath = z.union([z.string(), z.strictObject({ b64: z.base64() })]);
/** Relative, below the root: what is read here decides what is unpacked. */
const treePath = anyPath.refine(isTreePath, 'is not a path below the root');

const indexEntrySchema = z.object({
  path: treePath,
  type: z.enum(['file', 'directory', 'symlink', 'fifo', 'character', 'block']),
  sizeBytes: z.number().int().min(0),
  mtimeNs: nanoseconds,
  ctimeNs: nanoseconds,
  inode: digits,
  mode: z.string().regex(/^[0-7]{4}$/),
  uid: id,
  gid: id,
  linkTarget: anyPath.optional(),
  hardLinkOf: treePath.optional(),
  part: z.string(),
}) satisfies z.ZodType<IndexEntry>;

/**
 * The entries of an artifact's index in their order, the root as `.`. A few hundred kilobytes of it
 * are in memory at a time. The file is hashed as it is read; that it is not the recorded one may
 * therefore be found only at its end: nothing may be changed on the word of an index that has not been
 * read to its end. Ending the iteration early is fine.
 * @param manifest the artifact's
 * @throws HoldfastError INTEGRITY (facts: path, expected, actual) when the file is missing or damaged;
 *   MANIFEST_INVALID (facts: path, line) when there is none or it is not of the format; USAGE where
 *   it may not be read; or the signal's reason
 */
export async function* readIndex(
  directory: string,
  work: Work,
  manifest: ArtifactManifest,
): AsyncGenerator<IndexEntry, void, undefined> {
  const { files } = manifest;
  const index = files.find(({ role }) => role === 'index');
  if (index === undefined) {
    throw new HoldfastError('MANIFEST_INVALID', `${directory} has no index of its entries`, {
      facts: { path: directory },
      hint: 'only files and volumes have one',
    });
  }
  const file = path.join(directory, index.name);
  const parts = new Set(files.flatMap(({ role, name }) => (role === 'part' ? [name] : [])));
  const { signal } = work;
  const hash = createHash('sha256');
  const zstd = startCommand('zstd', ['-q', '-d', '-c', '-'], { signal, openStdin: true });
  // Looked at below; until then it must not count as unhandled.
  const feeding = feed(file, hash, zstd.stdin);
  feeding.catch(() => undefined);
  let line = 0;
  let ended = false;
  try {
    for await (const lines of linesOf(zstd.stdout, file)) {
      for (const text of lines) {
        line += 1;
        if (line % REPORT_EVERY === 0) report(work, line);
        yield parseLine(text, { file, line, parts });
      }
    }
    await feeding;
    await zstd.done;
    ended = true;
    requireHash(file, index, hash.digest('hex'));
    report(work, line);
  } catch (error) {
    signal.throwIfAborted();
    if (!ended) await requireSoundFile(file, index, signal);
    throw error;
  } finally {
    if (!ended) zstd.kill();
  }
}

function report(work: Work, entries: number): void {
  work.report({ phase: 'index', bytes: 0, entries, totalBytes: 0 });
}

async function feed(
  file: string,
  hash: Hash,
  stdin: ReturnType<typeof startCommand>['stdin'],
): Promise<void> {
  if (stdin === null) throw new HoldfastError('INTERNAL', 'zstd was started without an input');
  await pipeline(
    createReadStream(file, { highWaterMark: CHUNK_BYTES }),
    async function* (source: AsyncIterable<unknown>) {
      for await (const chunk of source) {
        if (!Buffer.isBuffer(chunk)) continue;
        hash.update(chunk);
        yield chunk;
      }
    },
    stdin,
  );
}

/** Lines as they come, several at a time. */
async function* linesOf(stream: Readable, file: string): AsyncGenerator<readonly string[]> {
  const decoder = new TextDecoder('utf-8', { ignoreBOM: true });
  let rest = '';
  for await (const chunk of stream) {
    if (!Buffer.isBuffer(chunk)) continue;
    const lines = (rest + decoder.decode(chunk, { stream: true })).split('\n');
    rest = lines.pop() ?? '';
    if (rest.length > LONGEST_LINE) throw invalid(file, 'has a line without an end');
    yield lines;
  }
  if (rest !== '') throw invalid(file, 'ends in the middle of a line');
}

function parseLine(
  text: string,
  at: { readonly file: string; readonly line: number; readonly parts: ReadonlySet<string> },
): IndexEntry {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw invalid(at.file, `is no JSON in line ${at.line}: ${messageOf(error)}`, at.line);
  }
  const parsed = indexEntrySchema.safeParse(value);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    const what = issue === undefined ? '' : `: ${issue.path.join('.')} ${issue.message}`;
    throw invalid(at.file, `is not of the format in line ${at.line}${what}`, at.line);
  }
  if (!at.parts.has(parsed.data.part)) {
    throw invalid(at.file, `names a part the manifest does not have in line ${at.line}`, at.line);
  }
  return parsed.data;
}

function isTreePath(json: JsonPath): boolean {
  const bytes = pathFromJson(json);
  if (bytes === '.') return true;
  if (bytes.includes('\0')) return false;
  return bytes.split('/').every((name) => name !== '' && name !== '.' && name !== '..');
}

/** What goes wrong first in damaged bytes is a consequence: the hash of the file tells the reason. */
async function requireSoundFile(
  file: string,
  index: ArtifactFile,
  signal: AbortSignal,
): Promise<void> {
  let actual: string;
  try {
    actual = (await hashFile(file, signal)).sha256;
  } catch (error) {
    signal.throwIfAborted();
    if (systemCodeOf(error) === 'EACCES') {
      throw new HoldfastError('USAGE', `${file} may not be read`, {
        facts: { path: file, reason: 'EACCES' },
        hint: 'look as the user the backups belong to, usually root',
        cause: error,
      });
    }
    throw new HoldfastError('INTEGRITY', `${file} cannot be read: ${messageOf(error)}`, {
      facts: { path: file, expected: index.sha256, actual: systemCodeOf(error) ?? 'unreadable' },
      hint: 'take another set; `holdfast verify` shows which are sound',
      cause: error,
    });
  }
  requireHash(file, index, actual);
}

function requireHash(file: string, index: ArtifactFile, actual: string): void {
  if (actual === index.sha256) return;
  throw new HoldfastError('INTEGRITY', `${file} is damaged: its hash is not the recorded one`, {
    facts: { path: file, expected: index.sha256, actual },
    hint: 'take another set; `holdfast verify` shows which are sound',
  });
}

function invalid(file: string, problem: string, line?: number): HoldfastError {
  return new HoldfastError('MANIFEST_INVALID', `${file} ${problem}`, {
    facts: { path: file, ...(line === undefined ? {} : { line }) },
    hint: 'was it written by a newer version?',
  });
}
