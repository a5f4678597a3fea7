/**
 * Which run something belongs to. A workflow id alone is not enough: whoever gives a run a fixed id
 * starts the next one under the same, and then a terminated run looks alive. Pure.
 */

/** A run as a record on disk names it. Records of earlier versions hold no run id. */
export interface RunIdentity {
  readonly workflowId: string;
  readonly runId?: string | undefined;
}

/** Does this very run still go on? Where nobody can say, it does: nothing of it is touched. */
export type IsAlive = (run: RunIdentity) => Promise<boolean>;

/** Are these the same run? Where one of them has no run id, the workflow ids decide. */
export function isSameRun(left: RunIdentity, right: RunIdentity): boolean {
  if (left.workflowId !== right.workflowId) return false;
  return left.runId === undefined || right.runId === undefined || left.runId === right.runId;
}

/** A key for maps: different for different runs. */
export function runKey({ workflowId, runId }: RunIdentity): string {
  return JSON.stringify([workflowId, runId ?? null]);
}

/**
 * Asks once for each run and remembers the answer: a run that ends between two questions must not be
 * alive for one half of a decision and dead for the other.
 */
export function askedOnce(isAlive: IsAlive): IsAlive {
  const answers = new Map<string, Promise<boolean>>();
  return (run) => {
    const key = runKey(run);
    const known = answers.get(key);
    if (known !== undefined) return known;
    const answer = isAlive(run);
    answers.set(key, answer);
    return answer;
  };
}
