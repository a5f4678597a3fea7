/** Every database of a server into an archive of its own, a few side by side. */
import { availableParallelism } from 'node:os';
import { inParallel } from '../archive/parallel.js';
import type { Work } from '../progress.js';
import { hasZstd } from './compress.js';
import { DIGESTS_FROM_VERSION_NUMBER } from './content.js';
import { dumpDatabase, type DatabaseDump } from './dump-database.js';
import {
  DUMPS_AT_ONCE,
  LOCK_WAIT_MS,
  type DumpedFiles,
  type DumpOptions,
  type DumpPlan,
} from './dump-plan.js';
import { dumpScript } from './dump-script.js';
import type { PostgresExec } from './server.js';

/** zstd's memory, measured: 40 MB at 3, 84 MB at 9, 153 MB at 19; a small container may lack it. */
const MAX_LEVEL_BESIDE = 9;

/**
 * Dumps the globals, then the databases, the largest first so that none is left over in the end. The
 * result has them in the catalogue's order. The first that fails stops the others.
 * @throws HoldfastError DUMP_FAILED, DUMP_INCOMPLETE, DISK_FULL, POSTGRES_UNREACHABLE,
 *   VERSION_INCOMPATIBLE, or the signal's reason.
 */
export async function dumpEachDatabase(
  pg: PostgresExec,
  options: DumpOptions,
  plan: DumpPlan,
  work: Work,
): Promise<DumpedFiles> {
  const { versionNumber } = plan.catalogue.server;
  const digestUpToBytes =
    versionNumber < DIGESTS_FROM_VERSION_NUMBER ? 0 : (options.digestUpToBytes ?? 0);
  const globals = await dumpScript(
    pg,
    options,
    {
      argv: ['pg_dumpall', '--no-password', `--username=${options.user}`, '--globals-only'],
      applicationName: plan.applicationName,
      endSessions: () => plan.endSessions(),
      outputs: plan.outputs,
      fileName: 'globals.sql.zst',
      role: 'globals',
      compressionLevel: options.compressionLevel,
    },
    work,
  );
  const packBeside =
    options.compressionLevel <= MAX_LEVEL_BESIDE && (await hasZstd(pg, work.signal));
  const { dumpable } = plan.chosen;
  const largestFirst = [...dumpable].sort((one, other) => other.sizeBytes - one.sizeBytes);
  const told = largestFirst.map(() => ({ bytes: 0, entries: 0 }));
  const dumps = new Map<string, DatabaseDump>();
  await inParallel(
    largestFirst,
    Math.min(DUMPS_AT_ONCE, availableParallelism()),
    async (database, index, signal) => {
      // Of its own: the one that fails ends its sessions, and must not be told by another's end.
      const applicationName = `${plan.applicationName}-${index}-`;
      const dump = await dumpDatabase(
        pg,
        options,
        {
          outputs: plan.outputs,
          database,
          applicationName,
          endSessions: () => plan.endSessions(applicationName),
          compressionLevel: options.compressionLevel,
          packBeside,
          digestUpToBytes,
          lockWaitMs: options.lockWaitMs ?? LOCK_WAIT_MS,
        },
        {
          signal,
          report: ({ phase, bytes, entries }) => {
            told[index] = { bytes, entries };
            work.report({ phase, ...sumOf(told), totalBytes: 0 });
          },
        },
      );
      dumps.set(database.name, dump);
    },
    work.signal,
  );
  const inOrder = dumpable.flatMap(({ name }) => dumps.get(name) ?? []);
  return {
    files: [globals.file, ...inOrder.map(({ file }) => file)],
    databases: inOrder.map(({ info }) => info),
    warnings: [
      ...globals.warnings,
      ...inOrder.flatMap(({ info, warnings }) => warnings.map((text) => `${info.name}: ${text}`)),
    ],
  };
}

interface Told {
  readonly bytes: number;
  readonly entries: number;
}

function sumOf(all: readonly Told[]): Told {
  return all.reduce(
    (sum, { bytes, entries }) => ({ bytes: sum.bytes + bytes, entries: sum.entries + entries }),
    { bytes: 0, entries: 0 },
  );
}
