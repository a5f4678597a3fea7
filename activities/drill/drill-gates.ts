/** Health gates of a drilled service, asked behind the ports that it does not publish. */
import type { HealthCheck } from '../../src/format/config/health-checks.js';
import { listContainers } from '../../src/docker/containers/containers.js';
import { portBehind, type PublishedPort } from '../../src/docker/drill/drill-ports.js';
import { whyNotAsked } from '../../src/docker/containers/health-asked.js';
import { describeCheck, waitForGate } from '../../src/docker/containers/health.js';
import { containerAddresses } from '../../src/docker/engine/networks.js';
import { HoldfastError, isHoldfastError } from '../../src/base/errors.js';
import type { NotTried } from '../../src/format/drill-result.js';
import type { Work } from '../../src/base/progress.js';
import { readAskedToRun } from '../../src/store/records/restore-running.js';
import { gatesOf, type ServiceReference } from '../shared/containers.js';
import { projectOf, serviceOf, type ActivityDependencies } from '../shared/runtime.js';
import { type Adapted, type GateOutcome, drillOf, readAdapted } from './adapted-service.js';

export async function passGates(
  dependencies: ActivityDependencies,
  { restoreId, service: name }: ServiceReference,
  work: Work,
): Promise<GateOutcome> {
  const { engine, runLog } = dependencies;
  const { workspace, mapped } = await drillOf(dependencies, restoreId);
  const service = serviceOf(mapped, name);
  const adapted = await readAdapted(workspace);
  const began = Date.now();
  // What ran when the backup was made, and no more, has to be healthy.
  const asked = await readAskedToRun(dependencies.config.backups.root, restoreId, name);
  const checks: string[] = [];
  const notTried: NotTried[] = [];
  for (const check of gatesOf(service)) {
    const what = `gate ${describeCheck(check)}`;
    const behind = await checkBehind(dependencies, check, name, adapted);
    if ('reason' in behind) {
      notTried.push({ service: name, what, reason: behind.reason });
      continue;
    }
    const composeProject = projectOf(name, service);
    const why = await whyNotAsked(engine, behind.check, composeProject, asked);
    if (why !== undefined) {
      notTried.push({ service: name, what, reason: why });
      continue;
    }
    const context = {
      ...(composeProject === undefined ? {} : { composeProject }),
      ...(asked === undefined ? {} : { demanded: asked.demanded }),
    };
    const { detail } = await waitForGate(engine, behind.check, context, work).catch(
      (error: unknown) => {
        throw asConfigured(error, check, behind.check);
      },
    );
    checks.push(`${describeCheck(check)}: ${detail}`);
  }
  await runLog.write(`${name} is healthy in the drill`);
  return { waitedMs: Date.now() - began, checks, notTried };
}

/** A gate's failure under the address the person knows. */
function asConfigured(error: unknown, check: HealthCheck, asked: HealthCheck): unknown {
  const [known, used] = [describeCheck(check), describeCheck(asked)];
  if (!isHoldfastError(error) || known === used) return error;
  const message = error.message.replace(used, known);
  return new HoldfastError(error.code, message, { facts: { ...error.facts, asked: used } });
}

/** The same check, asked of the drill's container; or why it can't be asked there. */
async function checkBehind(
  dependencies: ActivityDependencies,
  check: HealthCheck,
  service: string,
  adapted: ReadonlyMap<string, Adapted>,
): Promise<{ readonly check: HealthCheck } | { readonly reason: string }> {
  switch (check.type) {
    case 'containers':
    case 'container':
    case 'sql':
    case 'command':
      return { check };
    case 'tcp': {
      const place = await placeBehind(dependencies, check.port, service, adapted);
      return 'reason' in place ? place : { check: { ...check, ...place } };
    }
    case 'http': {
      const url = new URL(check.url);
      const port = url.port === '' ? (url.protocol === 'https:' ? 443 : 80) : Number(url.port);
      const place = await placeBehind(dependencies, port, service, adapted);
      if ('reason' in place) return place;
      url.hostname = place.host;
      url.port = String(place.port);
      return { check: { ...check, url: url.href } };
    }
  }
}

/** The service's own ports first: two services may publish the same one on different addresses. */
async function placeBehind(
  { engine }: ActivityDependencies,
  port: number,
  service: string,
  adapted: ReadonlyMap<string, Adapted>,
): Promise<{ readonly host: string; readonly port: number } | { readonly reason: string }> {
  const own = adapted.get(service);
  const candidates = [...(own === undefined ? [] : [own]), ...adapted.values()];
  const found = candidates
    .map((project) => ({ project, behind: portBehind(port, project.ports) }))
    .find((one): one is { project: Adapted; behind: PublishedPort } => one.behind !== undefined);
  if (found === undefined) {
    return { reason: `no service of the drill publishes port ${port}: it leads elsewhere` };
  }
  const { project, behind } = found;
  const left = project.notStarted.find((one) => one.service === behind.service);
  if (left !== undefined) return { reason: `${left.service} is not started: ${left.reason}` };
  const containers = await listContainers(engine, { composeProject: project.project });
  const container = containers.find((one) => one.composeService === behind.service);
  const [address] = container === undefined ? [] : await containerAddresses(engine, container.id);
  if (address === undefined) {
    throw new HoldfastError(
      'HEALTH_GATE_FAILED',
      `${behind.service} does not run${container === undefined ? '' : `: ${container.state}, exit code ${container.exitCode}`}`,
    );
  }
  return { host: address, port: behind.target };
}
