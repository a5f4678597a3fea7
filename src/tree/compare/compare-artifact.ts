/**
 * A tree against an artifact, entry by entry, without unpacking it: names and attributes by its index,
 * contents by GNU tar. Extended attributes are not looked at: `compareTrees` does, after a restore.
 */
import path from 'node:path';
import { HoldfastError } from '../../base/errors.js';
import type { Work } from '../../base/progress.js';
import type { ArtifactFile, ArtifactManifest } from '../../format/manifest.js';
import { joinCommands } from '../../base/process/pipeline.js';
import { startCommand } from '../../base/process/process.js';
import { Findings, type TreeComparison } from './compare.js';
import { furtherNames, hardLinkGroups } from '../pack/cut.js';
import type { Entry, TreeSpec } from '../index/entry.js';
import { normalize } from '../../tar/hostile.js';
import type { IndexEntry } from '../index/index-file.js';
import { readIndex } from '../index/index-reader.js';
import { pathFromJson, pathToName, type BytePath } from '../../base/files/byte-paths.js';
import { directReader } from '../scan/reader.js';
import { scanTree } from '../scan/scan.js';
import type { Selection } from '../unpack/select-entries.js';
import { filtered, judge } from '../unpack/select-extract.js';

export interface ArtifactComparison {
  readonly artifactDirectory: string;
  readonly manifest: ArtifactManifest;
  /** The tree; the place the artifact was read from by default. */
  readonly root?: string | undefined;
  /** Only these entries and what leads to them; the tree holds nothing else. */
  readonly selection?: Selection | undefined;
}

/**
 * Differences between an artifact (expected) and a tree (actual), bounded like those of compareTrees.
 * Of the tree only what the artifact's own includes and excludes name is looked at.
 * @throws HoldfastError SOURCE_MISSING and ARCHIVE_FAILED when the tree can't be read, INTEGRITY when
 *   the artifact can't, USAGE for an artifact that is not of a tree; or the signal's reason
 */
export async function compareWithArtifact(
  { artifactDirectory, manifest, root: given, selection }: ArtifactComparison,
  work: Work,
): Promise<TreeComparison> {
  const { tree } = manifest;
  if (tree === undefined) {
    throw new HoldfastError('USAGE', `${manifest.name} is not a backup of files`, {
      hint: 'dumps of databases are compared by restoring them',
    });
  }
  const root = given ?? tree.root;
  // The artifact tells which mounts count: what was not entered has no entries below it.
  const spec: TreeSpec = { ...tree, root, oneFileSystem: true };
  const scanned = await scanTree(spec, directReader(root), work);
  const actual = new Map(scanned.entries.map((entry) => [entry.path, entry]));
  const actualFirst = furtherNames(hardLinkGroups(scanned.entries));
  const found = new Findings();
  const sameSize = new Set<BytePath>();
  const gone = new WholeTrees(found, 'missing');
  let entries = 0;
  let bytes = 0;
  for await (const expected of readIndex(artifactDirectory, work, manifest)) {
    const at = bytePath(expected);
    if (selection !== undefined && !selection.selects(at) && !selection.parents.has(at)) continue;
    entries += 1;
    if (expected.hardLinkOf === undefined) bytes += expected.sizeBytes;
    const now = actual.get(at);
    if (now === undefined) {
      gone.add(at, expected.type, 'nothing');
      continue;
    }
    actual.delete(at);
    if (now.type !== expected.type) {
      found.add(at, 'type', expected.type, now.type);
      continue;
    }
    compareFacts(at, expected, now, actualFirst.get(at), found);
    if (now.type === 'file' && now.sizeBytes === expected.sizeBytes) sameSize.add(at);
  }
  const more = new WholeTrees(found, 'extra');
  for (const extra of actual.values()) more.add(extra.path, 'nothing', extra.type);
  const parts = manifest.files.filter(
    ({ role, name }) => role === 'part' && (selection === undefined || selection.parts.has(name)),
  );
  const contents = { directory: artifactDirectory, parts, root, selection };
  for (const at of await otherContents(contents, work)) {
    if (sameSize.has(at)) found.add(at, 'content', 'as backed up', 'other bytes');
  }
  return { differences: found.sorted(), count: found.count, entries, bytes };
}

/**
 * Missing or extra entries, in the order of the tree: a directory stands for all below it, which is
 * counted only. Against a wrong directory that is a few lines, not one for each entry.
 */
class WholeTrees {
  readonly #directories = new Set<BytePath>();

