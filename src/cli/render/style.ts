/** Colours and marks, or none of them: `NO_COLOR`, `--no-color`, a pipe, a terminal without UTF-8. */
import type { StepView } from '../../plan/shared/inputs.js';

export type Colour = 'red' | 'green' | 'yellow' | 'cyan' | 'dim' | 'bold';

const CODES: Record<Colour, readonly [number, number]> = {
  red: [31, 39],
  green: [32, 39],
  yellow: [33, 39],
  cyan: [36, 39],
  dim: [2, 22],
  bold: [1, 22],
};

export interface StyleOptions {
  readonly colour: boolean;
  readonly unicode: boolean;
}

export type StepState = StepView['state'];

export class Style {
  constructor(readonly options: StyleOptions) {}

  paint(colour: Colour, text: string): string {
    const [on, off] = CODES[colour];
    return this.options.colour ? `\u001b[${on}m${text}\u001b[${off}m` : text;
  }

  mark(state: StepState): string {
    const { unicode } = this.options;
    switch (state) {
      case 'pending':
        return this.paint('dim', unicode ? '·' : '.');
      case 'running':
        return this.paint('cyan', unicode ? '▸' : '>');
      case 'done':
        return this.paint('green', unicode ? '✔' : '+');
      case 'failed':
        return this.paint('red', unicode ? '✖' : 'x');
      case 'skipped':
        return this.paint('dim', unicode ? '–' : '-');
    }
  }

  status(status: 'success' | 'degraded' | 'failed', text: string = status): string {
    switch (status) {
      case 'success':
        return this.paint('green', text);
      case 'degraded':
        return this.paint('yellow', text);
      case 'failed':
        return this.paint('red', text);
    }
  }

  get arrow(): string {
    return this.options.unicode ? '→' : '->';
  }

  get ellipsis(): string {
    return this.options.unicode ? '…' : '..';
  }
}

type Environment = Readonly<Record<string, string | undefined>>;

/** By no-color.org: any non-empty NO_COLOR wins; FORCE_COLOR colours a pipe. */
export function wantsColour(env: Environment, isTerminal: boolean, asked: boolean): boolean {
  if (!asked || isSet(env['NO_COLOR'])) return false;
  if (isSet(env['FORCE_COLOR']) && env['FORCE_COLOR'] !== '0') return true;
  return isTerminal && env['TERM'] !== 'dumb';
}

/** What the locale says, in POSIX order of precedence; only terminals have one. */
export function speaksUnicode(env: Environment): boolean {
  const locale = [env['LC_ALL'], env['LC_CTYPE'], env['LANG']].find(isSet);
  // No locale at all is what containers have, and they print UTF-8 well.
  return locale === undefined || /utf-?8/i.test(locale);
}

function isSet(value: string | undefined): boolean {
  return value !== undefined && value !== '';
}
