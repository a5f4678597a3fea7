/**
 * The first line of a launched command's stdout: `<mark> <pid>`, written by the shell that then
 * becomes the command. On stdout because the order of stdout and stderr is not kept by the engine,
 * and because that is where the engine writes its own refusal to run the command.
 */
const LONGEST_LINE_BYTES = 4096;

/** pid: the command runs · refused: it was never run, and this is what came instead. */
export type GreetingOutcome = { readonly pid: number } | { readonly refused: string };

export class Greeting {
  readonly outcome: Promise<GreetingOutcome>;
  #resolve: (outcome: GreetingOutcome) => void = () => undefined;
  #held: Buffer | undefined = Buffer.alloc(0);
  readonly #mark: string;

  constructor(mark: string) {
    this.#mark = mark;
    this.outcome = new Promise((resolve) => {
      this.#resolve = resolve;
    });
  }

  /** Takes the line off the beginning of the stream; the bytes after it come back. */
  filter(chunk: Buffer): Buffer | undefined {
    if (this.#held === undefined) return chunk;
    this.#held = Buffer.concat([this.#held, chunk]);
    const end = this.#held.indexOf(10);
    if (end < 0 && this.#held.length < LONGEST_LINE_BYTES) return undefined;
    const [mark, pid] = this.#held.subarray(0, Math.max(end, 0)).toString('utf8').split(' ');
    if (mark !== this.#mark || !/^\d+$/.test(pid ?? '')) {
      this.close();
      return undefined;
    }
    const rest = this.#held.subarray(end + 1);
    this.#held = undefined;
    this.#resolve({ pid: Number(pid) });
    return rest.length > 0 ? rest : undefined;
  }

  /** The stream has ended, or is none of ours. */
  close(): void {
    if (this.#held === undefined) return;
    this.#resolve({ refused: this.#held.toString('utf8').trim() });
    // Whatever still comes belongs to the refusal; nobody reads it.
  }
}
