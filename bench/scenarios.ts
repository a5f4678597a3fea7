/** What is measured, in the order in which a round goes through it. */
import { appendToLargest, changeScattered, changeTogether, type Edited } from './edit.js';
import type { Tree } from './generate.js';

export const SCENARIO_NAMES = [
  'first',
  'unchanged',
  'restore',
  'restore-one',
  'changed',
  'changed-together',
  'appended',
  'tiny',
  'tiny-unchanged',
] as const;
export type ScenarioName = (typeof SCENARIO_NAMES)[number];

export interface Scenario {
  readonly name: ScenarioName;
  readonly title: string;
  readonly tree: 'mixed' | 'tiny';
  /** first: into an empty repository · again: into the one the round has filled */
  readonly kind: 'first' | 'again' | 'restore' | 'restore-one';
  /** What happens to the tree before, once for all tools. */
  readonly edit?: (tree: Tree, round: number) => Edited;
}

/** Every round of a tree begins with `first`: the others need its repository. */
export const SCENARIOS: readonly Scenario[] = [
  { name: 'first', title: 'First backup', tree: 'mixed', kind: 'first' },
  { name: 'unchanged', title: 'Nothing changed', tree: 'mixed', kind: 'again' },
  { name: 'restore', title: 'Restore of everything', tree: 'mixed', kind: 'restore' },
  { name: 'restore-one', title: 'Restore of one file', tree: 'mixed', kind: 'restore-one' },
  {
    name: 'changed',
    title: '1 % of the files changed, anywhere',
    tree: 'mixed',
    kind: 'again',
    edit: (tree, round) => changeScattered(tree, 0.01, `changed-${round}`),
  },
  {
    name: 'changed-together',
    title: '1 % of the files changed, side by side',
    tree: 'mixed',
    kind: 'again',
    edit: (tree, round) => changeTogether(tree, 0.01, `together-${round}`),
  },
  {
    name: 'appended',
    title: 'A large file has grown',
    tree: 'mixed',
    kind: 'again',
    edit: (tree, round) => appendToLargest(tree, growthBytes(tree), `appended-${round}`),
  },
  { name: 'tiny', title: 'Tiny files: first backup', tree: 'tiny', kind: 'first' },
  { name: 'tiny-unchanged', title: 'Tiny files: nothing changed', tree: 'tiny', kind: 'again' },
];

/** A sixteenth of the largest file. */
function growthBytes(tree: Tree): number {
  return Math.ceil(tree.files.reduce((most, { sizeBytes }) => Math.max(most, sizeBytes), 0) / 16);
}
