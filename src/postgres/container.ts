/** The server of a container, reached by running its own client programs in it. */
import type { Engine } from '../docker/engine.js';
import { execCapture, execInContainer } from '../docker/exec.js';
import type { PostgresExec } from './server.js';

export interface ContainerServer {
  readonly container: string;
  /** Operating system user of the client programs; the container's own by default. */
  readonly osUser?: string | undefined;
  /** Names the work, so that a later attempt finds what a killed one left running. */
  readonly tag?: string | undefined;
}

/**
 * Runs client programs in the server's container. Errors are those of src/docker/exec.ts:
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
  return {
    capture: (argv, options) => execCapture(engine, { ...common, argv, ...options }),
    stream: (argv, options) => execInContainer(engine, { ...common, argv, ...options }),
  };
}
