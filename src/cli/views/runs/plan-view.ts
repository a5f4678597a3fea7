/** A restore plan for people: what is stopped, what is replaced, in which order. Pure. */
import { formatBytes, formatDuration, count } from '../../../base/words.js';
import type { RestorePlan, RestoreServicePlan } from '../../../plan/restore/restore-types.js';
import type { Style } from '../../render/style.js';
import { displayWidth, oneLine, padEnd, padStart, wrap } from '../../render/text.js';
import { setName } from '../sets/set-rows.js';
import { own } from '../../../base/own.js';

export function renderPlan(
  plan: RestorePlan,
  stack: string,
  columns: number,
  style: Style,
): readonly string[] {
  const services = plan.stages.flat();
  const sources = services.flatMap((service) => service.sources);
  const nameWidth = Math.max(0, ...sources.map(({ source }) => displayWidth(source)));
  return [
    style.paint(
      'bold',
      `Restore of ${stack} from set ${setName({ id: plan.setId, tier: plan.setTier })}`,
    ),
    `  ${formatBytes(plan.contentBytes)} to restore, ${count(sources.length, 'source')} in ` +
      `${count(services.length, 'service')}, ${count(plan.stages.length, 'stage')}` +
      `, ${plan.estimateMs === undefined ? 'time not known yet' : `about ${formatDuration(plan.estimateMs)}`}`,
    ...plan.space.map(
      ({ place, neededBytes, freeBytes }) =>
        `  needs ${formatBytes(neededBytes)} on the disk of ${oneLine(place)}, ` +
        `${formatBytes(freeBytes)} are free`,
    ),
    '',
    ...stopLines(plan, style),
    ...plan.stages.flatMap((stage, index) => stageLines(plan, stage, index + 1, nameWidth, style)),
    ...remarkLines(plan, columns, style),
    'Every artifact is checked before anything is touched. What is replaced is kept',
    'aside, and put back if a step fails.',
  ];
}

function stopLines({ stopOrder }: RestorePlan, style: Style): string[] {
  if (stopOrder.length === 0) return [];
  return [
    `${style.paint('bold', 'Stop first')}  ${stopOrder.join(` ${style.arrow} `)}`,
    style.paint('dim', '  their containers are stopped in this order before anything is replaced'),
    '',
  ];
}

function stageLines(
  plan: RestorePlan,
  stage: readonly RestoreServicePlan[],
  number: number,
  nameWidth: number,
  style: Style,
): string[] {
  const together = stage.length > 1 ? style.paint('dim', '  side by side') : '';
  return [
    ...(plan.pauseBefore === number
      ? [style.paint('yellow', 'Here the run waits for an approval (`holdfast approve`).')]
      : []),
    `${style.paint('bold', `Stage ${number}`)}${together}`,
    ...stage.flatMap((service) => serviceLines(plan, service, nameWidth, style)),
    '',
  ];
}

function serviceLines(
  plan: RestorePlan,
  service: RestoreServicePlan,
  nameWidth: number,
  style: Style,
): string[] {
  const other = own(plan.otherSets ?? {}, service.service);
  const remarks = [
    ...(other === undefined ? [] : [`from set ${other}`]),
    ...(service.hasContainers ? ['then start it and wait until it is healthy'] : []),
  ].join('; ');
  if (service.sources.length === 0) {
    return [`  ${service.service}  ${style.paint('dim', 'nothing is replaced; started again')}`];
  }
  return [
    `  ${service.service}${remarks === '' ? '' : `  ${style.paint('dim', remarks)}`}`,
    ...service.sources.flatMap(({ source, artifact, replaces, keeps, exists, estimateMs }) => [
      `    ${padEnd(source, nameWidth)}  ${padStart(formatBytes(artifact.contentBytes), 8)}` +
        `  ${exists === false ? 'makes' : 'replaces'} ${oneLine(replaces)}` +
        (estimateMs === undefined ? '' : `, about ${formatDuration(estimateMs)}`),
      ...(keeps === undefined || exists === false
        ? []
        : [style.paint('dim', `${' '.repeat(nameWidth + 16)}keeps ${oneLine(keeps)}`)]),
    ]),
  ];
}

function remarkLines({ notes, warnings }: RestorePlan, columns: number, style: Style): string[] {
  if (notes.length + warnings.length === 0) return [];
  const hanging = (label: string, text: string): string[] =>
    wrap(oneLine(text), columns - 11).map(
      (line, index) => `${index === 0 ? label : ' '.repeat(displayWidth(label))} ${line}`,
    );
  return [
    ...notes.flatMap((text) => hanging(style.paint('dim', 'note:'), text)),
    ...warnings.flatMap((text) => hanging(style.paint('yellow', 'warning:'), text)),
    '',
  ];
}
