/** Drills for people: the result of a run, the mark in the list, the details of a set. Pure. */
import { describeSample, describeTime, describeTables } from '../../../plan/drill/drill.js';
import type { DrillResult, DrillStep } from '../../../format/drill-result.js';
import type { DrillRestoreResult } from '../../../plan/drill/drill-types.js';
import { formatBytes, formatDuration, count } from '../../../base/words.js';
import type { Style } from '../../render/style.js';
import { oneLine } from '../../render/text.js';
import { formatAge } from '../../render/words.js';
import { setName } from '../sets/set-rows.js';
import type { DrillSummary } from '../sets/set-facts.js';

export function summarizeDrills(results: readonly DrillResult[] | undefined): DrillSummary | null {
  const [newest] = results ?? [];
  if (newest === undefined) return null;
  return {
    at: newest.finishedAt,
    status: newest.status,
    whole: newest.whole,
    restoreMs: newest.restoreMs,
    onlySampled: newest.services.length === 0 && newest.sampled !== undefined,
    drills: results?.length ?? 0,
  };
}

/** `4m 10s`, with a mark where it was not all of the set; `failed`; `never`. */
export function shortDrill(drill: DrillSummary | null, style: Style): string {
  if (drill === null) return style.paint('dim', 'never');
  if (drill.status === 'failed') return style.paint('red', 'failed');
  if (drill.onlySampled) return 'sampled';
  const time = formatDuration(drill.restoreMs);
  return drill.whole ? style.paint('green', time) : `${time} (part)`;
}

export function describeDrill(drill: DrillSummary | null, nowMs: number, style: Style): string {
  if (drill === null) return 'never; `holdfast drill` restores it beside the stack';
  const age = formatAge(nowMs - Date.parse(drill.at));
  if (drill.status === 'failed') return style.paint('red', `failed ${age} ago`);
  if (drill.onlySampled) return `passed ${age} ago, samples only: nothing was restored whole`;
  const part = drill.whole ? '' : ', not all of it';
  return `passed ${age} ago, a restore takes ${formatDuration(drill.restoreMs)}${part}`;
}

export function renderDrillResult(result: DrillRestoreResult, style: Style): readonly string[] {
  const { drill, reaped } = result;
  const removed = reaped.map((id) => `removed what ${id} had left`);
  if (drill === undefined) return removed.length === 0 ? ['nothing was left of drills'] : removed;
  const name = setName({ id: drill.setId, tier: drill.setTier });
  return [
    ...removed,
    `${style.status('success', 'drill passed')}  set ${name}`,
    `  ${count(drill.services.length, 'service')}, ${formatBytes(drill.contentBytes)}; ` +
      `${describeTime(drill)} (the drill ${formatDuration(drill.durationMs)})`,
    ...renderSteps(drill).map((line) => `  ${line}`),
    ...(drill.tables === undefined ? [] : [`  databases: ${describeTables(drill.tables)}`]),
    ...(drill.sampled ?? []).map((sample) => `  ${describeSample(sample)}`),
    ...remarks(drill, style),
    ...(drill.kept
      ? [
          `  it was left up: docker ps --filter label=dev.holdfast.drill=${drill.drillId}`,
          '  holdfast drill --reap removes it',
        ]
      : []),
  ];
}

/** The newest drill of a set in full, for `show`. */
export function renderDrill(
  results: readonly DrillResult[],
  nowMs: number,
  style: Style,
): readonly string[] {
  const [drill] = results;
  if (drill === undefined) return [];
  return [
    '',
    style.paint('bold', 'Last drill'),
    `  ${describeDrill(summarizeDrills(results), nowMs, style)}`,
    ...drill.failures.flatMap(({ service, source, step, reason, output }) => [
      `  ${style.paint('red', 'failed:')} ${[service, source].filter((part) => part !== undefined && part !== '').join('/')} ${step}: ${oneLine(reason)}`,
      ...(output ?? '')
        .split('\n')
        .filter((line) => line !== '')
        .map((line) => style.paint('dim', `    ${oneLine(line)}`)),
    ]),
    ...renderSteps(drill).map((line) => `  ${line}`),
    ...(drill.tables === undefined ? [] : [`  databases: ${describeTables(drill.tables)}`]),
    ...(drill.sampled ?? []).map((sample) => `  ${describeSample(sample)}`),
    ...remarks(drill, style),
  ];
}

/** One line a service: `pgdb  load 3s, start 1s, gate 2s`. */
function renderSteps(drill: DrillResult): string[] {
  return drill.services.flatMap((service) => {
    const own = drill.steps.filter((step) => step.service === service && step.step !== 'swap');
    if (own.length === 0) return [];
    const names = [...new Set(own.map(({ step }) => step))];
    return [`${service}: ${names.map((name) => `${name} ${timeOf(own, name)}`).join(', ')}`];
  });
}

function timeOf(steps: readonly DrillStep[], name: DrillStep['step']): string {
  const all = steps.filter(({ step }) => step === name);
  return formatDuration(all.reduce((sum, { durationMs }) => sum + durationMs, 0));
}

function remarks(drill: DrillResult, style: Style): string[] {
  return [
    ...drill.notTried.map(
      ({ service, what, reason }) =>
        `  ${style.paint('yellow', 'not tried:')} ${service} ${oneLine(what)}: ${oneLine(reason)}`,
    ),
    ...(drill.problems ?? []).map(
      (text) => `  ${style.paint('yellow', 'a restore does not bring back:')} ${oneLine(text)}`,
    ),
    ...drill.warnings.map((text) => `  ${style.paint('yellow', 'warning:')} ${oneLine(text)}`),
  ];
}
