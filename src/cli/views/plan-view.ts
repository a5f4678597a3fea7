/** A restore plan for people: what is stopped, what is replaced, in which order. Pure. */
import { formatBytes } from '../../plan/words.js';
import type { RestorePlan, RestoreServicePlan } from '../../plan/restore-types.js';
import type { Style } from '../render/style.js';
import { count, displayWidth, oneLine, padEnd, padStart, wrap } from '../render/text.js';
import { setName } from './set-rows.js';

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
      `${count(services.length, 'service')}, ${count(plan.stages.length, 'stage')}`,
    '',
    ...stopLines(plan, style),
    ...plan.stages.flatMap((stage, index) => stageLines(stage, index + 1, nameWidth, style)),
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
  stage: readonly RestoreServicePlan[],
  number: number,
  nameWidth: number,
  style: Style,
): string[] {
  const together = stage.length > 1 ? style.paint('dim', '  side by side') : '';
  return [
    `${style.paint('bold', `Stage ${number}`)}${together}`,
    ...stage.flatMap((service) => serviceLines(service, nameWidth, style)),
    '',
  ];
}

function serviceLines(service: RestoreServicePlan, nameWidth: number, style: Style): string[] {
  const after = service.hasContainers ? 'then start it and wait until it is healthy' : '';
  if (service.sources.length === 0) {
    return [`  ${service.service}  ${style.paint('dim', 'nothing is replaced; started again')}`];
  }
  return [
    `  ${service.service}${after === '' ? '' : `  ${style.paint('dim', after)}`}`,
    ...service.sources.map(
      ({ source, artifact, replaces }) =>
        `    ${padEnd(source, nameWidth)}  ${padStart(formatBytes(artifact.contentBytes), 8)}` +
        `  replaces ${oneLine(replaces)}`,
    ),
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
