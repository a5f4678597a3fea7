/** What the benchmark must know about a tool to run it. A tool is a file beside this one. */
import type { Step } from '../measure.js';

export const TOOL_NAMES = ['holdfast', 'restic', 'borg', 'cp', 'tar'] as const;
export type ToolName = (typeof TOOL_NAMES)[number];

/** Where one tool works in one round: an empty directory at the beginning, its own. */
export interface Place {
  /** For the repository; whatever is in it counts as stored. */
  readonly repository: string;
  /** For caches, settings and the home directory. */
  readonly home: string;
}

export interface Tool {
  readonly name: ToolName;
  /** As the table calls it. */
  readonly label: string;
  /** How it is run, for the notes below the table. */
  readonly how: string;
  /** A second backup makes use of the first. */
  readonly incremental: boolean;
  /** Slow and only there for reference: one round is enough. */
  readonly onceOnly: boolean;
  /** Prints its version; also the test whether it is installed. */
  readonly version: Step;
  /** Makes an empty repository. */
  readonly initialise: (place: Place) => readonly Step[];
  /** Backup number `run` of the tree, from 1. */
  readonly backup: (place: Place, tree: string, run: number) => Step;
  /** The backup with that number into an existing empty directory. */
  readonly restore: (place: Place, run: number, target: string) => Step;
  /** One file of it, given relative to the tree, to `<target>/<file>`. */
  readonly restoreOne: (place: Place, run: number, file: string, target: string) => Step;
}
