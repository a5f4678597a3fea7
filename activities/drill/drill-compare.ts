/** What a drill reads beside the real stack: artifacts before, and what was unpacked from them after. */
import { compareWithArtifact } from '../../src/tree/compare/compare-artifact.js';
import type { Difference } from '../../src/tree/compare/compare.js';
import { stagePath } from '../../src/tree/swap/replace.js';
import { filesBase } from '../../src/format/config/artifacts.js';
import type { FilesSource } from '../../src/format/config/sources.js';
import { stagingName } from '../../src/docker/volumes/aside.js';
import { readableMountpoint } from '../../src/docker/volumes/volumes.js';
import { HoldfastError } from '../../src/base/errors.js';
import { sumTables } from '../../src/plan/drill/drill.js';
import type { ComparedTables } from '../../src/format/drill-result.js';
import {
  compareDigests,
  describeMismatch,
  type ComparedContent,
} from '../../src/postgres/inspect/compare.js';
import { CountingPulse } from '../../src/postgres/dump/counting-pulse.js';
import { readContent } from '../../src/postgres/inspect/inspect.js';
import { verifyDump } from '../../src/postgres/inspect/verify.js';
import { readArtifact } from '../../src/store/write/artifact.js';
import { resolveInside } from '../../src/store/layout.js';
import type { ArtifactManifest, SetArtifact } from '../../src/format/manifest.js';
import { verifyArtifact } from '../../src/store/verify/verify.js';
import { pathExists } from '../../src/base/files/durable.js';
import { routeInto } from '../restore/database-server.js';
import { postgresSource } from '../shared/postgres-source.js';
import { forRestore } from '../restore/restore-context.js';
import type { RestoreReference } from '../restore/restore-tree.js';
import {
  checkDigest,
  guarded,
  serviceOf,
  sourceOf,
  withHeartbeat,
  type ActivityDependencies,
} from '../shared/runtime.js';

export interface ComparedSource {
  readonly entries: number;
  readonly bytes: number;
  /** Differences that the artifact itself foretells: what kept changing while it was read. */
  readonly expected: number;
  /** It can't be read from here, and why; then nothing was compared. */
  readonly notRead?: string;
}

export interface ComparedDatabases {
  /** Tables whose content was compared, and those of which only the rows were counted. */
  readonly tables: ComparedTables;
  /** What was to be compared by content and could not, in words. */
  readonly notCompared?: readonly string[];
}

const NAMED = 20;

