/** Whether anybody listens at an address: a quick answer where a client would wait for its deadline. */
import { connect } from 'node:net';
import { systemCodeOf } from '../../base/errors.js';

const TIMEOUT_MS = 1_500;

export type AddressProbe = 'answers' | 'refused' | 'silent' | 'unknown';

/**
 * @param address `host:port`
 * @returns `silent` when there was no answer in time, `unknown` when the address could not be asked: only
 *   `refused` means that nobody is there
 */
export function probeAddress(address: string): Promise<AddressProbe> {
  const at = address.lastIndexOf(':');
  const host = address.slice(0, at).replace(/^\[|\]$/g, '');
  const port = Number(address.slice(at + 1));
  return new Promise((resolve) => {
    const socket = connect({ host, port, timeout: TIMEOUT_MS });
    const settle = (answer: AddressProbe): void => {
      socket.destroy();
      resolve(answer);
    };
    socket.once('connect', () => settle('answers'));
    socket.once('timeout', () => settle('silent'));
    socket.once('error', (error) =>
      settle(systemCodeOf(error) === 'ECONNREFUSED' ? 'refused' : 'unknown'),
    );
  });
}
