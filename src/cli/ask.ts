/** Questions to the person at the terminal. */
import { createInterface } from 'node:readline/promises';
import type { CliHost } from './host/context.js';

/** What came instead of an answer: Ctrl-C, or the end of the input. */
export const INTERRUPTED = Symbol('interrupted');

/**
 * Asks one question on the terminal.
 * @returns the trimmed answer, INTERRUPTED at Ctrl-C or end of input; undefined when the signal fired
 */
export async function ask(
  host: CliHost,
  question: string,
  signal?: AbortSignal,
): Promise<string | typeof INTERRUPTED | undefined> {
  const input = createInterface({
    input: host.stdin,
    output: host.out.stream,
    terminal: true,
  });
  const interrupted = new AbortController();
  // While the question is open the terminal is raw: Ctrl-C is a key, not a signal.
  input.on('SIGINT', () => interrupted.abort());
  input.on('close', () => interrupted.abort());
  const stop =
    signal === undefined ? interrupted.signal : AbortSignal.any([signal, interrupted.signal]);
  try {
    signal?.throwIfAborted();
    return (await input.question(question, { signal: stop })).trim();
  } catch (error) {
    if (signal?.aborted === true) return undefined;
    if (interrupted.signal.aborted) return INTERRUPTED;
    throw error;
  } finally {
    input.close();
  }
}
