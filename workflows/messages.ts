/** Queries and signals of the workflows. */
import { defineQuery, defineSignal, defineUpdate } from '@temporalio/workflow';
import type { RunView } from '../src/plan/inputs.js';

/** What the run is doing, step by step; answered by every workflow but the permit. */
export const statusQuery = defineQuery<RunView>('status');

/** Gives the permit back before its holder ends. */
export const releasePermitSignal = defineSignal('releasePermit');

/** Lets a restore that waits for a person go on. @returns what was approved, in words */
export const approveUpdate = defineUpdate<string, [{ by?: string }]>('approve');
