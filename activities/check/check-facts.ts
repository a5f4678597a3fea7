/** What the disk tells a check. */
import { statfs } from 'node:fs/promises';
import type { Config } from '../../src/format/config/schema.js';
import { toRetentionPolicy } from '../../src/config/retention-policy.js';
import { listRecords } from '../../src/docker/containers/running-file.js';
import { messageOf } from '../../src/base/errors.js';
import { fromSystemError } from '../../src/base/files/system-error.js';
import { findShrinks } from '../../src/plan/backup/anomaly.js';
import type { CheckFacts, LeftOpen } from '../../src/plan/check/check-facts.js';
import { runKey, type RunIdentity } from '../../src/format/run-identity.js';
import { isOfFuture, setName } from '../../src/format/set-order.js';
import { lookAtStore, refusalOf } from '../../src/store/write/known-store.js';
import type { RestoreRecord } from '../../src/store/records/restore-shapes.js';
import { readRestores, readStepFiles } from '../../src/store/records/restore-record.js';
import {
  readStoreKnowledge,
  type StoreKnowledge,
} from '../../src/store/catalogue/set-knowledge.js';
import type { ServerFacts } from '../../src/observe/server-facts.js';

const NOTHING_KNOWN: StoreKnowledge = {
  catalogue: { sets: [], damaged: [], missing: [], unreadable: [] },
  sets: [],
  knowledge: { unsound: new Map(), pins: new Map(), accepted: [] },
  verifications: new Map(),
};

/**
 * Reads the catalogue, the records and the disk, then asks `server` about the runs they name.
 * @param stoppedDirectory where runs record what they stop
 */
export async function gatherCheckFacts(
  config: Config,
  stoppedDirectory: string,
  now: Date,
  askServer: (runs: readonly RunIdentity[]) => Promise<ServerFacts>,
): Promise<CheckFacts> {
  const { root } = config.backups;
  let storeUnreadable: CheckFacts['storeRefused'];
  const store = await readStoreKnowledge(root, config.stack).catch((error: unknown) => {
    storeUnreadable = {
      code: 'store-unreadable',
      message: `the backups in ${root} can't be read: ${reasonOf(error)}`,
      hint: 'look at the disk, and at whom the files belong to; nothing is known of the backups',
    };
    return NOTHING_KNOWN;
  });
  const unreadable = store.catalogue.damaged.map(
    ({ file, reason }) => `${file} can't be read: ${reason}`,
  );
  const note = (what: string) => (error: unknown) => {
    unreadable.push(`${what} can't be read: ${reasonOf(error)}`);
    return [];
  };
  const records = await listRecords(stoppedDirectory, (file, error) => {
    note(file)(error);
  });
  const { open: restores, lost, left } = await readOpen(root);
  const server = await askServer([...records.map(({ record }) => record), ...restores]);
  const open = (name: string, run: RunIdentity, at: string): LeftOpen => ({
    ...{ name, workflowId: run.workflowId, at },
    alive: server.alive.get(runKey(run)),
  });
  return {
    now,
    sets: store.sets,
    unsound: store.knowledge.unsound,
    unreadable,
    verifiedAt: verifiedAt(store),
    shrinks: shrinksOf(config, store, now),
    schedules: server.schedules,
    disk: await diskOf(root),
    storeRefused: storeUnreadable ?? (await storeRefusal(root)),
    stopped: records.flatMap(({ record }) =>
      record.containers
        .filter(({ wasRunning }) => wasRunning)
        .map(({ name }) => open(name, record, record.at)),
    ),
    lostRecords: lost,
    leftRestores: left,
    restores: restores.map((restore) => open(restore.restoreId, restore, restore.startedAt)),
    runningSince: server.runningSince,
  };
}

interface RestoresNow {
  /** Not finished: their runs go on, or they could not be taken back. */
  readonly open: readonly RestoreRecord[];
  /** Files of records that can't be read, a sentence each. */
  readonly lost: readonly string[];
  /** Closed half way, with safety copies: somebody has to look. */
  readonly left: readonly { readonly name: string; readonly by: readonly string[] }[];
}

async function readOpen(root: string): Promise<RestoresNow> {
  const sentence = ({ file, reason }: { file: string; reason: string }): string =>
    `${file} can't be read: ${reason}`;
  try {
    const { records, unreadable } = await readRestores(root);
    const lost = unreadable.map(sentence);
    const left: { name: string; by: readonly string[] }[] = [];
    for (const { restoreId, state, superseded } of records) {
      lost.push(...(await readStepFiles(root, restoreId)).unreadable.map(sentence));
      if (state === 'finished' && superseded !== undefined) {
        left.push({ name: restoreId, by: superseded.by });
      }
    }
    const open = records.filter(({ state }) => state === 'running' || state === 'undoing');
    return { open, lost, left };
  } catch (error) {
    return {
      open: [],
      lost: [`the records of restores can't be read: ${reasonOf(error)}`],
      left: [],
    };
  }
}

function verifiedAt({ sets, verifications }: StoreKnowledge): Map<string, string> {
  return new Map(
    sets.flatMap((set) => {
      const at = verifications.get(setName(set))?.last?.at;
      return at === undefined ? [] : [[setName(set), at]];
    }),
  );
}

function shrinksOf(
  config: Config,
  { sets, knowledge }: StoreKnowledge,
  now: Date,
): CheckFacts['shrinks'] {
  const { anomaly } = toRetentionPolicy(config);
  if (anomaly === undefined) return [];
  return findShrinks(
    sets.filter((set) => !isOfFuture(set, now)),
    anomaly,
    knowledge.accepted,
    (set, { path }) => knowledge.unsound.get(setName(set))?.artifacts.has(path) !== true,
  );
}

async function storeRefusal(root: string): Promise<CheckFacts['storeRefused']> {
  const refusal = refusalOf(root, await lookAtStore(root));
  if (refusal === undefined) return undefined;
  const { message, hint = '' } = refusal;
  return {
    code: refusal.code === 'STORE_MISSING' ? 'store-missing' : 'store-changed',
    message,
    hint,
  };
}

async function diskOf(root: string): Promise<CheckFacts['disk']> {
  try {
    const { bavail, blocks, bsize, files, ffree } = await statfs(root);
    return {
      freeBytes: bavail * bsize,
      totalBytes: blocks * bsize,
      // Some have as many as there is room for, and say 0.
      ...(files === 0 ? {} : { inodes: { free: ffree, total: files } }),
    };
  } catch {
    return undefined;
  }
}

/** As `list` says it: what the system answers in words, not the name of its call. */
function reasonOf(error: unknown): string {
  return fromSystemError(error)?.message ?? messageOf(error);
}
