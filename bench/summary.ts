/** From what was measured to what is shown: medians, spreads, ratios, and the targets. */
import type { Report, Result } from './report.js';
import { SCENARIOS, type ScenarioName } from './scenarios.js';
import type { ToolName } from './tools/tool.js';

export interface Spread {
  readonly median: number;
  readonly min: number;
  readonly max: number;
  /** How many rounds it is made of. */
  readonly count: number;
}

export interface Row {
  readonly scenario: ScenarioName;
  readonly title: string;
  readonly tool: ToolName;
  readonly label: string;
  readonly seconds: Spread;
  /** Of the seconds: each round's own ratio, and of these the median. Absent without a common round. */
  readonly toRestic: Spread | undefined;
  readonly toBorg: Spread | undefined;
  readonly toCp: Spread | undefined;
  readonly startSeconds: number | undefined;
  readonly flushSeconds: number;
  readonly cpuSeconds: number;
  readonly peakBytes: number;
  /** Absent for a restore. */
  readonly addedBytes: number | undefined;
}

/** In the order of scenarios, then of the report's tools. */
export function summarise(report: Report): Row[] {
  return SCENARIOS.flatMap(({ name: scenario, title, kind }) =>
    report.tools.flatMap(({ name: tool, label }): Row[] => {
      const of = (wanted: ToolName): Result[] =>
        report.results.filter((one) => one.scenario === scenario && one.tool === wanted);
      const own = of(tool);
      const seconds = spread(own.map((one) => one.seconds));
      if (seconds === undefined) return [];
      const median = (value: (one: Result) => number): number => spread(own.map(value))!.median;
      const told = own.flatMap(({ startSeconds }) => startSeconds ?? []);
      return [
        {
          scenario,
          title,
          tool,
          label,
          seconds,
          toRestic: ratios(own, of('restic')),
          toBorg: ratios(own, of('borg')),
          toCp: ratios(own, of('cp')),
          startSeconds: spread(told)?.median,
          flushSeconds: median((one) => one.flushSeconds),
          cpuSeconds: median((one) => one.userSeconds + one.systemSeconds),
          peakBytes: Math.max(...own.map((one) => one.peakBytes)),
          addedBytes:
            kind === 'first' || kind === 'again' ? median((one) => one.addedBytes) : undefined,
        },
      ];
    }),
  );
}

/** Ratios of the seconds of rounds that both have. */
export function ratios(own: readonly Result[], others: readonly Result[]): Spread | undefined {
  const byRound = new Map(others.map((one) => [one.round, one.seconds]));
  return spread(
    own.flatMap(({ round, seconds }) => {
      const other = byRound.get(round);
      return other === undefined || other === 0 ? [] : [seconds / other];
    }),
  );
}

export function spread(values: readonly number[]): Spread | undefined {
  if (values.length === 0) return undefined;
  const sorted = [...values].sort((left, right) => left - right);
  const middle = Math.floor(sorted.length / 2);
  const median =
    sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
  return { median, min: sorted[0]!, max: sorted.at(-1)!, count: sorted.length };
}
