/** One round over one tree: each scenario with every tool, one tool after the other. */
import { mkdir, rm } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { formatBytes } from '../src/base/words.js';
import { runCommand } from '../src/base/process/process.js';
import { checkOneFile, checkRestore, storedBytes } from './check.js';
import type { Tree } from './generate.js';
import { measure, type Step } from './measure.js';
import type { Failure, Result } from './report.js';
import type { Scenario, ScenarioName } from './scenarios.js';
import type { Place, Tool } from './tools/tool.js';

export interface RoundOptions {
  readonly round: number;
  readonly tree: Tree;
  /** Of one tree, `first` in front. */
  readonly scenarios: readonly Scenario[];
  /** What is recorded; the others run because these need them. */
  readonly wanted: ReadonlySet<ScenarioName>;
  readonly tools: readonly Tool[];
  /** Existing directory of the run. */
  readonly work: string;
  readonly cold: boolean;
  readonly signal: AbortSignal;
  readonly say: (line: string) => void;
}

const SETTLE_MS = 1000;

/** A tool within a round. */
interface Contestant {
  readonly tool: Tool;
  readonly directory: string;
  readonly place: Place;
  /** Backups made so far. */
  runs: number;
  stored: number;
  failed: boolean;
}

export interface RoundResult {
  readonly results: Result[];
  readonly failures: Failure[];
}

/** A tool that fails is out for the rest of the round. @throws the signal's reason */
export async function runRound(options: RoundOptions): Promise<RoundResult> {
  const { round, tree, scenarios, wanted, signal } = options;
  const collected: RoundResult = { results: [], failures: [] };
  const contestants = await Promise.all(
    options.tools
      .filter(({ onceOnly }) => !onceOnly || round === 1)
      .map((tool) => enter(tool, path.join(options.work, `round-${round}`, tool.name))),
  );
  for (const [index, scenario] of scenarios.entries()) {
    const edited = scenario.edit?.(tree, round);
    // No tool may have to guess whether a file is still being written: who is first would pay for it.
    if (edited !== undefined || scenario.kind === 'first')
      await delay(SETTLE_MS, undefined, { signal });
    const record = wanted.has(scenario.name);
    options.say(
      `round ${round} · ${scenario.title}` +
        (edited === undefined ? '' : ` (${edited.files} files, ${formatBytes(edited.bytes)})`) +
        (record ? '' : ' (only because what follows needs it)'),
    );
    // Each time another one begins: whoever is first finds the disk and the caches otherwise.
    for (const contestant of rotated(contestants, round - 1 + index)) {
      if (contestant.failed || !takesPart(contestant, scenario)) continue;
      try {
        const result = await perform(options, scenario, contestant);
        if (record) collected.results.push(result);
        options.say(`    ${contestant.tool.label.padEnd(9)} ${result.seconds.toFixed(2)} s`);
      } catch (error) {
        signal.throwIfAborted();
        contestant.failed = true;
        const message = error instanceof Error ? error.message : String(error);
        const { name: tool } = contestant.tool;
        collected.failures.push({ scenario: scenario.name, tool, round, message });
        options.say(`    ${contestant.tool.label.padEnd(9)} FAILED: ${message}`);
      }
    }
    await dropWhatIsDone(contestants, scenarios.slice(index + 1));
  }
  await rm(path.join(options.work, `round-${round}`), { recursive: true, force: true });
  return collected;
}

async function enter(tool: Tool, directory: string): Promise<Contestant> {
  const place = {
    repository: path.join(directory, 'repository'),
    home: path.join(directory, 'home'),
  };
  await mkdir(place.repository, { recursive: true });
  await mkdir(path.join(place.home, 'tmp'), { recursive: true });
  return { tool, directory, place, runs: 0, stored: 0, failed: false };
}

function takesPart({ tool }: Contestant, scenario: Scenario): boolean {
  return scenario.kind !== 'again' || tool.incremental;
}

/** A copy without a next backup would only fill the disk. */
async function dropWhatIsDone(
  contestants: readonly Contestant[],
  next: readonly Scenario[],
): Promise<void> {
  for (const contestant of contestants) {
    if (next.some((scenario) => takesPart(contestant, scenario))) continue;
    await rm(contestant.directory, { recursive: true, force: true });
  }
}

async function perform(
  options: RoundOptions,
  scenario: Scenario,
  contestant: Contestant,
): Promise<Result> {
  const { tool, place } = contestant;
  const { tree, signal } = options;
  const target = path.join(contestant.directory, 'target');
  const measured = (step: Step, writesTo: string): ReturnType<typeof measure> =>
    measure(atHome(step, place), { writesTo, cold: options.cold, signal });
  let measurement;
  let addedBytes = 0;
  switch (scenario.kind) {
    case 'first':
    case 'again': {
      if (scenario.kind === 'first') await initialise(contestant, signal);
      contestant.runs += 1;
      const step = tool.backup(place, tree.root, contestant.runs);
      measurement = await measured(step, place.repository);
      const stored = await storedBytes(place.repository, signal);
      addedBytes = stored - contestant.stored;
      contestant.stored = stored;
      break;
    }
    case 'restore':
      await mkdir(target);
      measurement = await measured(tool.restore(place, contestant.runs, target), target);
      await checkRestore(tool.name, tree.root, target, signal);
      break;
    case 'restore-one': {
      const file = oneFile(tree);
      await mkdir(target);
      const step = tool.restoreOne(place, contestant.runs, file, target);
      measurement = await measured(step, target);
      await checkOneFile(tree.root, target, file);
      break;
    }
  }
  await rm(target, { recursive: true, force: true });
  const { stdout, ...numbers } = measurement;
  const detail = detailIn(stdout);
  const inside = detail?.seconds;
  return {
    scenario: scenario.name,
    tool: tool.name,
    round: options.round,
    ...numbers,
    ...(typeof inside === 'number' ? { startSeconds: Math.max(0, numbers.seconds - inside) } : {}),
    addedBytes,
    ...(detail === undefined ? {} : { detail }),
  };
}

async function initialise({ tool, place }: Contestant, signal: AbortSignal): Promise<void> {
  for (const step of tool.initialise(place)) {
    const { command, args, cwd, env } = atHome(step, place);
    await runCommand(command, args, { signal, cwd, env });
  }
}

/** Nothing is read from or left in the home directory of whoever runs this. */
function atHome(step: Step, { home }: Place): Step {
  const env = { HOME: home, XDG_CACHE_HOME: home, XDG_CONFIG_HOME: home, TMPDIR: `${home}/tmp` };
  return { ...step, env: { ...env, ...step.env } };
}

/** The medium file in the middle: neither the first nor the last thing a tool comes across. */
function oneFile(tree: Tree): string {
  const linked = new Set(tree.plan.hardLinks.map(([, target]) => target));
  const candidates = tree.files.filter(
    ({ path: name, group, content }) =>
      group === 'medium' && content === 'text' && !linked.has(name),
  );
  const file = candidates[Math.floor(candidates.length / 2)];
  if (file === undefined) throw new Error('the tree has no file to restore');
  return file.path;
}

function detailIn(stdout: string): Record<string, unknown> | undefined {
  if (!stdout.startsWith('{')) return undefined;
  return JSON.parse(stdout) as Record<string, unknown>;
}

function rotated<T>(items: readonly T[], by: number): T[] {
  const at = items.length === 0 ? 0 : by % items.length;
  return [...items.slice(at), ...items.slice(0, at)];
}
