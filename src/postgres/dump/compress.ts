/** Streams through zstd and back, with the zstd of this host or of the server's container. */
import { createReadStream } from 'node:fs';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { HoldfastError, isHoldfastError } from '../../base/errors.js';
import { startCommand } from '../../base/process/process.js';
import { asBuffer } from '../client/bytes.js';
import type { PostgresExec } from '../client/exec.js';

/** A zstd stream of `source`, with its check sum. @param level 1 to 19. */
export function compressed(source: Readable, level: number, signal: AbortSignal): Readable {
  return throughChild(source, 'zstd', ['-q', '-c', '--check', `-${level}`], signal);
}

/**
 * What a file of a dump holds: decompressed where its name ends in `.zst`, else as it is. Nothing is
 * opened before somebody reads. Damage ends in an error.
 * @param name The file's name once it is whole, where it has another one now.
 */
export function unpacked(file: string, signal: AbortSignal, name: string = file): Readable {
  if (!name.endsWith('.zst')) return createReadStream(file);
  async function* output(): AsyncGenerator<Buffer> {
    const child = startCommand('zstd', ['-q', '-d', '-c', '--', file], { signal });
    let ended = false;
    try {
      for await (const chunk of child.stdout) yield asBuffer(chunk);
      ended = true;
      await child.done;
    } finally {
      if (!ended) child.kill();
    }
  }
  return Readable.from(output(), { objectMode: false });
}

/** Does the server's container have zstd? The official images do, for their start-up scripts. */
export async function hasZstd(pg: PostgresExec, signal: AbortSignal): Promise<boolean> {
  try {
    return (await pg.capture(['zstd', '--version'], { signal })).exitCode === 0;
  } catch (error) {
    if (isHoldfastError(error) && error.code === 'COMMAND_FAILED') return false;
    throw error;
  }
}

/**
 * The text of a script, by the end of its name: `.zst`, `.gz` or as it is.
 * A stream that is damaged or cut short ends in an error.
 */
export function decompressed(source: Readable, fileName: string, signal: AbortSignal): Readable {
  if (fileName.endsWith('.zst')) return throughChild(source, 'zstd', ['-q', '-d', '-c'], signal);
  if (fileName.endsWith('.gz')) return throughChild(source, 'gzip', ['-q', '-d', '-c'], signal);
  return source;
}

function throughChild(
  source: Readable,
  command: string,
  args: readonly string[],
  signal: AbortSignal,
): Readable {
  async function* output(): AsyncGenerator<Buffer> {
    const child = startCommand(command, args, { signal, openStdin: true });
    if (child.stdin === null) throw new HoldfastError('INTERNAL', `${command} has no input`);
    const feeding = pipeline(source, child.stdin);
    feeding.catch(() => undefined); // looked at below; a child that failed tells more
    let ended = false;
    try {
      for await (const chunk of child.stdout) yield asBuffer(chunk);
      ended = true;
      await child.done;
      await feeding;
    } finally {
      if (!ended) {
        child.kill();
        source.destroy();
      }
    }
  }
  return Readable.from(output(), { objectMode: false });
}
