/** Queries and signals of the workflows. */
import { defineQuery, defineSignal, defineUpdate } from '@temporalio/workflow';
import type { RunView } from '../../src/plan/shared/inputs.js';

/** What the run is doing, step by step; answered by every workflow but the permit. */
export const statusQuery = defineQuery<RunView>('status');

/** Gives the permit back before its holder ends. */
export const releasePermitSignal = defineSignal('releasePermit');

/** Lets a restore that waits for a person go on. @returns what was approved, in words */
export const approveUpdate = defineUpdate<string, [{ by?: string }]>('approve');

/** A run that waits for the permit. */
export interface Waiter {
  readonly workflowId: string;
  readonly runId: string;
}

/** Asks the permit to tell the run when it is given back. */
export const permitWantedSignal = defineSignal<[Waiter]>('permitWanted');

/** Tells a run that waits that the permit it asked for is being given back. */
export const permitFreeSignal = defineSignal('permitFree');
