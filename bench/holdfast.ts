/**
 * One run of Holdfast over one source, for the benchmark: what the activities do, without Temporal.
 * Everything the benchmark uses of the engine is in this file.
 *
 *   node dist/bench/holdfast.js backup <tree> <store> <name> [<previous artifact>]
 *   node dist/bench/holdfast.js restore <artifact> <target>
 *   node dist/bench/holdfast.js restore-one <artifact> <path> <target>
 *   node dist/bench/holdfast.js version
 *
 * Prints one line of JSON: at least `seconds`, the time without the start of the process.
 */
import { mkdir } from 'node:fs/promises';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { archiveTree, type ArchivedTree } from '../src/tree/pack/archive.js';
import { extractTree } from '../src/tree/unpack/extract.js';
import { INDEX_FILE, type IndexEntry } from '../src/tree/index/index-file.js';
import { knownParts } from '../src/format/known-parts.js';
import type { Work } from '../src/base/progress.js';
import { finishArtifact, readArtifact } from '../src/store/write/artifact.js';
import { ARTIFACT_FORMAT, FORMAT_VERSION, type ArtifactManifest } from '../src/format/manifest.js';
import { verifyArtifact } from '../src/store/verify/verify.js';
import { renameDurably } from '../src/base/files/durable.js';
import { joinCommands } from '../src/base/process/pipeline.js';
import { runCommand, startCommand } from '../src/base/process/process.js';
import { toolVersions } from '../src/base/process/tools.js';
import { holdfastVersion } from '../src/base/version.js';

const began = performance.now();
const stop = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => stop.abort(new Error(signal)));
}
const work: Work = { signal: stop.signal, report: () => undefined };

/** The benchmark waits a second after each change of the tree, instead of a minute. */
const SETTLE_MS = 500;

async function archive(
  tree: string,
  setId: string,
  previous: string | undefined,
  destination: string,
): Promise<ArchivedTree> {
  return archiveTree(
    {
      spec: { root: tree, include: ['**'], exclude: [], oneFileSystem: true },
      destination,
      // The configuration's defaults.
      compressionLevel: 2,
      onChange: 'degrade',
      allowEmpty: false,
      setId,
      settleMs: SETTLE_MS,
      known:
        previous === undefined ? [] : knownParts(previous, (await readArtifact(previous)).files),
    },
    work,
  );
}

// One file out of an artifact. Reads its part to the end, found through the index.
async function restoreOne(artifact: string, file: string, target: string): Promise<object> {
  const part = await partOf(artifact, file);
  await joinCommands([
    startCommand('zstd', ['-q', '-d', '-c', '--', path.join(artifact, part)], work),
    startCommand(
      'tar',
      ['--extract', '--file=-', '--no-wildcards', '--numeric-owner', '--', `./${file}`],
      { signal: work.signal, openStdin: true, cwd: target, env: { LC_ALL: 'C' } },
    ),
  ]);
  await runCommand('sync', ['-f', target], work);
  return { part };
}

async function partOf(artifact: string, file: string): Promise<string> {
  const index = startCommand(
    'zstd',
    ['-q', '-d', '-c', '--', path.join(artifact, INDEX_FILE)],
    work,
  );
  const start = `{"path":${JSON.stringify(file)},`;
  let found: string | undefined;
  for await (const line of createInterface({ input: index.stdout })) {
    if (line.startsWith(start)) found = (JSON.parse(line) as IndexEntry).part;
  }
  await index.done;
  if (found === undefined) throw new Error(`${file} is not in ${artifact}`);
  return found;
}

async function backup(
  tree: string,
  store: string,
  name: string,
  previous: string | undefined,
): Promise<object> {
  const startedAt = new Date().toISOString();
  const incoming = path.join(store, '.incoming', name);
  await mkdir(incoming, { recursive: true });
  const archived = await archive(tree, name, previous, incoming);
  const readAt = performance.now();
  const manifest: ArtifactManifest = {
    format: ARTIFACT_FORMAT,
    version: FORMAT_VERSION,
    setId: name,
    stack: 'bench',
    host: 'bench',
    service: 'bench',
    source: 'tree',
    kind: 'files',
    name: 'tree',
    startedAt,
    finishedAt: new Date().toISOString(),
    tools: await toolVersions(),
    quiesce: 'live',
    consistency: archived.consistency,
    files: archived.files,
    totals: archived.totals,
    tree: archived.tree,
    verification: [],
  };
  const { manifestSha256 } = await finishArtifact(incoming, manifest);
  const finishedAt = performance.now();
  await verifyArtifact(incoming, { manifestSha256, level: 'hashes', onlyWritten: true }, work);
  const verifiedAt = performance.now();
  await renameDurably(incoming, path.join(store, name));
  if (archived.consistency.state !== 'consistent') {
    throw new Error(`the tree changed: ${archived.consistency.changed.slice(0, 5).join(', ')}`);
  }
  return {
    archiveSeconds: (readAt - began) / 1000,
    papersSeconds: (finishedAt - readAt) / 1000,
    verifySeconds: (verifiedAt - finishedAt) / 1000,
    parts: archived.files.filter(({ role }) => role === 'part').length,
    linkedParts: archived.linked.parts,
    ...archived.totals,
  };
}

async function restore(artifact: string, target: string): Promise<object> {
  const { files } = await readArtifact(artifact);
  return extractTree({ artifactDirectory: artifact, files, target }, work);
}

async function run(command: string | undefined, args: readonly string[]): Promise<object> {
  const [first = '', second = '', third = '', fourth] = args;
  switch (command) {
    case 'backup':
      return backup(first, second, third, fourth);
    case 'restore':
      return restore(first, second);
    case 'restore-one':
      return restoreOne(first, second, third);
    case 'version':
      return { version: `holdfast ${holdfastVersion()}` };
    default:
      throw new Error(`unknown command ${String(command)}`);
  }
}

const [command, ...args] = process.argv.slice(2);
const result = await run(command, args);
const seconds = (performance.now() - began) / 1000;
process.stdout.write(`${JSON.stringify({ ...result, seconds })}\n`);
