/** How a run that is being watched is shown: redrawn, line by line, as JSON events, or not at all. */
import type { CliContext } from '../host/context.js';
import { JsonReporter } from './json-reporter.js';
import { LineReporter } from './line-reporter.js';
import { LiveReporter } from './live-reporter.js';
import type { Reporter } from './reporter-contract.js';

const SILENT: Reporter = {
  begin: () => undefined,
  show: () => undefined,
  note: () => undefined,
  pause: () => undefined,
  resume: () => undefined,
  end: () => undefined,
};

export function createReporter(context: CliContext): Reporter {
  const { options, host, style } = context;
  if (options.json) return new JsonReporter((event) => context.emit(event));
  if (options.quiet) return SILENT;
  if (host.out.isTerminal && host.env['TERM'] !== 'dumb') {
    return new LiveReporter(host.out, style, context.interactive);
  }
  return new LineReporter((line) => context.say(line), style);
}

/** For a short run whose progress is not worth a line, such as making a plan. */
export function silentReporter(): Reporter {
  return SILENT;
}
