/** One command, from start to end: how long, how much processor time, how much memory. */
import { writeFileSync } from 'node:fs';
import { runCommand, startCommand } from '../src/base/process/process.js';
import { cpuOfEndedChildren, familyOf, memoryKind, memoryOf } from './processes.js';

export interface Step {
  readonly command: string;
  readonly args: readonly string[];
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
}

export interface Measurement {
  readonly seconds: number;
  /** What it took afterwards until its files were on disk. */
  readonly flushSeconds: number;
  readonly userSeconds: number;
  readonly systemSeconds: number;
  /** The most that was seen of all its processes together. */
  readonly peakBytes: number;
  readonly stdout: string;
}

const SAMPLE_EVERY_MS = 50;
/** Asking must not take more than this share of a processor: then it is asked less often. */
const SAMPLING_SHARE = 0.05;

export interface MeasureOptions {
  /** Directory the command writes to: flushed afterwards. */
  readonly writesTo: string;
  /** Forget file contents in memory first. */
  readonly cold: boolean;
  readonly signal: AbortSignal;
}

/**
 * Nothing else may be started by this process meanwhile: processor time is counted over all children.
 * @throws HoldfastError COMMAND_FAILED, or the signal's reason
 */
export async function measure(step: Step, options: MeasureOptions): Promise<Measurement> {
  const { signal } = options;
  await runCommand('sync', [], { signal });
  if (options.cold) writeFileSync(DROP_CACHES, '3\n');
  const cpuBefore = cpuOfEndedChildren();
  const began = process.hrtime.bigint();
  const running = startCommand(step.command, step.args, {
    signal,
    cwd: step.cwd,
    env: step.env,
  });
  const chunks: Buffer[] = [];
  running.stdout.on('data', (chunk: Buffer) => chunks.push(chunk));
  const sampler = sampleMemory(running.pid);
  try {
    await running.done;
  } finally {
    sampler.stop();
  }
  const seconds = secondsSince(began);
  const cpu = cpuOfEndedChildren();
  const flushBegan = process.hrtime.bigint();
  await runCommand('sync', ['-f', options.writesTo], { signal });
  return {
    seconds,
    flushSeconds: secondsSince(flushBegan),
    userSeconds: cpu.userSeconds - cpuBefore.userSeconds,
    systemSeconds: cpu.systemSeconds - cpuBefore.systemSeconds,
    peakBytes: sampler.peakBytes(),
    stdout: Buffer.concat(chunks).toString('utf8'),
  };
}

export const DROP_CACHES = '/proc/sys/vm/drop_caches';

function sampleMemory(pid: number): {
  readonly peakBytes: () => number;
  readonly stop: () => void;
} {
  const kind = memoryKind();
  let peak = 0;
  let timer: NodeJS.Timeout | undefined;
  const sample = (): void => {
    const began = performance.now();
    const sum = familyOf(pid).reduce((total, member) => total + memoryOf(member, kind), 0);
    peak = Math.max(peak, sum);
    const tookMs = performance.now() - began;
    timer = setTimeout(sample, Math.max(SAMPLE_EVERY_MS, tookMs / SAMPLING_SHARE));
  };
  sample();
  return { peakBytes: () => peak, stop: () => clearTimeout(timer) };
}

function secondsSince(began: bigint): number {
  return Number(process.hrtime.bigint() - began) / 1e9;
}
