/** The settings of a server that is restored: when they are written, and starting it with them. */
import { setTimeout as delay } from 'node:timers/promises';
import type { PostgresSource } from '../../src/format/config/sources.js';
import {
  containerLogsTail,
  inspectContainer,
  startContainer,
  stopContainer,
} from '../../src/docker/containers/containers.js';
import type { Engine } from '../../src/docker/engine/engine.js';
import { HoldfastError, isHoldfastError } from '../../src/base/errors.js';
import {
  writeAtEnd,
  writeForLoad,
  type SettingsPlan,
} from '../../src/postgres/settings/apply-settings.js';
import type { LoginRoute } from '../../src/postgres/client/ready.js';
import { openSettings } from '../../src/postgres/settings/save-settings.js';
import type { Work } from '../../src/base/progress.js';
import type { PostgresInfo } from '../../src/format/manifest.js';
import { readyServer } from './database-server.js';

export interface SettingsTarget {
  readonly engine: Engine;
  readonly source: PostgresSource;
  /** How long the server may take to stop, in milliseconds. */
  readonly graceMs: number;
  readonly drill: boolean;
}

export interface SettingsForLoad {
  readonly route: LoginRoute;
  /** Absent where there is nothing to be done at the end. */
  readonly plan?: SettingsPlan;
}

/**
 * Gives a new server what the load needs of the settings of a dump, and starts it with them.
 * @returns the way into it from then on
 * @throws HoldfastError RESTORE_FAILED naming what the server says when it does not start
 */
export async function settingsForLoad(
  target: SettingsTarget,
  route: LoginRoute,
  {
    directory,
    settings,
  }: { readonly directory: string; readonly settings: PostgresInfo['settings'] },
  work: Work,
): Promise<SettingsForLoad> {
  if (settings === undefined) return { route };
  const { engine, source, drill } = target;
  const files = await openSettings(directory, settings, work.signal);
  const { mounts } = await inspectContainer(engine, source.container);
  const mounted = mounts.map(({ destination }) => destination);
  const plan = await writeForLoad(
    route,
    { info: settings, files },
    { mounted, drill },
    work.signal,
  );
  if (plan === undefined) return { route };
  const next = plan.restartForLoad ? await startedAnew(target, work) : route;
  return { route: next, plan };
}

/**
 * Puts the settings in force as they were, with everything loaded. A drill's server keeps those of the
 * load: what acts on the world outside is none of its business.
 * @returns what is not as it was, and what a person should look at
 */
export async function settingsAtEnd(
  target: SettingsTarget,
  route: LoginRoute,
  plan: SettingsPlan | undefined,
  work: Work,
): Promise<string[]> {
  if (plan === undefined) return [];
  if (target.drill) return [...plan.told];
  const told = await writeAtEnd(route, plan, work.signal);
  if (plan.restartAtEnd) await startedAnew(target, work);
  else await orNobody(readyServer(target.engine, target.source, work));
  return [...plan.told, ...told];
}

async function startedAnew(target: SettingsTarget, work: Work): Promise<LoginRoute> {
  const { engine, source, graceMs } = target;
  await stopContainer(engine, source.container, graceMs);
  await startContainer(engine, source.container);
  return readyWith(target, work);
}

const LOOK_MS = 1_000;
const HINT =
  'restore without them (--without-server-settings), or with an image and a host that have what they need';

/** Waits for the server, but not for one that has ended: it would end again. */
async function readyWith(target: SettingsTarget, work: Work): Promise<LoginRoute> {
  const { engine, source } = target;
  const over = new AbortController();
  const ended = watchEnd(target, AbortSignal.any([work.signal, over.signal]));
  const signal = AbortSignal.any([work.signal, over.signal]);
  const ready = readyServer(engine, source, { ...work, signal });
  try {
    return await orNobody(Promise.race([ready, ended]));
  } finally {
    over.abort();
    await Promise.allSettled([ready, ended]);
  }
}

async function orNobody<T>(login: Promise<T>): Promise<T> {
  try {
    return await login;
  } catch (error) {
    if (!isHoldfastError(error) || error.code !== 'LOGIN_REFUSED') throw error;
    throw new HoldfastError(
      'RESTORE_FAILED',
      `nobody gets in with the settings of the backup: ${error.message}`,
      { facts: error.facts, hint: HINT, cause: error },
    );
  }
}

async function watchEnd(target: SettingsTarget, signal: AbortSignal): Promise<never> {
  const { engine, source } = target;
  for (;;) {
    await delay(LOOK_MS, undefined, { signal });
    const { state, restartCount, exitCode } = await inspectContainer(engine, source.container);
    if (state === 'running' && restartCount === 0) continue;
    const log = await containerLogsTail(engine, source.container).catch(() => '');
    const said = log.split('\n').filter((line) => /(FATAL|PANIC|ERROR|HINT):/.test(line));
    throw new HoldfastError(
      'RESTORE_FAILED',
      `the server does not start with the settings of the backup: ${said.slice(-3).join(' | ') || `exit code ${exitCode}`}`,
      { facts: { container: source.container, exitCode, log: log.slice(-1500) }, hint: HINT },
    );
  }
}
