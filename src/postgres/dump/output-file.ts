/**
 * A file of a dump while it is written: under a temporary name, hashed as it streams, and under its
 * own name only when it has been checked and all other files of the dump are whole too.
 */
import { createHash } from 'node:crypto';
import { open, rm } from 'node:fs/promises';
import path from 'node:path';
import type { Readable } from 'node:stream';
import { HoldfastError, systemCodeOf } from '../../base/errors.js';
import { renameDurably } from '../../base/files/durable.js';
import { asBuffer } from '../client/bytes.js';

/** Dumps hold password hashes and everyone's data: readable by us alone until they are published. */
const PRIVATE_MODE = 0o600;

export class OutputFile {
  readonly path: string;
  readonly temporaryPath: string;
  sizeBytes = 0;
  sha256 = '';

  /** @param directory An existing directory. @param name The file's name once it is whole. */
  constructor(
    directory: string,
    readonly name: string,
  ) {
    this.path = path.join(directory, name);
    this.temporaryPath = path.join(directory, `.${name}.partial`);
  }

  /**
   * Writes a stream to its end and flushes it to the disk. What an earlier try has written goes.
   * @param onBytes Told of each chunk's size.
   * @throws HoldfastError DISK_FULL, or what the stream failed with.
   */
  async write(source: Readable, onBytes: (bytes: number) => void): Promise<void> {
    const hash = createHash('sha256');
    try {
      await rm(this.temporaryPath, { force: true });
      this.sizeBytes = 0;
      const handle = await open(this.temporaryPath, 'wx', PRIVATE_MODE);
      try {
        for await (const chunk of source) {
          const bytes = asBuffer(chunk);
          hash.update(bytes);
          await writeAll(handle, bytes);
          this.sizeBytes += bytes.length;
          onBytes(bytes.length);
        }
        await handle.sync();
      } finally {
        await handle.close();
      }
    } catch (error) {
      throw diskFull(error, this.path);
    }
    this.sha256 = hash.digest('hex');
  }
}

/** The files of one dump: all get their names, or none does. */
export class OutputSet {
  readonly #files = new Map<string, OutputFile>();
  #committed = false;

  /** @param directory An existing directory. */
  constructor(readonly directory: string) {}

  /** A new file of the set, to be written; it takes the place of one of the same name. */
  open(name: string): OutputFile {
    const file = new OutputFile(this.directory, name);
    this.#files.set(name, file);
    return file;
  }

  /** Gives all files their names, once every one is whole. */
  async commit(): Promise<void> {
    for (const file of this.#files.values()) await renameDurably(file.temporaryPath, file.path);
    this.#committed = true;
  }

  /** Removes what was begun; harmless after {@link commit}. */
  async discard(): Promise<void> {
    if (this.#committed) return;
    for (const file of this.#files.values()) {
      await rm(file.temporaryPath, { force: true });
      await rm(file.path, { force: true });
    }
  }
}

interface Writable {
  write(buffer: Buffer, offset: number, length: number): Promise<{ bytesWritten: number }>;
}

async function writeAll(handle: Writable, bytes: Buffer): Promise<void> {
  for (let at = 0; at < bytes.length;) {
    const { bytesWritten } = await handle.write(bytes, at, bytes.length - at);
    at += bytesWritten;
  }
}

function diskFull(error: unknown, target: string): unknown {
  const code = systemCodeOf(error);
  if (code !== 'ENOSPC' && code !== 'EDQUOT') return error;
  return new HoldfastError('DISK_FULL', `no space left to write ${target}`, {
    facts: { path: target },
    hint: 'free some space, or let an older set go (holdfast list shows their sizes)',
    cause: error,
  });
}
