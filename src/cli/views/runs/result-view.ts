/** How a finished run is told to people. Pure. */
import { formatBytes, formatDuration, count } from '../../../base/words.js';
import type { BackupStackResult } from '../../../plan/shared/inputs.js';
import type { RestoreStackResult } from '../../../plan/restore/restore-types.js';
import type { Style } from '../../render/style.js';
import { oneLine } from '../../render/text.js';
import { renderProblem } from '../problem-view.js';
import { setName } from '../sets/set-rows.js';

export function renderBackupResult(
  result: BackupStackResult,
  columns: number,
  style: Style,
): readonly string[] {
  const name = setName({ id: result.setId, tier: result.tier });
  return [
    `${style.status(result.status, `backup ${result.status}`)}  set ${name}`,
    `  ${count(result.artifacts.length, 'artifact')}, ${formatBytes(result.contentBytes)} of data, ` +
      `${formatBytes(result.storedBytes)} stored, ${formatDuration(result.durationMs)}`,
    ...(result.linkedBytes === 0
      ? []
      : [`  ${formatBytes(result.linkedBytes)} of it unchanged: linked, not read`]),
    ...(result.alsoTiers.length === 0
      ? []
      : [`  also ${result.alsoTiers.join(' and ')}, by links`]),
    ...result.problems.flatMap((problem) => renderProblem(problem, result.status, columns, style)),
    ...(result.pruned.length === 0
      ? []
      : [`  removed by retention: ${result.pruned.map(oneLine).join(', ')}`]),
    ...(result.pruneHeld ?? []).map(
      (text) => `  ${style.paint('yellow', `no old set was removed: ${oneLine(text)}`)}`,
    ),
    ...(result.pruneHeld === undefined
      ? []
      : ['  if that is right: holdfast prune --accept-shrink']),
    style.paint('dim', `  holdfast show ${name}`),
  ];
}

export function renderRestoreResult(result: RestoreStackResult, style: Style): readonly string[] {
  const restoredBytes = result.services
    .flatMap(({ sources }) => sources)
    .reduce((sum, { contentBytes }) => sum + contentBytes, 0);
  return [
    result.problems === undefined
      ? `${style.status('success', 'restore done')}  set ${result.setId}`
      : `${style.status('degraded', 'restore degraded')}  set ${result.setId}`,
    `  ${count(result.services.length, 'service')}, ${formatBytes(restoredBytes)} restored, ` +
      formatDuration(result.durationMs),
    ...result.services.flatMap((service) => [
      `  ${service.service}${healthOf(service.healthyAfterMs)}`,
      ...service.sources.flatMap(({ source, contentBytes, verified, aside }) => [
        `    ${source}  ${formatBytes(contentBytes)}, ${oneLine(verified)}`,
        ...(aside === undefined ? [] : [style.paint('dim', `      before: ${oneLine(aside)}`)]),
      ]),
    ]),
    ...(result.problems ?? []).map(
      (text) => `${style.paint('yellow', 'not brought back:')} ${oneLine(text)}`,
    ),
    ...result.warnings.map((text) => `${style.paint('yellow', 'warning:')} ${oneLine(text)}`),
  ];
}

function healthOf(healthyAfterMs: number | undefined): string {
  return healthyAfterMs === undefined ? '' : `  healthy after ${formatDuration(healthyAfterMs)}`;
}
