/** How each notification channel took a test message. Pure. */
import { formatDuration } from '../../../base/words.js';
import type { ChannelOutcome } from '../../host/ports.js';
import type { Style } from '../../render/style.js';
import { oneLine } from '../../render/text.js';

export interface RenderedOutcome {
  readonly ok: boolean;
  readonly lines: readonly string[];
}

export function renderOutcomes(
  outcomes: readonly ChannelOutcome[],
  style: Style,
): readonly RenderedOutcome[] {
  const width = Math.max(...outcomes.map(({ channel }) => channel.length));
  return outcomes.map(({ channel, type, ok, durationMs, error, hint }) => {
    const head = `${channel.padEnd(width)}  ${type.padEnd(7)}  `;
    if (ok) {
      return { ok, lines: [`${head}${style.paint('green', 'ok')}  ${formatDuration(durationMs)}`] };
    }
    return {
      ok,
      lines: [
        `${head}${style.paint('red', 'failed')}  ${oneLine(error ?? 'unknown reason')}`,
        ...(hint === undefined ? [] : [`${' '.repeat(head.length)}${oneLine(hint)}`]),
      ],
    };
  });
}
