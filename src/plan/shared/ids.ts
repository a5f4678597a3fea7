/** Workflow ids, task queues and search attributes, made in one place. */

/** Where a stack's workflows run. One per stack: another stack's worker has another configuration. */
export function stackQueue(stack: string): string {
  return `holdfast/${stack}`;
}

/** The queues of a host hang below the stack's: two stacks may live on one host. */
export function heavyQueue(stackQueue: string, hostId: string): string {
  return `${stackQueue}/${hostId}/heavy`;
}

export function lightQueue(stackQueue: string, hostId: string): string {
  return `${stackQueue}/${hostId}/light`;
}

/** Heavy work of drills has a queue of its own: a backup or a restore must not wait for one. */
export function drillQueue(stackQueue: string, hostId: string): string {
  return `${stackQueue}/${hostId}/drill`;
}

export function backupWorkflowId(stack: string, stamp: string): string {
  return `holdfast/${stack}/backup/${stamp}`;
}

export function restoreWorkflowId(stack: string, stamp: string): string {
  return `holdfast/${stack}/restore/${stamp}`;
}

export function pruneWorkflowId(stack: string, stamp: string): string {
  return `holdfast/${stack}/prune/${stamp}`;
}

export function drillWorkflowId(stack: string, stamp: string): string {
  return `holdfast/${stack}/drill/${stamp}`;
}

/** What the permit of drills is for: they need none of the stack, but one at a time is enough. */
export function drillPermit(stack: string): string {
  return `${stack}/drill`;
}

/** What the schedules of a stack begin with; no stack's name holds a slash. */
export function schedulePrefix(stack: string): string {
  return `holdfast/${stack}/`;
}

/** Also the beginning of the ids of its runs: the server appends the time each was due. */
export function scheduleId(stack: string, name: string): string {
  return `${schedulePrefix(stack)}${name}`;
}

export function undoWorkflowId(stack: string, stamp: string): string {
  return `holdfast/${stack}/undo/${stamp}`;
}

/** One id per stack: the server's own uniqueness of running ids is the lock. */
export function permitWorkflowId(stack: string): string {
  return `holdfast/${stack}/permit`;
}

/** A child's id hangs below its parent's, so that one prefix finds the whole run. */
export function serviceWorkflowId(parentId: string, service: string): string {
  return `${parentId}/${service}`;
}

/** Keyword attributes the runs carry; the worker registers them at start. */
export const SEARCH_ATTRIBUTES = {
  stack: 'HoldfastStack',
  tier: 'HoldfastTier',
  set: 'HoldfastSet',
  status: 'HoldfastStatus',
} as const;

/** `YYYYMMDD_HHMMSS` in local time, as the guide's `date +%Y%m%d_%H%M%S`. */
export function formatStamp(date: Date): string {
  const two = (value: number): string => String(value).padStart(2, '0');
  return (
    `${date.getFullYear()}${two(date.getMonth() + 1)}${two(date.getDate())}` +
    `_${two(date.getHours())}${two(date.getMinutes())}${two(date.getSeconds())}`
  );
}
