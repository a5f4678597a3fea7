/** What Holdfast wants to reach, against what was measured. docs/benchmarks.md says the same. */
import type { Row } from './summary.js';
import type { ScenarioName } from './scenarios.js';

export interface Verdict {
  readonly target: string;
  /** Undefined when it was not measured. */
  readonly measured: string | undefined;
  readonly met: boolean | undefined;
}

interface RatioTarget {
  readonly scenario: ScenarioName;
  readonly to: 'toRestic' | 'toBorg';
  readonly atMost: number;
}

const RATIO_TARGETS: readonly RatioTarget[] = [
  { scenario: 'first', to: 'toRestic', atMost: 0.6 },
  { scenario: 'first', to: 'toBorg', atMost: 1 },
  { scenario: 'unchanged', to: 'toRestic', atMost: 0.3 },
  { scenario: 'changed', to: 'toRestic', atMost: 1 },
  { scenario: 'restore', to: 'toRestic', atMost: 0.5 },
  { scenario: 'restore', to: 'toBorg', atMost: 0.5 },
];
/** Of what restic stores at its first run. */
const STORED_AT_MOST = 1.1;
const PEAK_AT_MOST_BYTES = 300e6;

export function judge(rows: readonly Row[]): Verdict[] {
  const of = (scenario: ScenarioName, tool: Row['tool']): Row | undefined =>
    rows.find((row) => row.scenario === scenario && row.tool === tool);
  const verdicts = RATIO_TARGETS.map(({ scenario, to, atMost }): Verdict => {
    const rival = to === 'toRestic' ? 'restic' : 'borg';
    const ratio = of(scenario, 'holdfast')?.[to];
    return {
      target: `${scenario}: at most ${atMost.toFixed(1)}× the time of ${rival}`,
      measured: ratio === undefined ? undefined : `${ratio.median.toFixed(2)}×`,
      met: ratio === undefined ? undefined : ratio.median <= atMost,
    };
  });
  const stored = quotient(of('first', 'holdfast')?.addedBytes, of('first', 'restic')?.addedBytes);
  const peaks = rows.filter(({ tool }) => tool === 'holdfast').map(({ peakBytes }) => peakBytes);
  const peak = peaks.length === 0 ? undefined : Math.max(...peaks);
  const nearCp = of('restore', 'holdfast')?.toCp;
  return [
    ...verdicts,
    {
      target: 'restore: near cp -a',
      measured: nearCp === undefined ? undefined : `${nearCp.median.toFixed(2)}×`,
      met: undefined,
    },
    {
      target: 'first: bytes stored at most 1.1× those of restic',
      measured: stored === undefined ? undefined : `${stored.toFixed(2)}×`,
      met: stored === undefined ? undefined : stored <= STORED_AT_MOST,
    },
    {
      target: 'every scenario: at most 300 MB of memory',
      measured: peak === undefined ? undefined : `${Math.round(peak / 1e6)} MB`,
      met: peak === undefined ? undefined : peak <= PEAK_AT_MOST_BYTES,
    },
  ];
}

function quotient(left: number | undefined, right: number | undefined): number | undefined {
  return left === undefined || right === undefined || right === 0 ? undefined : left / right;
}
