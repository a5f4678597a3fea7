/** A drill's input and result: plain JSON, as the workflow takes and gives them. */
import { z } from 'zod';
import { restoreStackInputSchema } from '../shared/inputs.js';
import type { DrillResult } from '../../format/drill-result.js';

const { stack, host, set, services } = restoreStackInputSchema.shape;

export const drillRestoreInputSchema = z.strictObject({
  stack,
  host,
  set,
  services,
  /** Leave it up for looking at; `reap` removes it. */
  keep: z.boolean().default(false),
  /** Only remove what dead and kept drills left. */
  reap: z.boolean().default(false),
});

export type DrillRestoreInput = z.input<typeof drillRestoreInputSchema>;

/** What the workflow answers. */
export interface DrillRestoreResult {
  /** Absent when it was only asked to reap. */
  readonly drill?: DrillResult;
  /** Ids of the dead or kept drills whose left-overs were removed. */
  readonly reaped: readonly string[];
}
