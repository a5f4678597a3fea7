/**
 * The benchmark: Holdfast, restic, borg, `cp -a` and the guide's `tar czf` over the same trees, taking
 * turns. See docs/benchmarks.md, and --help.
 */
import { accessSync, constants } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { runCommand } from '../src/base/process/process.js';
import { writeTree } from './generate.js';
import { describeHost, requireSpace } from './host.js';
import { DROP_CACHES } from './measure.js';
import { parseCommand, USAGE, type BenchOptions } from './options.js';
import { planTinyTree, planTree } from './plan-tree.js';
import { memoryKind } from './processes.js';
import { publish } from './publish.js';
import { renderForTerminal } from './render.js';
import type { Report } from './report.js';
import { runRound } from './round.js';
import { SCENARIOS } from './scenarios.js';
import { TOOLS } from './tools/index.js';

const say = (line: string): void => {
  process.stdout.write(`${line}\n`);
};

const stop = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => stop.abort(new Error(`${signal}: what it had written is removed`)));
}

try {
  const command = parseCommand(process.argv.slice(2));
  switch (command.kind) {
    case 'help':
      say(USAGE);
      break;
    case 'publish':
      await publish(command.report, command.docs);
      say(`${command.docs} has the table of ${command.report}`);
      break;
    case 'bench':
      process.exitCode = await bench(command.options);
  }
} catch (error) {
  process.stderr.write(`bench: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = stop.signal.aborted ? 130 : 1;
}

async function bench(options: BenchOptions): Promise<number> {
  forgetSettings();
  if (options.cold) requireDropCaches();
  const work = await mkdtemp(path.join(path.resolve(options.work), 'holdfast-bench-'));
  try {
    await requireSpace(work, spaceNeeded(options));
    const report = await measureAll(options, work, stop.signal);
    say(`\n${renderForTerminal(report)}`);
    return report.failures.length === 0 ? 0 : 1;
  } finally {
    await rm(work, { recursive: true, force: true, maxRetries: 3 });
  }
}

async function measureAll(
  options: BenchOptions,
  work: string,
  signal: AbortSignal,
): Promise<Report> {
  const startedAt = new Date().toISOString();
  const host = await describeHost(work);
  const chosen = TOOLS.filter(({ name }) => options.tools.has(name));
  const tools = await Promise.all(
    chosen.map(async ({ name, label, how, version: { command, args } }) => {
      const { stdout } = await runCommand(command, args, { signal });
      return { name, label, how, version: versionIn(stdout) };
    }),
  );
  const trees: Report['trees'] = [];
  const results: Report['results'] = [];
  const failures: Report['failures'] = [];
  const reportSoFar = (complete: boolean): Report => ({
    format: 'holdfast-bench',
    version: 1,
    startedAt,
    finishedAt: new Date().toISOString(),
    complete,
    host: { ...host, loads: [...host.loads, os.loadavg()[0] ?? 0] },
    settings: {
      sizeBytes: options.sizeBytes,
      tinyFiles: options.tinyFiles,
      rounds: options.rounds,
      cold: options.cold,
      seed: options.seed,
      memoryKind: memoryKind(),
    },
    trees,
    tools,
    results,
    failures,
  });
  for (const kind of ['mixed', 'tiny'] as const) {
    const all = SCENARIOS.filter((scenario) => scenario.tree === kind);
    const wanted = all.filter(({ name }) => options.scenarios.has(name));
    if (wanted.length === 0) continue;
    const plan =
      kind === 'mixed'
        ? planTree(options.sizeBytes, options.seed)
        : planTinyTree(options.tinyFiles, options.seed);
    const bytes = plan.files.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
    say(`writing the ${kind} tree: ${plan.files.length} files`);
    const tree = await writeTree(path.join(work, 'tree'), plan, signal);
    trees.push({ kind, files: plan.files.length, bytes });
    for (let round = 1; round <= options.rounds; round += 1) {
      const done = await runRound({
        round,
        tree,
        scenarios: all.filter((one) => one.kind === 'first' || wanted.includes(one)),
        wanted: options.scenarios,
        tools: chosen,
        work,
        cold: options.cold,
        signal,
        say,
      });
      results.push(...done.results);
      failures.push(...done.failures);
      // After each round: a long run that is interrupted leaves what it had found out.
      await writeReport(options.json, reportSoFar(false));
    }
    await rm(tree.root, { recursive: true, force: true });
  }
  const report = reportSoFar(true);
  await writeReport(options.json, report);
  return report;
}

async function writeReport(file: string | undefined, report: Report): Promise<void> {
  if (file !== undefined) await writeFile(file, `${JSON.stringify(report, null, 2)}\n`);
}

/** `restic 0.14.0 compiled with …`, `tar (GNU tar) 1.34`, `{"version":"holdfast 0.1.0"}` → the number. */
function versionIn(output: string): string {
  return /\d+\.\d+(?:\.\d+)*/.exec(output)?.[0] ?? 'unknown version';
}

/** Repository, password, cache and compression of whoever runs this are none of the benchmark's. */
function forgetSettings(): void {
  for (const name of Object.keys(process.env)) {
    if (/^(RESTIC|BORG)_|^(TAR_OPTIONS|GZIP|ZSTD_\w+)$/.test(name)) {
      Reflect.deleteProperty(process.env, name);
    }
  }
}

function requireDropCaches(): void {
  try {
    accessSync(DROP_CACHES, constants.W_OK);
  } catch {
    throw new Error(`--cold: ${DROP_CACHES} cannot be written; run as root, or without --cold`);
  }
}

/** The tree, what five tools make of it, and a restored one; tiny files take a block and an inode. */
function spaceNeeded(options: BenchOptions): number {
  const wants = (kind: string): boolean =>
    SCENARIOS.some(({ name, tree }) => tree === kind && options.scenarios.has(name));
  return Math.max(
    wants('mixed') ? options.sizeBytes * 7 : 0,
    wants('tiny') ? options.tinyFiles * 4096 * 4 : 0,
  );
}
