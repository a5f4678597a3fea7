/** Which health checks are about containers that are not to run, and so not to be waited for. */
import { hostname } from 'node:os';
import type { HealthCheck } from '../../format/config/health-checks.js';
import { findContainer, listContainers } from './containers.js';
import type { Engine } from '../engine/engine.js';

/** What is asked of a service's containers: see src/store/restore-running.ts. */
export interface Asked {
  readonly demanded: readonly string[];
  readonly excused: readonly string[];
}

/**
 * Why a check is left out: what it asks was stopped before, or was paused or in a crash loop. Undefined
 * where it counts, and wherever that can't be told.
 */
export async function whyNotAsked(
  engine: Engine,
  check: HealthCheck,
  project: string | undefined,
  asked: Asked | undefined,
): Promise<string | undefined> {
  if (asked === undefined || project === undefined) return undefined;
  switch (check.type) {
    case 'containers':
      return undefined; // asks what is demanded, and no more
    case 'container':
    case 'sql':
    case 'command': {
      if (asked.demanded.includes(check.container)) return undefined;
      const container = await findContainer(engine, check.container);
      return container?.composeProject === project ? say(check.container, asked) : undefined;
    }
    case 'http': {
      const url = new URL(check.url);
      const port = Number(url.port || (url.protocol === 'https:' ? 443 : 80));
      return portNotAsked(engine, project, asked, { host: url.hostname, port });
    }
    case 'tcp':
      return portNotAsked(engine, project, asked, check);
  }
}

async function portNotAsked(
  engine: Engine,
  project: string,
  asked: Asked,
  at: { readonly host: string; readonly port: number },
): Promise<string | undefined> {
  if (!isThisHost(at.host)) return undefined;
  const publishing = (await listContainers(engine, { composeProject: project })).filter(
    ({ hostPorts }) => hostPorts?.includes(at.port) === true,
  );
  const [first] = publishing;
  if (first === undefined || publishing.some(({ name }) => asked.demanded.includes(name))) {
    return undefined;
  }
  return say(first.name, asked);
}

function isThisHost(host: string): boolean {
  return ['localhost', '127.0.0.1', '[::1]', '::1', hostname()].includes(host);
}

function say(container: string, { excused }: Asked): string {
  return excused.includes(container)
    ? `${container} was paused or in a crash loop before`
    : `${container} did not run before`;
}
