/** The end of a text stream that may be long: enough to tell why something failed. */
export class Tail {
  readonly #limitBytes: number;
  #chunks: Buffer[] = [];
  #size = 0;

  constructor(limitBytes = 16_384) {
    this.#limitBytes = limitBytes;
  }

  push(chunk: Buffer): void {
    // A copy: a slice would keep the whole read buffer alive.
    this.#chunks.push(Buffer.from(chunk));
    this.#size += chunk.length;
    while (this.#size - (this.#chunks[0]?.length ?? 0) > this.#limitBytes) {
      this.#size -= this.#chunks.shift()?.length ?? 0;
    }
  }

  toString(): string {
    return Buffer.concat(this.#chunks).subarray(-this.#limitBytes).toString('utf8');
  }
}
