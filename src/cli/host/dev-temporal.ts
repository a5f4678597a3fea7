/** Temporal's dev server for a command that needs one, unless one answers already. */
import os from 'node:os';
import path from 'node:path';
import { HoldfastError } from '../../base/errors.js';
import type { CliContext } from './context.js';
import type { DevServer } from './ports.js';
import { probeAddress } from './probe-address.js';

/** Temporal's own defaults, which its command line tool expects. */
export const DEFAULT_PORT = 7233;
const UI_PORT_OFFSET = 1000;
const LAST_PORT = 65_535;

export interface DevTemporalOptions {
  readonly dbFile?: string | undefined;
  readonly uiPort?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * @returns the server that was started; undefined where one answers at the address
 * @throws HoldfastError TEMPORAL_UNREACHABLE where none answers at an address of another host
 */
export async function startUnlessAnswering(
  context: CliContext,
  options: DevTemporalOptions,
  address: string,
): Promise<DevServer | undefined> {
  if (await temporalAnswers(context, address)) return undefined;
  const { port } = splitAddress(address);
  const dbFile = path.resolve(options.dbFile ?? defaultDbFile(context));
  context.say(`starting Temporal, its state is in ${dbFile}`);
  const server = await context.ports.startDevServer({
    dbFile,
    port,
    uiPort: options.uiPort ?? uiPortOf(port),
    signal: options.signal,
  });
  context.host.env['TEMPORAL_ADDRESS'] = server.address;
  return server;
}

/**
 * Does a Temporal answer? If not, one can be started at the address.
 * @throws HoldfastError TEMPORAL_UNREACHABLE where something else listens, or the address is another
 *   host's, which is silent
 */
export async function temporalAnswers(context: CliContext, address: string): Promise<boolean> {
  const listener = await probeAddress(address);
  const { host } = splitAddress(address);
  const isHere = ['127.0.0.1', 'localhost', '::1'].includes(host);
  if (listener === 'answers') {
    const probe = await context.ports.probeTemporal();
    if (probe.state === 'answers') return true;
    throw new HoldfastError(
      'TEMPORAL_UNREACHABLE',
      `something listens at ${address} that does not answer as a Temporal: ${probe.reason}`,
      {
        hint: isHere
          ? 'if it is another program, stop it or choose another port (`holdfast up --port 7300`); a Temporal that asks for certificates needs TEMPORAL_TLS_*'
          : 'is TEMPORAL_ADDRESS right? One that asks for certificates needs TEMPORAL_TLS_*',
        facts: { address },
      },
    );
  }
  if (isHere && listener !== 'silent') return false;
  throw new HoldfastError('TEMPORAL_UNREACHABLE', `no Temporal server answers at ${address}`, {
    hint: isHere
      ? 'something keeps the port without answering: stop it, or choose another one'
      : 'start it there, or unset TEMPORAL_ADDRESS to have one started here',
    facts: { address },
  });
}

/** Temporal's own offset, where there is such a port. */
function uiPortOf(port: number): number {
  return port + UI_PORT_OFFSET <= LAST_PORT ? port + UI_PORT_OFFSET : port - UI_PORT_OFFSET;
}

/** systemd's state directory, else XDG's: one server serves all stacks of a user. */
function defaultDbFile({ host: { env } }: CliContext): string {
  const systemd = env['STATE_DIRECTORY']?.split(':')[0];
  if (systemd !== undefined && systemd !== '') return path.join(systemd, 'temporal.db');
  const xdg = env['XDG_STATE_HOME'];
  const state =
    xdg !== undefined && path.isAbsolute(xdg) ? xdg : path.join(os.homedir(), '.local', 'state');
  return path.join(state, 'holdfast', 'temporal.db');
}

function splitAddress(address: string): { readonly host: string; readonly port: number } {
  const at = address.lastIndexOf(':');
  const port = Number(address.slice(at + 1));
  if (at === -1 || !Number.isInteger(port)) {
    throw new HoldfastError('USAGE', `"${address}" is not an address of Temporal`, {
      hint: 'TEMPORAL_ADDRESS is host:port',
    });
  }
  return { host: address.slice(0, at).replace(/^\[|\]$/g, ''), port };
}