  constructor(
    readonly found: Findings,
    readonly what: 'missing' | 'extra',
  ) {}

  add(at: BytePath, expected: string, actual: string): void {
    const slash = at.lastIndexOf('/');
    const parent = slash === -1 ? '' : at.slice(0, slash);
    if (expected === 'directory' || actual === 'directory') this.#directories.add(at);
    if (at !== '' && this.#directories.has(parent)) this.found.count += 1;
    else this.found.add(at, this.what, expected, actual);
  }
}

function bytePath({ path: json }: IndexEntry): BytePath {
  const at = pathFromJson(json);
  return at === '.' ? '' : at;
}

function compareFacts(
  at: BytePath,
  expected: IndexEntry,
  now: Entry,
  first: BytePath | undefined,
  found: Findings,
): void {
  const target = expected.linkTarget === undefined ? '' : pathFromJson(expected.linkTarget);
  const linked = expected.hardLinkOf === undefined ? '' : pathFromJson(expected.hardLinkOf);
  found.compare(at, 'mode', expected.mode, now.mode.toString(8).padStart(4, '0'));
  found.compare(at, 'owner', `${expected.uid}:${expected.gid}`, `${now.uid}:${now.gid}`);
  found.compare(at, 'size', String(expected.sizeBytes), String(now.sizeBytes));
  found.compare(at, 'mtime', expected.mtimeNs, String(now.mtimeNs));
  found.compare(at, 'target', pathToName(target), pathToName(now.linkTarget));
  found.compare(at, 'hardLinks', pathToName(linked), pathToName(first ?? ''));
}

/** Files whose bytes are not those of the parts, as tar sees it; also those of another size. */
async function otherContents(
  {
    directory,
    parts,
    root,
    selection,
  }: {
    readonly directory: string;
    readonly parts: readonly ArtifactFile[];
    readonly root: string;
    readonly selection: Selection | undefined;
  },
  work: Work,
): Promise<readonly BytePath[]> {
  const { signal } = work;
  const totalBytes = parts.reduce((sum, { contentBytes }) => sum + (contentBytes ?? 0), 0);
  const names: BytePath[] = [];
  let bytes = 0;
  let rest = '';
  const tar = startCommand(
    'tar',
    ['--compare', '--file=-', '--blocking-factor=128', '--ignore-zeros', '--quoting-style=escape'],
    // 1: something differs. 2: something is missing, which the index has told.
    { signal, openStdin: true, cwd: root, env: { LC_ALL: 'C' }, okExitCodes: [0, 1, 2] },
  );
  const [, ending] = await joinCommands(
    [
      startCommand(
        'zstd',
        ['-q', '-d', '-c', '--', ...parts.map(({ name }) => path.join(directory, name))],
        { signal },
      ),
      selection === undefined
        ? tar
        : filtered(tar, (member) => judge(member, selection, normalize)),
    ],
    {
      taps: [
        (chunk) => {
          bytes += chunk.length;
          work.report({ phase: 'compare', bytes, entries: names.length, totalBytes });
        },
        (chunk) => {
          const lines = (rest + chunk.toString('latin1')).split('\n');
          rest = lines.pop() ?? '';
          for (const line of lines) {
            const [, name] =
              /^\.\/(.*): (?:Contents differ|File fragment at \d+ is not a hole)$/.exec(line) ?? [];
            if (name !== undefined) names.push(unescape(name));
          }
        },
      ],
    },
  );
  requireReadable(ending?.stderr ?? '', root);
  return names;
}

/** @throws HoldfastError ARCHIVE_FAILED when tar could not look at something that is there */
function requireReadable(stderr: string, root: string): void {
  const other = stderr
    .split('\n')
    .find(
      (line) =>
        line !== '' &&
        !/: (Warning: )?Cannot \w+: No such file or directory$/.test(line) &&
        !line.endsWith('Exiting with failure status due to previous errors'),
    );
  if (other === undefined) return;
  throw new HoldfastError('ARCHIVE_FAILED', `${root} cannot be compared: ${other}`, {
    facts: { path: root },
  });
}

const ESCAPES: Readonly<Record<string, string>> = {
  a: '\x07',
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
  v: '\v',
};

/** A name as `--quoting-style=escape` writes it in the C locale. */
function unescape(text: string): BytePath {
  return text.replace(/\\([0-7]{3}|.)/g, (_, code: string) =>
    code.length === 3 ? String.fromCharCode(Number.parseInt(code, 8)) : (ESCAPES[code] ?? code),
  );
}
