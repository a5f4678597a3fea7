/** The one place where an error becomes what the person sees and how the process ends. */
import { HoldfastError, isHoldfastError, messageOf } from '../../base/errors.js';
import { fromSystemError } from '../../base/files/system-error.js';
import type { CliHost } from '../host/context.js';
import type { ExitCode } from './exit.js';
import { wrap } from '../render/text.js';
import { speaksUnicode, Style, wantsColour } from '../render/style.js';

const STACK_LINES = 8;

export interface ErrorReportOptions {
  readonly json: boolean;
  readonly color: boolean;
}

/**
 * Prints an error and gives the exit code. For people on standard error: message, hint, code. With
 * `--json` one object `{"error": {code, message, hint, facts}}` on standard output.
 */
export function reportError(error: unknown, host: CliHost, options: ErrorReportOptions): ExitCode {
  const known = toHoldfastError(error);
  if (options.json) {
    host.out.write(`${JSON.stringify({ error: errorAsJson(known) })}\n`);
  } else {
    host.err.write(`${formatError(known, host, options)}\n`);
  }
  if (host.env['HOLDFAST_DEBUG'] === '1') host.err.write(`${shortStack(error)}\n`);
  return known.exitCode;
}

/** The fields of `--json`; absent ones are null, so that readers need not guess. */
export function errorAsJson(error: HoldfastError): Record<string, unknown> {
  return {
    code: error.code,
    message: error.message,
    hint: error.hint ?? null,
    facts: error.facts,
  };
}

/** Anything thrown as our own error; what is not ours is INTERNAL. */
export function toHoldfastError(error: unknown): HoldfastError {
  if (isHoldfastError(error)) return error;
  const ofSystem = fromSystemError(error);
  if (ofSystem !== undefined) return ofSystem;
  return new HoldfastError('INTERNAL', messageOf(error), {
    hint: 'this is a bug, or something unforeseen; HOLDFAST_DEBUG=1 shows where it happened',
    cause: error,
  });
}

function formatError(error: HoldfastError, host: CliHost, options: ErrorReportOptions): string {
  const style = new Style({
    colour: wantsColour(host.env, host.err.isTerminal, options.color),
    unicode: speaksUnicode(host.env),
  });
  const { err } = host;
  // A terminal breaks lines in the middle of words; a file keeps them whole for whoever searches it.
  const fold = (text: string, label: string): string =>
    err.isTerminal
      ? wrap(`${label} ${text}`, err.columns() - 2)
          .join('\n  ')
          .slice(label.length + 1)
      : text;
  const [first = '', ...rest] = error.message.trimEnd().split('\n');
  // Several problems at once (a configuration) read best below each other.
  const message =
    rest.length === 0
      ? ` ${fold(first, 'error:')}`
      : `\n  ${[first, ...rest].map((line) => fold(line, ' ')).join('\n  ')}`;
  return [
    `${style.paint('red', 'error:')}${message}`,
    ...(error.hint === undefined
      ? []
      : [`${style.paint('cyan', 'hint:')} ${fold(error.hint, 'hint:')}`]),
    style.paint('dim', `code: ${error.code}`),
  ].join('\n');
}

/** The first lines of the stack of every error in the chain of causes. */
function shortStack(error: unknown): string {
  const parts: string[] = [];
  for (let at: unknown = error; at instanceof Error && parts.length < 4; at = at.cause) {
    const lines = (at.stack ?? at.message).split('\n').slice(0, STACK_LINES);
    parts.push(`${parts.length === 0 ? '' : 'caused by: '}${lines.join('\n')}`);
  }
  return parts.length === 0 ? String(error) : parts.join('\n');
}
