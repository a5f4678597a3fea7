/** What a container is, in our words. */
import { z } from 'zod';

export type ContainerState = 'running' | 'paused' | 'exited' | 'created' | 'restarting' | 'dead';
export type ContainerHealth = 'none' | 'starting' | 'healthy' | 'unhealthy';

export interface ContainerMount {
  readonly type: string;
  /** The volume's name where `type` is `volume`. */
  readonly volume?: string;
  /** Path on the engine's host. */
  readonly source: string;
  /** Path in the container. */
  readonly destination: string;
  readonly readWrite: boolean;
}

export interface ContainerInfo {
  readonly id: string;
  /** Without the engine's leading slash. */
  readonly name: string;
  /** The image as named when the container was made. */
  readonly image: string;
  readonly imageId: string;
  readonly state: ContainerState;
  readonly health: ContainerHealth;
  /** Output of the last health probe, trimmed to 2000 characters; empty where there is none. */
  readonly healthLog: string;
  readonly exitCode: number;
  /** ISO times as the engine gives them; `0001-01-01T00:00:00Z` where it has never started. */
  readonly startedAt: string;
  readonly createdAt: string;
  /** Restarts by the restart policy since the last start by hand. */
  readonly restartCount: number;
  /** `no`, `always`, `unless-stopped` or `on-failure`. */
  readonly restartPolicy: string;
  /** The engine removes it as soon as it ends (`--rm`). */
  readonly autoRemove?: boolean;
  readonly labels: Readonly<Record<string, string>>;
  readonly composeProject?: string;
  readonly composeService?: string;
  readonly mounts: readonly ContainerMount[];
  /** Ports of the host that are its own while it runs. */
  readonly hostPorts?: readonly number[];
  readonly env: Readonly<Record<string, string>>;
  /** Of its first process: entrypoint and command, without the program itself. */
  readonly args?: readonly string[];
}

export const COMPOSE_PROJECT_LABEL = 'com.docker.compose.project';
/** `True` on what `compose run` made. */
export const COMPOSE_ONEOFF_LABEL = 'com.docker.compose.oneoff';
export const COMPOSE_SERVICE_LABEL = 'com.docker.compose.service';

const text = z.string().nullish();
/** A mount, as lists and inspections alike have it. */
export const mountSchema = z.object({
  Type: z.string().default('bind'),
  Name: text,
  Source: z.string().default(''),
  Destination: z.string(),
  RW: z.boolean().default(true),
});
/** The part of the engine's answer that we use. */
export const inspectSchema = z.object({
  Id: z.string(),
  Name: z.string(),
  Created: z.string(),
  Image: z.string(),
  RestartCount: z.number().nullish(),
  Args: z.array(z.string()).nullish(),
  State: z.object({
    Status: z.string(),
    ExitCode: z.number(),
    StartedAt: z.string(),
    Health: z
      .object({
        Status: z.string(),
        Log: z.array(z.object({ Output: text })).nullish(),
      })
      .nullish(),
  }),
  HostConfig: z
    .object({
      RestartPolicy: z.object({ Name: text }).nullish(),
      AutoRemove: z.boolean().nullish(),
      PortBindings: z.record(z.string(), z.array(z.object({ HostPort: text })).nullish()).nullish(),
    })
    .nullish(),
  Config: z.object({
    Image: z.string(),
    Env: z.array(z.string()).nullish(),
    Labels: z.record(z.string(), z.string()).nullish(),
  }),
  Mounts: z.array(mountSchema).nullish(),
});

export function mountsVolume(container: ContainerInfo, volume: string): boolean {
  return container.mounts.some((mount) => mount.volume === volume);
}

export function toContainerInfo(answer: z.output<typeof inspectSchema>): ContainerInfo {
  const labels = answer.Config.Labels ?? {};
  const composeProject = labels[COMPOSE_PROJECT_LABEL];
  const composeService = labels[COMPOSE_SERVICE_LABEL];
  return {
    id: answer.Id,
    name: answer.Name.replace(/^\//, ''),
    image: answer.Config.Image,
    imageId: answer.Image,
    state: toState(answer.State.Status),
    health: toHealth(answer.State.Health?.Status),
    healthLog: (answer.State.Health?.Log?.at(-1)?.Output ?? '').trim().slice(-2000),
    exitCode: answer.State.ExitCode,
    startedAt: answer.State.StartedAt,
    createdAt: answer.Created,
    restartCount: answer.RestartCount ?? 0,
    restartPolicy: answer.HostConfig?.RestartPolicy?.Name ?? 'no',
    autoRemove: answer.HostConfig?.AutoRemove ?? false,
    labels,
    ...(composeProject === undefined ? {} : { composeProject }),
    ...(composeService === undefined ? {} : { composeService }),
    mounts: (answer.Mounts ?? []).map(toMount).sort(byDestination),
    hostPorts: Object.values(answer.HostConfig?.PortBindings ?? {}).flatMap((bindings) =>
      (bindings ?? []).map(({ HostPort }) => Number(HostPort)).filter((port) => port > 0),
    ),
    args: answer.Args ?? [],
    env: Object.fromEntries(
      (answer.Config.Env ?? []).map((line) => {
        const at = line.indexOf('=');
        return at < 0 ? [line, ''] : [line.slice(0, at), line.slice(at + 1)];
      }),
    ),
  };
}

export function toMount(mount: z.output<typeof mountSchema>): ContainerMount {
  return {
    type: mount.Type,
    ...(mount.Type === 'volume' && mount.Name ? { volume: mount.Name } : {}),
    source: mount.Source,
    destination: mount.Destination,
    readWrite: mount.RW,
  };
}

/** The engine gives them in another order each time. */
function byDestination(a: ContainerMount, b: ContainerMount): number {
  return a.destination < b.destination ? -1 : 1;
}

function toState(status: string): ContainerState {
  switch (status) {
    case 'running':
    case 'paused':
    case 'exited':
    case 'created':
    case 'restarting':
      return status;
    default:
      return 'dead'; // `dead`, `removing`: neither can be started again
  }
}

function toHealth(status: string | undefined): ContainerHealth {
  switch (status) {
    case 'starting':
    case 'healthy':
    case 'unhealthy':
      return status;
    default:
      return 'none';
  }
}
