/** Many lines to standard output: few writes, no more in memory than the reader is behind. */
import { once } from 'node:events';
import type { Output } from './output.js';

const BATCH_CHARACTERS = 32_768;

export class LineStream {
  #text = '';

  constructor(readonly output: Output) {}

  /** Takes a line. @returns false when nobody reads any more: the caller may stop */
  async line(text: string): Promise<boolean> {
    this.#text += `${text}\n`;
    return this.#text.length < BATCH_CHARACTERS || this.flush();
  }

  /** Hands over what is left. @returns as {@link line} */
  async flush(): Promise<boolean> {
    if (this.#text !== '') this.output.write(this.#text);
    this.#text = '';
    const { stream } = this.output;
    if (Reflect.get(stream, 'writableNeedDrain') === true) {
      const waiting = new AbortController();
      // A reader that goes away ends the wait; that it went is no error.
      await Promise.race(
        ['drain', 'close', 'error'].map((event) =>
          once(stream, event, { signal: waiting.signal }).catch(() => undefined),
        ),
      );
      waiting.abort();
    } else {
      // The news that the reader has gone comes as an event.
      await new Promise((resolve) => setImmediate(resolve));
    }
    return !(this.output.isGone?.() ?? false);
  }
}
