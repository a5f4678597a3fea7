/** A store whose artifacts were really written, with sets that share files as later runs do. */
import { createHash } from 'node:crypto';
import { linkSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { finishArtifact, readArtifact } from '../../../src/store/write/artifact.js';
import type {
  ArtifactManifest,
  PostgresInfo,
  SetArtifact,
  SetFile,
  Tier,
} from '../../../src/format/manifest.js';
import { MANIFEST, setOf, writeTreeArtifact } from '../store/fixtures.js';

export interface TreeSource {
  readonly service: string;
  readonly source: string;
  /** Directory that is archived. */
  readonly tree: string;
  /** An earlier artifact of the same tree (relative to the root): its parts are linked. */
  readonly sharedWith?: string;
  /** What the manifest says besides. */
  readonly overrides?: Partial<ArtifactManifest>;
}

/** Archives a tree as an artifact of a set. */
export async function addTree(
  root: string,
  setId: string,
  { service, source, tree, sharedWith, overrides }: TreeSource,
): Promise<SetArtifact> {
  const relative = `${service}/daily/data/${source}_${setId}`;
  const directory = path.join(root, relative);
  const facts = { setId, service, source, name: source, ...overrides };
  const written = await writeTreeArtifact(tree, directory, facts);
  if (sharedWith === undefined) {
    return setArtifact(relative, written.manifest, written.manifestSha256);
  }
  const earlier = await readArtifact(path.join(root, sharedWith));
  const parts = earlier.files.filter(({ role }) => role === 'part');
  for (const { name } of parts) {
    rmSync(path.join(directory, name));
    linkSync(path.join(root, sharedWith, name), path.join(directory, name));
  }
  const own = written.manifest.files.filter(({ role }) => role !== 'part');
  const manifest = { ...written.manifest, files: [...parts, ...own] };
  const { manifestSha256 } = await finishArtifact(directory, manifest);
  return setArtifact(relative, manifest, manifestSha256);
}

/** An artifact of a server with one database, whose dump is a few bytes. */
export async function addPostgres(
  root: string,
  setId: string,
  service = 'pgdb',
): Promise<SetArtifact> {
  const relative = `${service}/daily/data/pgdump_${setId}`;
  const directory = path.join(root, relative);
  mkdirSync(directory, { recursive: true });
  const files = [
    { name: 'globals.sql.zst', role: 'globals' as const, content: 'globals' },
    { name: 'shop.dump', role: 'database' as const, content: 'PGDMP…', database: 'shop' },
  ].map(({ content, ...file }) => {
    writeFileSync(path.join(directory, file.name), content);
    return {
      ...file,
      sizeBytes: Buffer.byteLength(content),
      sha256: createHash('sha256').update(content).digest('hex'),
    };
  });
  const manifest: ArtifactManifest = {
    ...MANIFEST,
    setId,
    service,
    source: 'pgdump',
    kind: 'postgres',
    name: 'pgdump',
    files,
    postgres: POSTGRES,
  };
  const { manifestSha256 } = await finishArtifact(directory, manifest);
  return setArtifact(relative, manifest, manifestSha256);
}

function setArtifact(
  relative: string,
  { service, source, kind, files, totals }: ArtifactManifest,
  manifestSha256: string,
): SetArtifact {
  return {
    service,
    source,
    kind,
    path: relative,
    manifestSha256,
    contentBytes: totals.contentBytes,
    storedBytes: files.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0),
    entries: totals.entries,
    consistent: true,
  };
}

/** Writes the set's file; ids are times, so that later ids are newer. */
export function publishByHand(
  root: string,
  id: string,
  artifacts: SetArtifact[],
  tier: Tier = 'daily',
): SetFile {
  const at = id.replace(/^(....)(..)(..)_(..)(..)(..)$/, '$1-$2-$3T$4:$5:$6Z');
  const set = { ...setOf(id, artifacts, tier), startedAt: at, finishedAt: at };
  mkdirSync(path.join(root, 'sets'), { recursive: true });
  writeFileSync(path.join(root, 'sets', `${id}-${tier}.json`), JSON.stringify(set));
  return set;
}

const POSTGRES: PostgresInfo = {
  serverVersion: '15.18',
  serverVersionNumber: 150_018,
  clientVersion: '15.18',
  format: 'custom',
  container: 'db',
  image: 'postgres:15',
  user: 'postgres',
  roles: ['postgres'],
  tablespaces: [],
  databases: [
    {
      name: 'shop',
      owner: 'shop',
      encoding: 'UTF8',
      collate: 'C',
      ctype: 'C',
      sizeBytes: 3_145_728,
      tables: [
        { schema: 'public', table: 'orders', rows: 1_200 },
        { schema: 'public', table: 'customers', rows: 34 },
      ],
      largeObjects: 0,
      extensions: [],
    },
  ],
  notDumped: [{ name: 'closed', reason: 'it allows no connections' }],
  data: { type: 'unknown' },
};
