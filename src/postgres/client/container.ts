/** The server of a container, reached by running its own client programs in it. */
import type { Engine } from '../../docker/engine/engine.js';
import { execCapture, execInContainer } from '../../docker/engine/exec.js';
import {
  findEndpoint,
  foundNoServer,
  type Endpoint,
} from '../../docker/engine/postgres-endpoint.js';
import type { PostgresExec, PostgresExecOptions } from './exec.js';

export interface ContainerServer {
  readonly container: string;
  /** Operating system user of the client programs; the container's own by default. */
  readonly osUser?: string | undefined;
  /** Names the work, so that a later attempt finds what a killed one left running. */
  readonly tag?: string | undefined;
}

/**
 * Runs client programs in the server's container. Where one finds no server, it is looked for once where
 * the server says that it listens; programs after it then go there at once. Errors are those of src/docker/exec.ts:
 * CONTAINER_NOT_FOUND, DOCKER_FAILED, DOCKER_UNREACHABLE, COMMAND_FAILED, the signal's reason.
 */
export function containerExec(engine: Engine, server: string | ContainerServer): PostgresExec {
  const { container, osUser, tag }: ContainerServer =
    typeof server === 'string' ? { container: server } : server;
  const common = {
    container,
    ...(osUser === undefined ? {} : { user: osUser }),
    ...(tag === undefined ? {} : { tag }),
  };
  // As long as the server is found where the container's own environment leads, it is none.
  let endpoint: Endpoint = {};
  const at = (options: PostgresExecOptions): PostgresExecOptions => ({
    ...options,
    env: { ...endpoint, ...options.env },
  });
  const capture: PostgresExec['capture'] = (argv, options) =>
    execCapture(engine, { ...common, argv, ...at(options) });
  return {
    capture: async (argv, options) => {
      const result = await capture(argv, options);
      const isRepeatable = options.input === undefined || typeof options.input === 'string';
      if (!isRepeatable || result.exitCode === 0 || !foundNoServer(result.stderr)) return result;
      const found = await findEndpoint(engine, container, options.signal);
      if (found === undefined || isSame(found, endpoint)) return result;
      endpoint = found;
      return capture(argv, options);
    },
    stream: (argv, options) => execInContainer(engine, { ...common, argv, ...at(options) }),
  };
}

function isSame(one: Endpoint, other: Endpoint): boolean {
  return one['PGPORT'] === other['PGPORT'] && one['PGHOST'] === other['PGHOST'];
}