// eslint-disable-next-line @typescript-eslint/explicit-module-boundary-types -- the type is the product
export function createDrillCompareActivities(dependencies: ActivityDependencies) {
  const { config, engine } = dependencies;
  const { root } = config.backups;
  return {
    /**
     * Reads an artifact whole, as before a restore; unlike there, nothing is asked of the real server.
     * @throws HoldfastError INTEGRITY, MANIFEST_INVALID, RESTORE_FAILED
     */
    checkDrillArtifact: guarded(
      async (input: { service: string; source: string; artifact: SetArtifact }): Promise<void> => {
        const directory = await artifactOf(root, input.artifact.path);
        await withHeartbeat(input, 'verify', async (work) => {
          await verifyArtifact(
            directory,
            { manifestSha256: input.artifact.manifestSha256, level: 'decode' },
            work,
          );
          const { postgres, files } = await readArtifact(directory);
          if (postgres !== undefined) {
            await verifyDump({ directory, files, postgres }, undefined, work);
          }
        });
      },
    ),

    /**
     * Compares what was unpacked with the artifact, entry by entry, before it is swapped in and anybody
     * writes into it. @throws HoldfastError RESTORE_MISMATCH
     */
    compareDrillSource: guarded(async (input: RestoreReference): Promise<ComparedSource> => {
      checkDigest(config, input.configDigest);
      const { config: mapped } = await forRestore(dependencies, input.restoreId);
      const source = sourceOf(mapped, input.service, input.source);
      return withHeartbeat(input, 'compare', async (work) => {
        let place: string | undefined;
        if (source.kind === 'files') {
          const base = filesBase(serviceOf(mapped, input.service), source);
          place = base === undefined ? undefined : await stagePath(base, input.restoreId);
        } else if (source.kind === 'volume') {
          place = await readableMountpoint(engine, stagingName(source.volume, input.restoreId));
        }
        if (place === undefined) {
          const notRead = 'the engine’s volumes can’t be read from where the worker runs';
          return { entries: 0, bytes: 0, expected: 0, notRead };
        }
        const artifactDirectory = await artifactOf(root, input.artifactPath);
        const manifest = await readArtifact(artifactDirectory);
        const { differences, count, entries, bytes } = await compareWithArtifact(
          { artifactDirectory, manifest, root: place },
          work,
        );
        const afterRestore = source.kind === 'files' ? source.afterRestore : undefined;
        requireAsBackedUp(differences, manifest, afterRestore);
        return { entries, bytes, expected: count };
      });
    }),

    /**
     * Compares what is in the rows of loaded databases with the digests of the dump; a restore has
     * counted them by then. Nobody but the server may have been started.
     * @throws HoldfastError RESTORE_MISMATCH
     */
    compareDrillDatabases: guarded(async (input: RestoreReference): Promise<ComparedDatabases> => {
      checkDigest(config, input.configDigest);
      const source = postgresSource(await forRestore(dependencies, input.restoreId), input);
      return withHeartbeat(input, 'compare', async (work) => {
        const { postgres } = await readArtifact(await artifactOf(root, input.artifactPath));
        const { pg, login } = await routeInto(engine, source, work.signal);
        const found: ComparedContent[] = [];
        const pulse = new CountingPulse(pg, login, work);
        try {
          for (const wanted of postgres?.databases ?? []) {
            const only = wanted.tables.filter(({ digest }) => digest !== undefined);
            const isDigested = only.length > 0 || wanted.largeObjectDigest !== undefined;
            const scope = { rows: 'digest', only } as const;
            const content = isDigested
              ? await readContent(pg, login, wanted.name, scope, work.signal, pulse.onAnswer)
              : { tables: [] };
            found.push(compareDigests(wanted, content));
          }
        } finally {
          pulse.stop();
        }
        const lines = found.flatMap(({ mismatches }) =>
          mismatches.filter(({ severity }) => severity === 'error').map(describeMismatch),
        );
        if (lines.length > 0) {
          throw new HoldfastError(
            'RESTORE_MISMATCH',
            `the restored databases differ from what was dumped: ${lines.slice(0, 3).join('; ')}`,
            { facts: { differences: lines.slice(0, 20), count: lines.length } },
          );
        }
        const notCompared = found.flatMap(({ mismatches }) => mismatches.map(describeMismatch));
        return {
          tables: sumTables(found),
          ...(notCompared.length === 0 ? {} : { notCompared: notCompared.slice(0, NAMED) }),
        };
      });
    }),
  };
}

/** @throws HoldfastError RESTORE_MISMATCH naming the first difference that the backup does not foretell */
export function requireAsBackedUp(
  differences: readonly Difference[],
  manifest: ArtifactManifest,
  afterRestore?: FilesSource['afterRestore'],
): void {
  const real = differences.filter((one) => !isForetold(one, manifest, afterRestore));
  const [first] = real;
  if (first === undefined) return;
  const more = real.length > 1 ? ` and ${real.length - 1} more` : '';
  throw new HoldfastError(
    'RESTORE_MISMATCH',
    `what was restored differs from the backup: ${describe(first)}${more}`,
    { facts: { differences: real.slice(0, 20).map(describe), count: real.length } },
  );
}

/** @throws HoldfastError SET_NOT_FOUND when retention, or somebody, removed it meanwhile */
export async function artifactOf(root: string, path: string): Promise<string> {
  const directory = await resolveInside(root, path);
  if (await pathExists(directory)) return directory;
  throw new HoldfastError('SET_NOT_FOUND', `${path} is not there any more`, {
    hint: 'was the set removed meanwhile? drill a newer one',
  });
}

function describe({ path, what, expected, actual }: Difference): string {
  return `${path}: ${what} is ${actual}, backed up as ${expected}`;
}

/** Was it changing while it was backed up, or is it what the configuration sets after a restore? */
function isForetold(
  { path, what }: Difference,
  { consistency }: ArtifactManifest,
  afterRestore: FilesSource['afterRestore'],
): boolean {
  if (what === 'owner' && afterRestore?.owner !== undefined) return true;
  const sets = afterRestore?.fileMode ?? afterRestore?.directoryMode;
  if (what === 'mode' && sets !== undefined) return true;
  return consistency.changed.some(
    (changed) => path === changed || path.startsWith(`${changed}/`) || isParent(path, changed),
  );
}

/** The times of a directory change with what is in it. */
function isParent(path: string, changed: string): boolean {
  const at = changed.lastIndexOf('/');
  return path === (at === -1 ? '.' : changed.slice(0, at));
}
