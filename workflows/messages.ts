/** Queries and signals of the workflows. */
import { defineQuery, defineSignal } from '@temporalio/workflow';
import type { RunView } from '../src/plan/inputs.js';

/** What the run is doing, step by step; answered by every workflow but the permit. */
export const statusQuery = defineQuery<RunView>('status');

/** Gives the permit back before its holder ends. */
export const releasePermitSignal = defineSignal('releasePermit');
