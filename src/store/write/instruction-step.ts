/** One step of the instructions in RESTORE.md. */

export interface Step {
  readonly title: string;
  readonly text?: string;
  readonly commands: readonly string[];
}
