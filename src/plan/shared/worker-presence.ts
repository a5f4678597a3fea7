/**
 * Is there a worker for a run? The server remembers for five minutes who asked for work, also those who
 * are gone; one that lives asks at least once a minute. Pure.
 */

export interface Poller {
  /** `<host id>/<host name>/<process id>` of a worker of ours. */
  readonly identity: string;
  /** When it asked last, milliseconds since 1970. */
  readonly lastSeenMs: number;
}

export interface Pollers {
  /** Of the stack's workflows. */
  readonly workflows: readonly Poller[];
  /** Of the activities of the host that the run is for; absent where the run names none. */
  readonly activities?: readonly Poller[];
}

/** there · nobody takes the stack's runs · somebody does, but nobody does the work on its host */
export type WorkerPresence = 'there' | 'none' | 'not-on-host';

/** Twice as long as a living one is silent: the two clocks need not agree. */
const SILENT_MS = 120_000;

/** @param isGone is this process known to have ended? */
export function workerPresence(
  { workflows, activities }: Pollers,
  nowMs: number,
  isGone: (identity: string) => boolean,
): WorkerPresence {
  const lives = ({ identity, lastSeenMs }: Poller): boolean =>
    nowMs - lastSeenMs < SILENT_MS && !isGone(identity);
  if (!workflows.some(lives)) return 'none';
  return activities === undefined || activities.some(lives) ? 'there' : 'not-on-host';
}
