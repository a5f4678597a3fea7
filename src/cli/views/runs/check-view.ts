import type { CheckFinding, Severity } from '../../../plan/check/check-facts.js';
import type { Style } from '../../render/style.js';
import { oneLine, wrap } from '../../render/text.js';

const INDENT = 10;
const LEAST_WIDTH = 20;

/**
 * One line a finding, and one for what to do about it; with `columns` as many as they need.
 * @param columns of a terminal; undefined for a pipe, where a finding stays on its line
 */
export function renderFindings(
  findings: readonly CheckFinding[],
  style: Style,
  columns?: number,
): readonly string[] {
  const lines = (text: string): string[] =>
    columns === undefined ? [text] : wrap(text, Math.max(LEAST_WIDTH, columns - INDENT));
  const indent = ' '.repeat(INDENT);
  return findings.flatMap(({ subject, severity, message, hint }) => {
    const about = message.startsWith(subject) ? '' : `${oneLine(subject)}: `;
    const [first = '', ...rest] = lines(`${about}${oneLine(message)}`);
    return [
      `${label(severity, style)}  ${first}`,
      ...rest.map((line) => indent + line),
      ...(hint === undefined
        ? []
        : lines(oneLine(hint)).map((line) => style.paint('dim', indent + line))),
    ];
  });
}

function label(severity: Severity, style: Style): string {
  switch (severity) {
    case 'ok':
      return style.paint('green', 'ok      ');
    case 'warning':
      return style.paint('yellow', 'warning ');
    case 'critical':
      return style.paint('red', 'CRITICAL');
  }
}
