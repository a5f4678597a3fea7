/**
 * Health gates: a service must pass its check before what comes after it starts.
 *
 * A service that is starting often answers once and then restarts (PostgreSQL's first start, a
 * crash loop between two crashes), so one good answer proves nothing: a check must pass twice in a
 * row, and containers must stay the same ones in between.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { HealthCheck } from '../../format/config/health-checks.js';
import { HoldfastError, messageOf } from '../../base/errors.js';
import type { Work } from '../../base/progress.js';
import type { Engine } from '../engine/engine.js';
import type { GateContext, Probe, ProbeResult } from './health-probes.js';
import { probeFor } from './health-probes.js';

export type { GateContext } from './health-probes.js';

const POLL_MS = 1_000;
const LONGEST_DETAIL = 2_000;

export interface GateResult {
  readonly waitedMs: number;
  /** What the check saw when it passed, in words. */
  readonly detail: string;
}

/**
 * Waits until a check passes, twice in a row about a second apart.
 * @throws HoldfastError HEALTH_GATE_FAILED after the check's timeout, or at once where it can never
 *   pass (facts: check, lastOutput, waitedMs); the signal's reason.
 */
export async function waitForGate(
  engine: Engine,
  check: HealthCheck,
  context: GateContext,
  work: Work,
): Promise<GateResult> {
  const startedAt = Date.now();
  const waited = (): number => Date.now() - startedAt;
  const probe = probeFor(engine, check, context);
  let last: ProbeResult = { ok: false, detail: 'not looked at yet' };
  let streak = 0;
  for (let attempt = 1; ; attempt += 1) {
    work.signal.throwIfAborted();
    work.report({ phase: 'health', bytes: 0, entries: attempt, totalBytes: 0 });
    const before = last;
    last = await attemptOf(probe, work.signal, check.timeout - waited());
    work.signal.throwIfAborted();
    if (last.impossible === true) throw gateFailed(check, last.detail, waited(), 'cannot pass');
    // A different identity means that what answered is not what answered before.
    const same = before.ok && before.identity === last.identity;
    streak = last.ok ? (same ? streak + 1 : 1) : 0;
    if (streak >= (last.passesNeeded ?? 2)) return { waitedMs: waited(), detail: last.detail };
    if (waited() + POLL_MS > check.timeout) {
      throw gateFailed(check, last.detail, waited(), 'was not healthy in time');
    }
    await delay(POLL_MS, undefined, { signal: work.signal }).catch(() => undefined);
  }
}

/** What a check is, in a few words: `http http://localhost:3000/api/health`. */
export function describeCheck(check: HealthCheck): string {
  switch (check.type) {
    case 'containers':
      return 'all containers';
    case 'container':
      return `container ${check.container}`;
    case 'http':
      return `http ${withoutSecrets(check.url)}`;
    case 'tcp':
      return `tcp ${check.host}:${check.port}`;
    case 'sql':
      return `sql in ${check.container}: ${check.query}`;
    case 'command':
      return `command in ${check.container}: ${check.command[0] ?? ''}`;
  }
}

async function attemptOf(probe: Probe, signal: AbortSignal, leftMs: number): Promise<ProbeResult> {
  try {
    return await probe(signal, Math.max(leftMs, POLL_MS));
  } catch (error) {
    // Whatever goes wrong now may be over in a second: a container not made yet, a refused connection.
    return { ok: false, detail: messageOf(error) };
  }
}

function gateFailed(
  check: HealthCheck,
  lastOutput: string,
  waitedMs: number,
  how: string,
): HoldfastError {
  const name = describeCheck(check);
  const output = lastOutput.trim().slice(-LONGEST_DETAIL);
  return new HoldfastError('HEALTH_GATE_FAILED', `${name} ${how}: ${output}`, {
    facts: { check: name, type: check.type, lastOutput: output, waitedMs },
    hint: 'look at the logs of its containers; a slow starter needs a longer timeout in its health check',
  });
}

function withoutSecrets(url: string): string {
  const parsed = new URL(url);
  return `${parsed.protocol}//${parsed.host}${parsed.pathname}`;
}
