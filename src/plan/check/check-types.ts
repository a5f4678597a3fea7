/** Input and result of `checkBackups`. */
import { z } from 'zod';
import type { CheckFinding, Severity } from './check-facts.js';
export const checkBackupsInputSchema = z.strictObject({
  stack: z.string().min(1).optional(),
  host: z.string().min(1).optional(),
});

export type CheckBackupsInput = z.input<typeof checkBackupsInputSchema>;

export interface CheckBackupsResult {
  readonly worst: Severity;
  /** The worst first. */
  readonly findings: readonly CheckFinding[];
}
