/** Connections by Temporal's own conventions: environment variables, then the profile file. */
import { Client, Connection } from '@temporalio/client';
import { loadClientConnectConfig } from '@temporalio/envconfig';
import { NativeConnection } from '@temporalio/worker';
import { HoldfastError, messageOf } from '../errors.js';

const DEFAULT_ADDRESS = '127.0.0.1:7233';
/** Long enough for a busy host, short enough not to leave a person wondering. */
const CONNECT_TIMEOUT_MS = 10_000;

export interface ConnectedClient {
  readonly client: Client;
  readonly address: string;
  readonly namespace: string;
  readonly close: () => Promise<void>;
}

interface Endpoint {
  readonly address: string;
  readonly namespace: string;
  readonly connectionOptions: ReturnType<typeof loadClientConnectConfig>['connectionOptions'];
}

/** Where Temporal is, from `TEMPORAL_*` and the profile file; loopback when nothing is said. */
export function temporalEndpoint(): Endpoint {
  const { connectionOptions, namespace } = loadClientConnectConfig();
  return {
    address: connectionOptions.address ?? DEFAULT_ADDRESS,
    namespace: namespace ?? 'default',
    connectionOptions,
  };
}

/** @throws HoldfastError TEMPORAL_UNREACHABLE */
export async function connectClient(): Promise<ConnectedClient> {
  const { address, namespace, connectionOptions } = temporalEndpoint();
  const connection = await unreachable(address, connectionOptions.tls !== undefined, () =>
    Connection.connect({ ...connectionOptions, address, connectTimeout: CONNECT_TIMEOUT_MS }),
  );
  return {
    client: new Client({ connection, namespace }),
    address,
    namespace,
    close: () => connection.close(),
  };
}

/** The worker's connection. @throws HoldfastError TEMPORAL_UNREACHABLE */
export async function connectWorker(): Promise<{
  connection: NativeConnection;
  namespace: string;
  address: string;
}> {
  const { address, namespace, connectionOptions } = temporalEndpoint();
  const { tls, apiKey, metadata } = connectionOptions;
  const connection = await unreachable(address, tls !== undefined, () =>
    NativeConnection.connect({
      address,
      ...(tls === undefined ? {} : { tls }),
      ...(typeof apiKey === 'string' ? { apiKey } : {}),
      ...(metadata === undefined ? {} : { metadata }),
    }),
  );
  return { connection, namespace, address };
}

async function unreachable<T>(
  address: string,
  withTls: boolean,
  connect: () => Promise<T>,
): Promise<T> {
  try {
    return await connect();
  } catch (error) {
    throw new HoldfastError(
      'TEMPORAL_UNREACHABLE',
      `no Temporal server answers at ${address}: ${messageOf(error)}`,
      {
        hint: withTls
          ? 'check the certificates in TEMPORAL_TLS_* or the profile: the authority, the name, and that they have not expired'
          : 'start one with `holdfast up`, or set TEMPORAL_ADDRESS (or TEMPORAL_PROFILE) to yours; one that asks for certificates needs TEMPORAL_TLS_*, too',
        facts: { address },
        cause: error,
      },
    );
  }
}
