/** Every database of a server into an archive of its own, a few side by side. */
import { availableParallelism } from 'node:os';
import { inParallel } from '../../base/parallel.js';
import type { Work } from '../../base/progress.js';
import { hasZstd } from './compress.js';
import { DIGESTS_FROM_VERSION_NUMBER } from '../inspect/content.js';
import { dumpDatabase, type DatabaseDump } from './dump-database.js';
import {
  COUNTED_WAITS_MS,
  DUMPS_AT_ONCE,
  LOCK_WAIT_MS,
  type DumpedFiles,
  type DumpOptions,
  type DumpPlan,
} from './dump-plan.js';
import { dumpScript } from './dump-script.js';
import type { DatabaseCatalogue } from '../inspect/inspect.js';
import { lacksConnection } from '../client/patience.js';
import { ScarceSessions } from './scarce-sessions.js';
import type { PostgresExec } from '../client/exec.js';
/** zstd's memory, measured: 40 MB at 3, 84 MB at 9, 153 MB at 19; a small container may lack it. */
const MAX_LEVEL_BESIDE = 9;

/**
 * Dumps the globals, then the databases, the largest first so that none is left over in the end. The
 * result has them in the catalogue's order. The first that fails stops the others. Where the server has
 * no session left for one, it and all that are not begun yet are dumped one after the other.
 * @throws HoldfastError DUMP_FAILED, DUMP_INCOMPLETE, DISK_FULL, POSTGRES_UNREACHABLE,
 *   NO_FREE_CONNECTION, VERSION_INCOMPATIBLE, or the signal's reason.
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
  const dumpOne = (
    database: DatabaseCatalogue,
    index: number,
    signal: AbortSignal,
    uncounted?: string,
  ): Promise<DatabaseDump> => {
    // Of its own: the one that fails ends its sessions, and must not be told by another's end.
    const applicationName = `${plan.applicationName}-${index}-`;
    return dumpDatabase(
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
        uncounted,
      },
      {
        signal,
        report: ({ phase, bytes, entries }) => {
          told[index] = { bytes, entries };
          work.report({ phase, ...sumOf(told), totalBytes: 0 });
        },
      },
    );
  };
  let crowded = false;
  await inParallel(
    largestFirst,
    Math.min(DUMPS_AT_ONCE, availableParallelism()),
    async (database, index, signal) => {
      if (crowded) return;
      try {
        dumps.set(database.name, await dumpOne(database, index, signal));
      } catch (error) {
        signal.throwIfAborted();
        if (!lacksConnection(error)) throw error;
        crowded = true;
      }
    },
    work.signal,
  );
  const scarce = new ScarceSessions(options.countedWaitsMs ?? COUNTED_WAITS_MS);
  for (const [index, database] of largestFirst.entries()) {
    if (dumps.has(database.name)) continue;
    const { signal } = work;
    const dump = await scarce.dump(
      (uncounted) => dumpOne(database, index, signal, uncounted),
      signal,
    );
    dumps.set(database.name, dump);
  }
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
