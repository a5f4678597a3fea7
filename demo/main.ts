/**
 * The demo: a real stack is backed up while it is written to, lost, and restored by one command. Then
 * it is proved, piece by piece, that all of it is back.
 *
 *   npm run demo -- [--short] [--keep] [--report FILE] [--sabotage row|file|mode]
 *
 * --sabotage damages the restored stack before the proof: the demo must fail, and say where.
 */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { Checks } from './report.js';
import { Demo } from './demo.js';

const { values: options } = parseArgs({
  options: {
    short: { type: 'boolean', default: false },
    keep: { type: 'boolean', default: false },
    report: { type: 'string' },
    sabotage: { type: 'string' },
  },
});

const say = (line: string): void => {
  process.stdout.write(`${line}\n`);
};

const project = await projectDirectory();
const root = await mkdtemp(path.join(os.tmpdir(), 'holdfast-demo-'));
// The demo's store goes with it, and is nothing for this host to remember.
process.env['HOLDFAST_STATE_DIR'] ??= path.join(root, '.state');
const checks = new Checks(say);
const demo = new Demo({
  project,
  root,
  checks,
  say,
  short: options.short,
  sabotage: options.sabotage,
});

const interrupted = new AbortController();
const cleanUp = async (): Promise<void> => {
  await demo.remove();
  await rm(root, { recursive: true, force: true });
};
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => {
    interrupted.abort();
    say(`\n${signal}: removing what the demo started …`);
    void cleanUp().finally(() => process.exit(130));
  });
}

let failure: Error | undefined;
try {
  await demo.run();
} catch (error) {
  failure = error instanceof Error ? error : new Error(String(error));
}

const failed = checks.failed;
const passed = failure === undefined && failed.length === 0;
if (options.report !== undefined) {
  const report = { passed, timings: demo.timings, checks: checks.all };
  await writeFile(options.report, `${JSON.stringify(report, undefined, 2)}\n`);
}
if (failure !== undefined && !interrupted.signal.aborted) {
  say(`\nthe demo broke: ${failure.message}`);
  say(await demo.lastLog());
}
for (const check of failed) say(`failed: ${check.group}: ${check.name}`);

if (options.keep) {
  say(`\nkept: ${root}`);
  for (const line of demo.howToLook()) say(`  ${line}`);
  if (passed) await demo.untilInterrupted();
} else if (!interrupted.signal.aborted) {
  await cleanUp();
}

if (passed) {
  const { firstBackupMs = 0, backupMs = 0, restoreMs = 0 } = demo.timings;
  say(
    `\ndemo passed: ${checks.all.length} checks, first backup ${(firstBackupMs / 1000).toFixed(1)} s, second ${(backupMs / 1000).toFixed(1)} s, restore ${(restoreMs / 1000).toFixed(1)} s`,
  );
} else {
  say(`\ndemo failed: ${failed.length} of ${checks.all.length} checks differ`);
}
process.exitCode = passed ? 0 : 1;

/** The directory with package.json: one or two levels up, from the sources or from dist/. */
async function projectDirectory(): Promise<string> {
  for (const relative of ['..', '../..']) {
    const directory = path.resolve(path.dirname(fileURLToPath(import.meta.url)), relative);
    const text = await readFile(path.join(directory, 'package.json'), 'utf8').catch(() => '');
    if (text.includes('"holdfast"')) return directory;
  }
  throw new Error('package.json not found');
}
