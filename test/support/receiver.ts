/** An HTTP server on loopback that remembers what it was sent and answers as it is told. */
import { createServer, type IncomingHttpHeaders } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface Received {
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
  readonly atMs: number;
}

export interface Receiver {
  readonly origin: string;
  readonly received: Received[];
  /** The requests of one path, in the order they came. */
  on(path: string): readonly Received[];
  close(): Promise<void>;
}

/** `answer` gives the status, or nothing to never answer. */
export async function startReceiver(
  answer: (request: Received, earlier: number) => number | undefined = () => 200,
): Promise<Receiver> {
  const received: Received[] = [];
  const on = (path: string): Received[] => received.filter((one) => one.path === path);
  const server = createServer((request, response) => {
    let body = '';
    request.setEncoding('utf8').on('data', (chunk: string) => (body += chunk));
    request.on('end', () => {
      const { method = '', url = '', headers } = request;
      const one = { method, path: url, headers, body, atMs: Date.now() };
      const status = answer(one, on(url).length);
      received.push(one);
      if (status !== undefined) response.writeHead(status).end();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    received,
    on,
    close: () => {
      server.closeAllConnections();
      return new Promise((resolve) => server.close(() => resolve()));
    },
  };
}
