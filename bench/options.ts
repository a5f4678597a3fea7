/** The command line. */
import os from 'node:os';
import { parseArgs } from 'node:util';
import { SCENARIO_NAMES, type ScenarioName } from './scenarios.js';
import { TOOL_NAMES, type ToolName } from './tools/tool.js';

export const USAGE = `npm run bench -- [options]
  --size 2GiB        bytes of the mixed tree
  --tiny 300000      files of the tree of tiny files
  --rounds 3         each with fresh repositories; tar czf takes part in the first one only
  --scenarios a,b    of ${SCENARIO_NAMES.join(', ')}
  --only a,b         of ${TOOL_NAMES.join(', ')}; ratios need restic and borg
  --cold             drop the file cache before each command (root only)
  --seed TEXT        another tree
  --work DIR         where everything is written, in a directory of its own that is removed
  --json FILE        write all that was measured, after each round
npm run bench -- --publish FILE [--docs docs/benchmarks.md]
                     put such a file's table into the documentation`;

export interface BenchOptions {
  readonly sizeBytes: number;
  readonly tinyFiles: number;
  readonly rounds: number;
  readonly scenarios: ReadonlySet<ScenarioName>;
  readonly tools: ReadonlySet<ToolName>;
  readonly cold: boolean;
  readonly seed: string;
  readonly work: string;
  readonly json: string | undefined;
}

export type Command =
  | { readonly kind: 'help' }
  | { readonly kind: 'publish'; readonly report: string; readonly docs: string }
  | { readonly kind: 'bench'; readonly options: BenchOptions };

/** @throws Error with what is wrong with the arguments */
export function parseCommand(args: readonly string[]): Command {
  const { values } = parseArgs({
    args: [...args],
    options: {
      size: { type: 'string', default: '2GiB' },
      tiny: { type: 'string', default: '300000' },
      rounds: { type: 'string', default: '3' },
      scenarios: { type: 'string', default: SCENARIO_NAMES.join(',') },
      only: { type: 'string', default: TOOL_NAMES.join(',') },
      cold: { type: 'boolean', default: false },
      seed: { type: 'string', default: 'holdfast' },
      work: { type: 'string', default: os.tmpdir() },
      json: { type: 'string' },
      publish: { type: 'string' },
      docs: { type: 'string', default: 'docs/benchmarks.md' },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  if (values.help) return { kind: 'help' };
  if (values.publish !== undefined) {
    return { kind: 'publish', report: values.publish, docs: values.docs };
  }
  return {
    kind: 'bench',
    options: {
      sizeBytes: bytes(values.size),
      tinyFiles: count('--tiny', values.tiny),
      rounds: count('--rounds', values.rounds),
      scenarios: namesOf('--scenarios', values.scenarios, SCENARIO_NAMES),
      tools: namesOf('--only', values.only, TOOL_NAMES),
      cold: values.cold,
      seed: values.seed,
      work: values.work,
      json: values.json,
    },
  };
}

/** `100MiB`, `2GiB`, `1.5G`: powers of 1024. */
export function bytes(text: string): number {
  const match = /^(\d+(?:\.\d+)?)\s*([KMG])(?:iB|B)?$/i.exec(text);
  const power = 'KMG'.indexOf(match?.[2]?.toUpperCase() ?? '?') + 1;
  const value = Math.floor(Number(match?.[1]) * 1024 ** power);
  if (match === null || value < MIN_SIZE_BYTES) {
    throw new Error(`--size ${text}: expected something like 2GiB, at least 10MiB`);
  }
  return value;
}

/** Below this a third of the tree is hardly a file. */
const MIN_SIZE_BYTES = 10 * 1024 * 1024;

function count(option: string, text: string): number {
  const value = Number(text);
  if (Number.isSafeInteger(value) && value > 0) return value;
  throw new Error(`${option} ${text}: expected a number above 0`);
}

function namesOf<Name extends string>(
  option: string,
  text: string,
  known: readonly Name[],
): ReadonlySet<Name> {
  return new Set(
    text.split(',').map((name) => {
      const found = known.find((candidate) => candidate === name.trim());
      if (found === undefined) {
        throw new Error(`${option}: "${name}" is none of ${known.join(', ')}`);
      }
      return found;
    }),
  );
}
