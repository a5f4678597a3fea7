/**
 * Files of a Hugging Face cache that are named by the SHA-256 of what is in them
 * (`blobs/<64 hex digits>`), against that name, as a tar passes. It finds a model that was broken
 * before it was saved: the backup is sound, and what it would restore is not.
 */
import { createHash, type Hash } from 'node:crypto';
import type { TarMember } from '../../tar/headers.js';

const BLOB = /(?:^|\/)blobs\/([0-9a-f]{64})$/;

export class BlobNames {
  /** Names whose content is another one. */
  readonly wrong: string[] = [];
  #current: { readonly name: string; readonly expected: string; readonly hash: Hash } | undefined;

  member({ flag, path, sparse }: TarMember): void {
    this.end();
    const expected = BLOB.exec(path)?.[1];
    if (flag !== '0' || sparse || expected === undefined) return;
    this.#current = { name: path, expected, hash: createHash('sha256') };
  }

  data(chunk: Buffer): void {
    this.#current?.hash.update(chunk);
  }

  /** After the last member. */
  end(): void {
    const current = this.#current;
    this.#current = undefined;
    if (current !== undefined && current.hash.digest('hex') !== current.expected) {
      this.wrong.push(current.name);
    }
  }
}
