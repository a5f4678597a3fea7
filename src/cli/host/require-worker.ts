/** A run that nobody takes would wait without a word: whoever starts one asks first whether somebody does. */
import os from 'node:os';
import { setTimeout as delay } from 'node:timers/promises';
import type { Config } from '../../format/config/schema.js';
import { HoldfastError, systemCodeOf } from '../../base/errors.js';
import { stackQueue } from '../../plan/shared/ids.js';
import {
  workerPresence,
  type Pollers,
  type WorkerPresence,
} from '../../plan/shared/worker-presence.js';
import type { CliContext } from './context.js';
import type { RunGateway } from './ports.js';

/** For a worker that has just been started. */
const STARTING_MS = 5_000;
const AGAIN_MS = 250;

/** What is asked about: a stack, and the host that does the work where that is known. */
export interface WorkerWanted {
  readonly stack: string;
  readonly host?: string | undefined;
}

/** @throws HoldfastError NO_WORKER when nobody takes the stack's runs, nor begins to within seconds */
export async function requireWorker(
  context: CliContext,
  gateway: RunGateway,
  wanted: WorkerWanted,
): Promise<void> {
  const giveUpMs = Date.now() + STARTING_MS;
  for (;;) {
    const presence = await look(context, gateway, wanted);
    if (presence === 'there') return;
    if (Date.now() > giveUpMs) throw await noWorker(context, gateway, wanted, presence);
    await delay(AGAIN_MS);
  }
}

async function look(
  context: CliContext,
  gateway: RunGateway,
  { stack, host }: WorkerWanted,
): Promise<WorkerPresence> {
  let pollers: Pollers;
  try {
    pollers = await gateway.pollers(stack, host);
  } catch {
    // Who may start runs need not be allowed to see queues: the run itself will tell.
    return 'there';
  }
  const presence = workerPresence(pollers, Date.now(), () => false);
  if (presence !== 'there') return presence;
  const without = workerPresence(pollers, Date.now(), hasEnded);
  // Process ids of a container are not ours: only where no worker of the store lives are they believed.
  if (without === 'there' || (await runsHere(context, await context.loadConfig()))) return 'there';
  return without;
}

/** A process of this machine that is no more. */
function hasEnded(identity: string): boolean {
  const [, hostName, pid] = /^[^/]*\/([^/]*)\/(\d+)$/.exec(identity) ?? [];
  if (hostName !== os.hostname() || pid === undefined) return false;
  try {
    process.kill(Number(pid), 0);
    return false;
  } catch (error) {
    return systemCodeOf(error) === 'ESRCH';
  }
}

async function runsHere(context: CliContext, config: Config): Promise<boolean> {
  try {
    return await context.ports.workerRuns(config);
  } catch {
    return true;
  }
}

async function noWorker(
  context: CliContext,
  gateway: RunGateway,
  { stack, host }: WorkerWanted,
  presence: Exclude<WorkerPresence, 'there'>,
): Promise<HoldfastError> {
  const facts = {
    ...{ address: gateway.address, taskQueue: stackQueue(stack) },
    ...(host === undefined ? {} : { host }),
  };
  if (presence === 'not-on-host') {
    return new HoldfastError(
      'NO_WORKER',
      `no worker does the work on host ${host ?? ''}, though one takes the runs of ${stack}`,
      { hint: 'start the worker there with `holdfast up` or `holdfast worker`', facts },
    );
  }
  const config = await context.loadConfig();
  // It holds its lock from its first moment, and asks for work when it has put in order what dead runs left.
  if (await context.ports.workerRuns(config).catch(() => false)) {
    return new HoldfastError('NO_WORKER', `the worker of ${stack} on this host is not ready yet`, {
      hint: 'it is starting (what dead runs left is put in order first), or is connected to another Temporal',
      facts,
    });
  }
  return new HoldfastError(
    'NO_WORKER',
    `no worker takes the runs of ${stack} from the Temporal at ${gateway.address}`,
    { hint: 'start one with `holdfast up` or `holdfast worker`; nothing was started', facts },
  );
}
