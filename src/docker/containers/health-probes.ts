/** One look at a service, for each type of health check. */
import { connect } from 'node:net';
import type { HealthCheck } from '../../format/config/health-checks.js';
import { isNativeError } from 'node:util/types';
import { assertNever, messageOf, systemCodeOf } from '../../base/errors.js';
import { findContainer, listContainers } from './containers.js';
import type { ContainerInfo } from './containers.js';
import type { Engine } from '../engine/engine.js';
import { findEndpoint, foundNoServer, type Endpoint } from '../engine/postgres-endpoint.js';
import { execCapture, type ExecResult } from '../engine/exec.js';

export interface GateContext {
  /** Needed by checks of type `containers`. */
  readonly composeProject?: string;
  /** Names of those of its containers that must run; all of them by default. */
  readonly demanded?: readonly string[];
}

export interface ProbeResult {
  readonly ok: boolean;
  /** What was seen, in words. */
  readonly detail: string;
  /** What answered: passes count together only while it is the same. */
  readonly identity?: string;
  /** Passes in a row that are enough; 2 by default. */
  readonly passesNeeded?: number;
  /** It will never pass. */
  readonly impossible?: boolean;
}

/** Looks once; may also throw, which is a "not yet". `leftMs` is what remains of the gate's time. */
export type Probe = (signal: AbortSignal, leftMs: number) => Promise<ProbeResult>;

/** One request, connection or query; a service that takes longer is not healthy. */
const PROBE_LIMIT_MS = 10_000;
const BODY_LIMIT_BYTES = 1024 * 1024;
/** Without a health check of its own, a container must simply stay up this many polls. */
const PASSES_WITHOUT_HEALTH_CHECK = 4;
/** psql's field separator: a character that is in nobody's data. */
const FIELD_SEPARATOR = '\u001f';

export function probeFor(engine: Engine, check: HealthCheck, context: GateContext): Probe {
  switch (check.type) {
    case 'containers':
      return () => projectProbe(engine, context);
    case 'container':
      return () => containerProbe(engine, check.container);
    case 'http':
      return (signal, leftMs) => httpProbe(check, signal, limit(leftMs));
    case 'tcp':
      return (signal, leftMs) => tcpProbe(check.host, check.port, signal, limit(leftMs));
    case 'sql':
      return (signal, leftMs) => sqlProbe(engine, check, signal, limit(leftMs));
    case 'command':
      return (signal, leftMs) => commandProbe(engine, check, signal, leftMs);
    default:
      return assertNever(check);
  }
}

async function projectProbe(
  engine: Engine,
  { composeProject: project, demanded }: GateContext,
): Promise<ProbeResult> {
  if (project === undefined) {
    return { ok: false, impossible: true, detail: 'the service has no compose project' };
  }
  const all = await listContainers(engine, { composeProject: project });
  const containers = all.filter((one) => !/^true$/i.test(one.labels[ONE_OFF_LABEL] ?? ''));
  if (demanded !== undefined) {
    const missing = demanded.filter((name) => !all.some((one) => one.name === name));
    if (missing.length > 0)
      return { ok: false, detail: `there is no container ${missing.join(', ')}` };
    const wanted = all.filter(({ name }) => demanded.includes(name));
    if (wanted.length === 0) return { ok: true, detail: 'nothing of it is to run' };
    return containersResult(wanted, jobsOf(containers));
  }
  if (containers.length === 0) {
    return { ok: false, detail: `project ${project} has no containers` };
  }
  return containersResult(containers, jobsOf(containers));
}

async function containerProbe(engine: Engine, name: string): Promise<ProbeResult> {
  const container = await findContainer(engine, name);
  if (container === undefined) return { ok: false, detail: `there is no container ${name}` };
  return containersResult([container], new Set());
}

const ONE_OFF_LABEL = 'com.docker.compose.oneoff';
const DEPENDS_ON_LABEL = 'com.docker.compose.depends_on';

/** Services that others wait for to end well (`service_completed_successfully`): they need not run. */
function jobsOf(containers: readonly ContainerInfo[]): ReadonlySet<string> {
  const jobs = new Set<string>();
  for (const container of containers) {
    for (const dependency of (container.labels[DEPENDS_ON_LABEL] ?? '').split(',')) {
      const [service, condition] = dependency.split(':');
      if (service !== undefined && condition === 'service_completed_successfully')
        jobs.add(service);
    }
  }
  return jobs;
}

/** All of them run, and are healthy where they can tell. Pure. */
export function containersResult(
  containers: readonly ContainerInfo[],
  jobs: ReadonlySet<string>,
): ProbeResult {
  const needed = containers.filter(
    (one) => !(one.state === 'exited' && one.exitCode === 0 && jobs.has(one.composeService ?? '')),
  );
  const bad = needed.filter(
    (one) => one.state !== 'running' || (one.health !== 'none' && one.health !== 'healthy'),
  );
  const shown = bad.length > 0 ? bad : needed;
  return {
    ok: bad.length === 0,
    detail: shown.map(describeContainer).join('; ') || 'all jobs are done',
    identity: needed.map((one) => `${one.id} ${one.startedAt} ${one.restartCount}`).join('\n'),
    passesNeeded: needed.some((one) => one.health === 'none') ? PASSES_WITHOUT_HEALTH_CHECK : 2,
  };
}

