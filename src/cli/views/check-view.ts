/** What a check found, for people. Pure. */
import type { CheckFinding, Severity } from '../../plan/check.js';
import type { Style } from '../render/style.js';
import { oneLine } from '../render/text.js';

/** One line a finding, and one for what to do about it. */
export function renderFindings(findings: readonly CheckFinding[], style: Style): readonly string[] {
  return findings.flatMap(({ subject, severity, message, hint }) => {
    const about = message.startsWith(subject) ? '' : `${oneLine(subject)}: `;
    return [
      `${label(severity, style)}  ${about}${oneLine(message)}`,
      ...(hint === undefined ? [] : [style.paint('dim', `          ${oneLine(hint)}`)]),
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
