import { describe, expect, it } from '@jest/globals';
import { Demux, demuxBuffer } from '../../../src/docker/engine/demux.js';
import { Greeting } from '../../../src/docker/engine/greeting.js';
import { Tail } from '../../../src/docker/engine/tail.js';

function frame(stream: 1 | 2, payload: string | Buffer): Buffer {
  const body = Buffer.from(payload);
  const header = Buffer.alloc(8);
  header.writeUInt8(stream, 0);
  header.writeUInt32BE(body.length, 4);
  return Buffer.concat([header, body]);
}

async function split(pieces: readonly Buffer[]): Promise<{ stdout: string; stderr: string }> {
  let stderr = '';
  const demux = new Demux((chunk) => (stderr += chunk.toString()));
  for (const piece of pieces) demux.write(piece);
  demux.end();
  const chunks: Buffer[] = [];
  for await (const chunk of demux as AsyncIterable<Buffer>) chunks.push(chunk);
  return { stdout: Buffer.concat(chunks).toString(), stderr };
}

describe('the engine’s framed stream', () => {
  const stream = Buffer.concat([
    frame(1, 'one '),
    frame(2, 'problem'),
    frame(1, ''),
    frame(1, 'two'),
  ]);

  it('comes apart the same wherever the connection cuts it', async () => {
    for (let size = 1; size <= stream.length; size += 1) {
      const pieces: Buffer[] = [];
      for (let at = 0; at < stream.length; at += size) pieces.push(stream.subarray(at, at + size));
      expect(await split(pieces)).toEqual({ stdout: 'one two', stderr: 'problem' });
    }
  });

  it('that ends in the middle of a frame is an error, not a short output', async () => {
    for (const length of [3, 10, stream.length - 1]) {
      await expect(split([stream.subarray(0, length)])).rejects.toMatchObject({
        code: 'DOCKER_FAILED',
      });
    }
  });

  it('that is not framed at all is an error, not data', async () => {
    await expect(split([Buffer.from('plain text, no frames')])).rejects.toMatchObject({
      code: 'DOCKER_FAILED',
    });
  });

  it('as a whole log gives its text, and unframed text as it is', () => {
    expect(demuxBuffer(stream)).toBe('one problemtwo');
    expect(demuxBuffer(Buffer.from('a terminal wrote this'))).toBe('a terminal wrote this');
    expect(demuxBuffer(Buffer.alloc(0))).toBe('');
  });
});

describe('the greeting of a launched command', () => {
  async function greet(pieces: readonly string[]): Promise<{ outcome: unknown; rest: string }> {
    const greeting = new Greeting('tag:abc');
    const rest = pieces
      .map((piece) => greeting.filter(Buffer.from(piece))?.toString() ?? '')
      .join('');
    greeting.close();
    return { outcome: await greeting.outcome, rest };
  }

  it('is taken off the output, wherever it is cut, and nothing else is', async () => {
    const text = 'tag:abc 4711\ntag:abc 12\nmore';
    for (let at = 0; at <= text.length; at += 1) {
      expect(await greet([text.slice(0, at), text.slice(at)])).toEqual({
        outcome: { pid: 4711 },
        rest: 'tag:abc 12\nmore',
      });
    }
  });

  it('that is another text is the engine’s refusal', async () => {
    expect(await greet(['OCI runtime exec failed\r\n'])).toEqual({
      outcome: { refused: 'OCI runtime exec failed' },
      rest: '',
    });
    expect((await greet(['tag:other 12\n'])).outcome).toEqual({ refused: 'tag:other 12' });
    expect((await greet(['tag:abc x\n'])).outcome).toEqual({ refused: 'tag:abc x' });
    expect((await greet([])).outcome).toEqual({ refused: '' });
    const long = 'x'.repeat(10_000);
    expect((await greet([long])).outcome).toEqual({ refused: long });
  });
});

describe('the tail of a long text', () => {
  it('is its end, and no more than asked for', () => {
    const tail = new Tail(10);
    for (let count = 0; count < 1000; count += 1) tail.push(Buffer.from(`${count} `));
    expect(tail.toString()).toBe('7 998 999 ');
    tail.push(Buffer.from('a very long last piece'));
    expect(tail.toString()).toBe('last piece');
  });
});