function describeContainer(container: ContainerInfo): string {
  const { name, state, health, exitCode, healthLog, restartCount } = container;
  const parts = [
    `${name} is ${state}`,
    ...(state === 'exited' || state === 'restarting' ? [`exit code ${exitCode}`] : []),
    ...(restartCount > 0 ? [`restarted ${restartCount} times`] : []),
    ...(health === 'none' ? [] : [health]),
    ...(health === 'unhealthy' || health === 'starting' ? [healthLog.slice(-300)] : []),
  ];
  return parts.filter((part) => part !== '').join(', ');
}

async function httpProbe(
  check: Extract<HealthCheck, { type: 'http' }>,
  signal: AbortSignal,
  limitMs: number,
): Promise<ProbeResult> {
  const response = await fetch(check.url, {
    // The status asked for is that of this address, not of where it sends us.
    redirect: 'manual',
    headers: { 'user-agent': 'holdfast-health' },
    signal: AbortSignal.any([signal, AbortSignal.timeout(limitMs)]),
  }).catch((error: unknown) => {
    throw describeFetchError(error, limitMs);
  });
  const body = await readBody(response);
  const shown = `HTTP ${response.status}${body && `: ${body.trim().slice(0, 300)}`}`;
  if (response.status !== check.status) return { ok: false, detail: shown };
  if (check.contains !== undefined && !body.includes(check.contains)) {
    return { ok: false, detail: `no ${JSON.stringify(check.contains)} in ${shown}` };
  }
  return { ok: true, detail: `HTTP ${response.status}` };
}

async function readBody(response: Response): Promise<string> {
  const decoder = new TextDecoder();
  let body = '';
  let size = 0;
  for await (const chunk of response.body ?? []) {
    if (!(chunk instanceof Uint8Array)) continue;
    size += chunk.length;
    body += decoder.decode(chunk, { stream: true });
    if (size > BODY_LIMIT_BYTES) break;
  }
  return body;
}

/** undici hides the reason ("fetch failed") in the cause. */
function describeFetchError(error: unknown, limitMs: number): Error {
  if (!isNativeError(error) && !(error instanceof DOMException)) return new Error(messageOf(error));
  if (error.name === 'TimeoutError') return new Error(`no answer within ${limitMs} ms`);
  const { cause } = error;
  return cause === undefined ? error : new Error(systemCodeOf(cause) ?? messageOf(cause));
}

function tcpProbe(
  host: string,
  port: number,
  signal: AbortSignal,
  limitMs: number,
): Promise<ProbeResult> {
  return new Promise((resolve) => {
    const socket = connect({ host, port, signal });
    const settle = (ok: boolean, detail: string): void => {
      socket.destroy();
      resolve({ ok, detail });
    };
    socket.setTimeout(limitMs, () => settle(false, `no answer within ${limitMs} ms`));
    socket.once('connect', () => settle(true, `${host}:${port} accepts connections`));
    socket.on('error', (error) => settle(false, error.message || `${host}:${port} refuses`));
  });
}

async function sqlProbe(
  engine: Engine,
  check: Extract<HealthCheck, { type: 'sql' }>,
  signal: AbortSignal,
  limitMs: number,
): Promise<ProbeResult> {
  const ask = (endpoint: Endpoint): Promise<ExecResult> =>
    execCapture(engine, {
      container: check.container,
      argv: [
        ...['psql', '-XAtq', '-v', 'ON_ERROR_STOP=1', '-F', FIELD_SEPARATOR],
        ...['-U', check.user, '-d', check.database],
        // The server that answers now must be the one that answered before, not one between restarts.
        ...['-c', 'SELECT pg_postmaster_start_time()', '-c', check.query],
      ],
      env: { LC_ALL: 'C', PGCONNECT_TIMEOUT: '5', ...endpoint },
      signal,
      timeoutMs: limitMs,
      killGraceMs: 1_000,
      tag: 'health',
    });
  let { stdout, stderr, exitCode } = await ask({});
  if (exitCode !== 0 && foundNoServer(stderr)) {
    const endpoint = await findEndpoint(engine, check.container, signal);
    if (endpoint !== undefined) ({ stdout, stderr, exitCode } = await ask(endpoint));
  }
  if (exitCode !== 0) return { ok: false, detail: stderr.trim() || `psql: exit code ${exitCode}` };
  const [serverStart = '', firstRow = ''] = stdout.split('\n');
  const actual = firstRow.split(FIELD_SEPARATOR)[0] ?? '';
  if (check.expect !== undefined && actual !== check.expect) {
    return {
      ok: false,
      detail: `the query gave ${JSON.stringify(actual)}, not ${JSON.stringify(check.expect)}`,
    };
  }
  return { ok: true, detail: `the query gave ${JSON.stringify(actual)}`, identity: serverStart };
}

async function commandProbe(
  engine: Engine,
  check: Extract<HealthCheck, { type: 'command' }>,
  signal: AbortSignal,
  leftMs: number,
): Promise<ProbeResult> {
  const { stdout, stderr, exitCode } = await execCapture(engine, {
    container: check.container,
    argv: check.command,
    signal,
    timeoutMs: leftMs,
    killGraceMs: 1_000,
    tag: 'health',
  });
  const output = [stdout, stderr].join('\n').trim().slice(-500);
  return {
    ok: exitCode === 0,
    detail: `exit code ${exitCode}${output && `: ${output}`}`,
  };
}

function limit(leftMs: number): number {
  return Math.min(leftMs, PROBE_LIMIT_MS);
}
