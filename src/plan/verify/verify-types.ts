/** Input and result of `verifyBackups`. */
import { z } from 'zod';

export const verifyBackupsInputSchema = z.strictObject({
  stack: z.string().min(1).optional(),
  host: z.string().min(1).optional(),
  level: z.enum(['hashes', 'decode']).default('decode'),
  /** Time for reading; all sets are read without one. What it leaves out comes first the next time. */
  budgetMs: z.number().int().min(1).optional(),
});

export type VerifyBackupsInput = z.input<typeof verifyBackupsInputSchema>;

/** A file that is not what was written, with every set that has it. */
export interface DamagedFile {
  readonly service: string;
  readonly source: string;
  /** Relative to the root. */
  readonly file: string;
  readonly expected: string;
  readonly actual: string;
  /** `<id>-<tier>` */
  readonly sets: readonly string[];
}

export interface VerifiedSet {
  /** `<id>-<tier>` */
  readonly set: string;
  readonly files: number;
  /** Bytes read: what other sets share was read once. */
  readonly bytes: number;
  /** Artifacts that there was no time for. */
  readonly unfinished: number;
  readonly damage: readonly DamagedFile[];
  /** What is sound, but was broken before it was saved, or could not be restored where it was. */
  readonly notes: readonly string[];
  readonly durationMs: number;
}

export interface VerifyBackupsResult {
  readonly level: 'hashes' | 'decode';
  readonly sets: readonly VerifiedSet[];
  /** Sets that there was no time for. */
  readonly left: number;
  readonly bytes: number;
  /** `<id>-<tier>` */
  readonly damaged: readonly string[];
}
