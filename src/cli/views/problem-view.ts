/** One problem of a run, wrapped to the terminal. Pure. */
import type { Problem, SetFile } from '../../format/manifest.js';
import type { Style } from '../render/style.js';
import { oneLine, wrap } from '../render/text.js';

export function renderProblem(
  { service, source, code, message }: Problem,
  status: SetFile['status'],
  columns: number,
  style: Style,
): string[] {
  // What is wrong with the stack as a whole is no service's.
  const subject = source === '' ? service : `${service}/${source}`;
  const where = subject === '' ? '' : `${subject}: `;
  const [first = '', ...rest] = wrap(`${where}${oneLine(message)} (${code})`, columns - 4);
  return [
    `  ${style.status(status, first)}`,
    ...rest.map((line) => `    ${style.status(status, line)}`),
  ];
}
