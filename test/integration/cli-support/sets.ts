/** A store made by hand, from set and artifact files that are valid. */
import { createHash } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { checksumLine } from '../../../src/format/checksums.js';
import {
  artifactManifestSchema,
  setFileSchema,
  type ArtifactManifest,
  type SetArtifact,
  type SetFile,
} from '../../../src/format/manifest.js';

const GIB = 1024 ** 3;
const HOUR_MS = 3_600_000;

interface Source {
  readonly service: string;
  readonly source: string;
  readonly kind: SetArtifact['kind'];
  readonly place: string;
  readonly contentBytes: number;
  readonly entries: number;
}

const SOURCES: readonly Source[] = [
  source('pgdb', 'configs', 'files', 'pgdb/daily/configs/configs', 48_213, 12),
  source('pgdb', 'pgdump', 'postgres', 'pgdb/daily/data/pgdump', 24.3 * GIB, 214),
  source(
    'mlopsnew',
    'grafana',
    'volume',
    'mlopsnew/daily/docker/mlopsnew_grafana_data_new',
    0.3 * GIB,
    1_870,
  ),
  source(
    'mlopsnew',
    'prometheus',
    'volume',
    'mlopsnew/daily/docker/mlopsnew_prometheus_data_new',
    3.1 * GIB,
    9_022,
  ),
  source(
    'mlopsnew',
    'qdrant',
    'volume',
    'large_volumes/mlopsnew_qdrant_storage_new',
    74.9 * GIB,
    128_344,
  ),
  source('agent', 'qdrant', 'volume', 'agent/daily/docker/agent_qdrant_storage', 1.2 * GIB, 3_120),
  source('webbot', 'volume', 'volume', 'webbot/daily/docker/webbot_data', 0.05 * GIB, 211),
];

function source(
  service: string,
  name: string,
  kind: Source['kind'],
  place: string,
  contentBytes: number,
  entries: number,
): Source {
  return { service, source: name, kind, place, contentBytes: Math.round(contentBytes), entries };
}

export interface SetOptions {
  readonly id: string;
  readonly tier?: SetFile['tier'];
  readonly status?: SetFile['status'];
  readonly finishedAt?: Date;
  readonly problems?: SetFile['problems'];
  readonly services?: readonly string[];
  /** Sources whose manifests are left out on disk. */
  readonly without?: readonly string[];
}

/** Writes the set and its artifacts' manifests; gives the set. */
export async function writeSet(root: string, options: SetOptions): Promise<SetFile> {
  const finishedAt = options.finishedAt ?? new Date(Date.now() - 3 * HOUR_MS);
  const wanted = SOURCES.filter(
    ({ service }) => options.services === undefined || options.services.includes(service),
  );
  const artifacts: SetArtifact[] = [];
  for (const one of wanted) {
    const artifact = await writeArtifact(root, one, options, finishedAt);
    artifacts.push(artifact);
  }
  const set = setFileSchema.parse({
    format: 'holdfast-set',
    version: 1,
    id: options.id,
    tier: options.tier ?? 'daily',
    stack: 'ml',
    host: 'gpu1',
    configDigest: 'c'.repeat(64),
    status: options.status ?? 'success',
    problems: options.problems ?? [],
    scope: options.services ?? 'all',
    startedAt: new Date(finishedAt.getTime() - 1_213_000).toISOString(),
    finishedAt: finishedAt.toISOString(),
    workflowId: `holdfast/ml/backup/${options.id}`,
    artifacts,
  });
  await mkdir(path.join(root, 'sets'), { recursive: true });
  await writeFile(path.join(root, 'sets', `${set.id}-${set.tier}.json`), JSON.stringify(set));
  return set;
}

async function writeArtifact(
  root: string,
  one: Source,
  options: SetOptions,
  finishedAt: Date,
): Promise<SetArtifact> {
  const relative = `${one.place}_${options.id}`;
  const consistent = one.source !== 'prometheus';
  const storedBytes = Math.round(one.contentBytes * 0.55);
  const manifest: ArtifactManifest = artifactManifestSchema.parse({
    format: 'holdfast-artifact',
    version: 1,
    setId: options.id,
    stack: 'ml',
    host: 'gpu1',
    service: one.service,
    source: one.source,
    kind: one.kind,
    name: path.basename(one.place),
    startedAt: finishedAt.toISOString(),
    finishedAt: finishedAt.toISOString(),
    tools: { holdfast: '0.1.0' },
    quiesce: 'live',
    consistency: {
      state: consistent ? 'consistent' : 'inconsistent',
      changed: consistent ? [] : ['wal/00000012'],
      policy: consistent ? 'degrade' : 'expected',
    },
    files: [],
    totals: { contentBytes: one.contentBytes, storedBytes, entries: one.entries },
    verification: [{ at: finishedAt.toISOString(), level: 'decode', ok: true }],
  });
  const bytes = JSON.stringify(manifest);
  await mkdir(path.join(root, relative), { recursive: true });
  if (options.without?.includes(one.source) !== true) {
    await writeFile(path.join(root, relative, 'manifest.json'), bytes);
    await writeFile(path.join(root, relative, 'RESTORE.md'), 'as it is\n');
    const sums = ['manifest.json', 'RESTORE.md'].map((name) => checksumLine(name, 'a'.repeat(64)));
    await writeFile(path.join(root, relative, 'SHA256SUMS'), sums.join(''));
  }
  return {
    service: one.service,
    source: one.source,
    kind: one.kind,
    path: relative,
    manifestSha256: createHash('sha256').update(bytes).digest('hex'),
    contentBytes: one.contentBytes,
    storedBytes,
    entries: one.entries,
    consistent,
  };
}
