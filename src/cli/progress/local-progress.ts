/** How far work on this machine is, on standard error: a line redrawn in place, or now and then one. */
import type { Progress, ReportProgress } from '../../base/progress.js';
import { formatBytes } from '../../base/words.js';
import type { CliContext } from '../host/context.js';
import { truncate } from '../render/text.js';
import { formatCount, formatPercent, formatRate } from '../render/words.js';
import { RateEstimator } from './rate.js';

const REDRAW_EVERY_MS = 200;
const LINE_EVERY_MS = 15_000;
const EVENT_EVERY_MS = 2_000;

export interface LocalProgress {
  readonly report: ReportProgress;
  /** Names what is being worked at. */
  subject(text: string): void;
  /** Takes away what is drawn; more may be reported afterwards. */
  clear(): void;
}

/** Nothing with `--quiet`; with `--json` events on standard output instead. */
export function localProgress(context: CliContext): LocalProgress {
  const { host, options } = context;
  const live = host.err.isTerminal && host.env['TERM'] !== 'dumb';
  const every = options.json ? EVENT_EVERY_MS : live ? REDRAW_EVERY_MS : LINE_EVERY_MS;
  const rate = new RateEstimator();
  let subject = '';
  let lastMs = Date.now();
  let drawn = false;
  const clear = (): void => {
    if (drawn) host.err.write('\r\u001b[K');
    drawn = false;
  };
  return {
    subject: (text) => {
      subject = text;
    },
    clear,
    report: (progress) => {
      const nowMs = Date.now();
      if (options.quiet || nowMs - lastMs < every) return;
      lastMs = nowMs;
      if (options.json) {
        context.emit({ type: 'progress', subject, ...progress });
        return;
      }
      rate.observe(progress.bytes, nowMs);
      const line = [subject, ...pieces(progress, rate)].filter((part) => part !== '').join('  ');
      if (!live) {
        host.err.write(`${line}\n`);
        return;
      }
      const shown = truncate(line, host.err.columns() - 1, context.errorStyle.ellipsis);
      host.err.write(`\r${context.errorStyle.paint('dim', shown)}\u001b[K`);
      drawn = true;
    },
  };
}

function pieces({ phase, bytes, totalBytes, entries }: Progress, rate: RateEstimator): string[] {
  if (bytes === 0) return [`${phase} ${formatCount(entries)} entries`];
  const of =
    totalBytes > 0
      ? ` of ${formatBytes(Math.max(bytes, totalBytes))}  ${formatPercent(bytes, totalBytes)}`
      : '';
  const { bytesPerSecond } = rate;
  return [
    `${phase} ${formatBytes(bytes)}${of}`,
    ...(bytesPerSecond === undefined ? [] : [formatRate(bytesPerSecond)]),
  ];
}
