/** What every reporter of a run’s progress does. */
import type { RunPicture } from './tracker.js';

export interface RunTitle {
  /** `Backup of ml (daily)`. */
  readonly title: string;
  readonly workflowId: string;
}

export interface Reporter {
  begin(run: RunTitle): void;
  /** The run now; called about twice a second, whether something changed or not. */
  show(picture: RunPicture, nowMs: number): void;
  /** A remark: no worker answers, a cancel was sent. */
  note(text: string): void;
  /** Gives the terminal to a question, and takes it back. */
  pause(): void;
  resume(): void;
  /** Shows the last picture for good. */
  end(picture: RunPicture, nowMs: number): void;
}
