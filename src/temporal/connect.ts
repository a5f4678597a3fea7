/** Connections by Temporal's own conventions: environment variables, then the profile file. */
import { Client, Connection, isGrpcServiceError } from '@temporalio/client';
import { loadClientConnectConfig } from '@temporalio/envconfig';
import { NativeConnection } from '@temporalio/worker';
import { setTimeout as delay } from 'node:timers/promises';
import { HoldfastError, messageOf } from '../base/errors.js';

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

export type TemporalProbe =
  /** Also one that does not let us in. */
  { readonly state: 'answers' } | { readonly state: 'other'; readonly reason: string };

/** Long enough for a server that is just starting. */
const PROBE_MS = 5_000;
/** What only a server that understood the question says. */
const REFUSALS = new Set([7, 8, 16]); // PERMISSION_DENIED, RESOURCE_EXHAUSTED, UNAUTHENTICATED
const DEADLINE_EXCEEDED = 4;
const UNAVAILABLE = 14;

/** Asks whoever listens at the address whether it is a Temporal. */
export async function probeTemporal(): Promise<TemporalProbe> {
  const { address, connectionOptions } = temporalEndpoint();
  const connection = Connection.lazy({ ...connectionOptions, address });
  const end = Date.now() + PROBE_MS;
  let reason = `no answer within ${PROBE_MS / 1000} seconds`;
  try {
    for (;;) {
      try {
        await connection.withDeadline(end, () => connection.workflowService.getSystemInfo({}));
        return { state: 'answers' };
      } catch (error) {
        if (isGrpcServiceError(error) && REFUSALS.has(error.code)) return { state: 'answers' };
        const code: number | undefined = isGrpcServiceError(error) ? error.code : undefined;
        if (code !== DEADLINE_EXCEEDED && isGrpcServiceError(error)) reason = error.details;
        if (code !== UNAVAILABLE || Date.now() > end) return { state: 'other', reason };
        await delay(300);
      }
    }
  } finally {
    await connection.close();
  }
}

/** The worker's library tells its own types around what the system said. */
function reasonOf(error: unknown): string {
  const message = messageOf(error);
  return /connection refused/i.test(message) ? 'nobody listens there' : message;
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
      `no Temporal server answers at ${address}: ${reasonOf(error)}`,
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
