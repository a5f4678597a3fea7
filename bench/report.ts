/** The file `--json` writes and `--publish` reads: everything that was measured, nothing computed. */
import { z } from 'zod';
import { SCENARIO_NAMES } from './scenarios.js';
import { TOOL_NAMES } from './tools/tool.js';

const amount = z.number().min(0);

export const resultSchema = z.object({
  scenario: z.enum(SCENARIO_NAMES),
  tool: z.enum(TOOL_NAMES),
  /** From 1. Ratios are taken within a round. */
  round: z.number().int().min(1),
  seconds: amount,
  /** Of these, until the program itself began to work: only Holdfast tells. */
  startSeconds: amount.optional(),
  /** Afterwards, until all it had written was on disk. */
  flushSeconds: amount,
  userSeconds: amount,
  systemSeconds: amount,
  /** The most that all its processes had resident together. */
  peakBytes: amount,
  /** Bytes the repository grew by; of a restore, 0. May be negative: a tool may tidy up. */
  addedBytes: z.number(),
  /** What the tool told of itself. */
  detail: z.record(z.string(), z.unknown()).optional(),
});

export const failureSchema = z.object({
  scenario: z.enum(SCENARIO_NAMES),
  tool: z.enum(TOOL_NAMES),
  round: z.number().int().min(1),
  message: z.string(),
});

export const treeSchema = z.object({
  kind: z.enum(['mixed', 'tiny']),
  files: amount,
  bytes: amount,
});

export const reportSchema = z.object({
  format: z.literal('holdfast-bench'),
  version: z.literal(1),
  startedAt: z.iso.datetime(),
  finishedAt: z.iso.datetime(),
  /** False in what is written between the rounds. */
  complete: z.boolean(),
  host: z.object({
    processor: z.string(),
    processors: z.number().int(),
    memoryBytes: amount,
    system: z.string(),
    kernel: z.string(),
    fileSystem: z.string(),
    /** One-minute load averages at the beginning and at the end; the benchmark itself is part of the latter. */
    loads: z.array(z.number()),
  }),
  settings: z.object({
    sizeBytes: amount,
    tinyFiles: amount,
    rounds: z.number().int().min(1),
    cold: z.boolean(),
    seed: z.string(),
    memoryKind: z.enum(['pss', 'rss']),
  }),
  trees: z.array(treeSchema),
  /** In the order of the table. */
  tools: z.array(
    z.object({ name: z.enum(TOOL_NAMES), label: z.string(), version: z.string(), how: z.string() }),
  ),
  results: z.array(resultSchema),
  failures: z.array(failureSchema),
});

export type Report = z.output<typeof reportSchema>;
export type Result = z.output<typeof resultSchema>;
export type Failure = z.output<typeof failureSchema>;
