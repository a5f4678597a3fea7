/** From snapshots of a run to rows with speed and time. Deterministic: the clock is an argument. */
import type { StepView } from '../../plan/shared/inputs.js';
import type { ActivitySnapshot, RunSnapshot } from '../host/ports.js';
import { RateEstimator } from './rate.js';

/** How far the work behind a row is; absent where nothing was told yet. */
export interface RowProgress {
  readonly phase: string;
  readonly bytes: number;
  /** 0 where it is not known. */
  readonly totalBytes: number;
  readonly entries: number;
  readonly bytesPerSecond: number | undefined;
  readonly remainingMs: number | undefined;
}

export interface StepRow {
  readonly service: string;
  readonly step: string;
  readonly state: StepView['state'];
  readonly detail: string | undefined;
  readonly elapsedMs: number | undefined;
  readonly progress: RowProgress | undefined;
  /** Set when this is not the first try. */
  readonly retry: { readonly attempt: number; readonly reason: string | undefined } | undefined;
}

/** A run at one moment. */
export interface RunPicture {
  readonly phase: string;
  readonly waitingFor: string | undefined;
  readonly rows: readonly StepRow[];
  readonly elapsedMs: number;
  /** Has a worker answered yet? */
  readonly answered: boolean;
}

interface Tracked {
  readonly rate: RateEstimator;
  phase: string;
  startedMs: number | undefined;
  endedMs: number | undefined;
}

export class ProgressTracker {
  readonly #tracked = new Map<string, Tracked>();
  #view: NonNullable<RunSnapshot['view']> | undefined;
  #activities: readonly ActivitySnapshot[] = [];

  constructor(readonly startedMs: number) {}

  /** Takes a snapshot. One without a view (no worker answers now) keeps the steps known so far. */
  update(snapshot: RunSnapshot, nowMs: number): void {
    if (snapshot.view !== undefined) this.#view = snapshot.view;
    const steps = this.#view?.steps ?? [];
    this.#activities = snapshot.activities
      .flatMap(nameable)
      .map((activity) => ({ ...activity, source: stepOf(activity, steps) }));
    for (const activity of this.#activities) this.#observe(activity, nowMs);
    for (const step of steps) this.#time(step, nowMs);
  }

  /**
   * After the end of a run. Steps that are still open were done in a run that succeeded, and in one that
   * failed were not finished where its last word is known. Where it is not (`unknown`), what had begun
   * is left as it was last seen: it may well have been done.
   */
  close(open: 'done' | 'unfinished' | 'unknown', nowMs: number): void {
    this.#activities = [];
    if (this.#view === undefined) return;
    const steps = this.#view.steps.map((step): StepView => {
      if (step.state !== 'pending' && step.state !== 'running') return step;
      if (open === 'done') return { ...step, state: 'done' };
      const begun = step.state === 'running' || this.#tracked.has(keyOf(step.service, step.step));
      if (!begun) return { ...step, state: 'skipped', detail: 'not begun' };
      return open === 'unknown' ? step : { ...step, state: 'skipped', detail: 'not finished' };
    });
    this.#view = { phase: open === 'done' ? 'done' : this.#view.phase, steps };
    for (const step of steps) this.#time(step, nowMs);
  }

  picture(nowMs: number): RunPicture {
    const view = this.#view;
    const steps = [...(view?.steps ?? []), ...this.#unlisted()];
    return {
      phase: view?.phase ?? 'starting',
      waitingFor: view?.waitingFor,
      rows: steps.map((step) => this.#row(step, nowMs)),
      elapsedMs: nowMs - this.startedMs,
      answered: view !== undefined,
    };
  }

  #row(step: StepView, nowMs: number): StepRow {
    const tracked = this.#tracked.get(keyOf(step.service, step.step));
    const activity = this.#activityOf(step);
    // A parent that waits for its child has not heard yet that the child began.
    const begun = activity !== undefined || tracked?.startedMs !== undefined;
    const state = step.state === 'pending' && begun ? 'running' : step.state;
    const startedMs = tracked?.startedMs;
    return {
      service: step.service,
      step: step.step,
      state,
      detail: step.detail,
      elapsedMs: startedMs === undefined ? undefined : (tracked?.endedMs ?? nowMs) - startedMs,
      progress:
        state === 'running' && activity !== undefined && tracked !== undefined
          ? progressOf(activity, tracked, nowMs)
          : undefined,
      retry:
        activity !== undefined && activity.attempt > 1
          ? { attempt: activity.attempt, reason: activity.lastFailure }
          : undefined,
    };
  }

  #activityOf(step: StepView): ActivitySnapshot | undefined {
    return this.#activities.find(
      ({ service, source }) => service === step.service && source === step.step,
    );
  }

  /** Work that no step of the view stands for, such as a child's own step. */
  #unlisted(): StepView[] {
    const listed = new Set(
      (this.#view?.steps ?? []).map(({ service, step }) => keyOf(service, step)),
    );
    return this.#activities
      .filter(({ service, source }) => !listed.has(keyOf(service, source)))
      .map(({ service, source }) => ({ service, step: source, state: 'running' }));
  }

  #observe(activity: ActivitySnapshot, nowMs: number): void {
    const key = keyOf(activity.service, activity.source);
    let tracked = this.#tracked.get(key);
    if (tracked === undefined || tracked.phase !== activity.phase) {
      tracked = {
        rate: new RateEstimator(),
        phase: activity.phase,
        startedMs: tracked?.startedMs ?? nowMs,
        endedMs: undefined,
      };
      this.#tracked.set(key, tracked);
    }
    tracked.rate.observe(activity.bytes, nowMs);
  }

  #time(step: StepView, nowMs: number): void {
    const key = keyOf(step.service, step.step);
    const tracked = this.#tracked.get(key);
    switch (step.state) {
      case 'pending':
        return;
      case 'running':
        if (tracked === undefined) {
          this.#tracked.set(key, {
            rate: new RateEstimator(),
            phase: '',
            startedMs: nowMs,
            endedMs: undefined,
          });
        }
        return;
      case 'done':
      case 'failed':
      case 'skipped':
        // A step that was over before we looked took a time we do not know.
        if (tracked !== undefined) tracked.endedMs ??= nowMs;
    }
  }
}

/** Work that told nothing about itself goes by its type, and only when it is in trouble. */
function nameable(activity: ActivitySnapshot): ActivitySnapshot[] {
  if (activity.service !== '' || activity.source !== '') return [activity];
  return activity.attempt > 1 ? [{ ...activity, source: activity.activityType }] : [];
}

/** The step an activity works for: its source's own, or a running one such as `check <source>`. */
function stepOf({ service, source }: ActivitySnapshot, steps: readonly StepView[]): string {
  const running = steps.find(
    (one) =>
      one.service === service &&
      one.state === 'running' &&
      (one.step === source || one.step.endsWith(` ${source}`)),
  );
  return running?.step ?? source;
}

function progressOf(activity: ActivitySnapshot, tracked: Tracked, nowMs: number): RowProgress {
  return {
    phase: activity.phase,
    bytes: activity.bytes,
    totalBytes: activity.totalBytes,
    entries: activity.entries,
    bytesPerSecond: tracked.rate.bytesPerSecond,
    remainingMs: tracked.rate.remainingMs(activity.totalBytes, nowMs),
  };
}

function keyOf(service: string, step: string): string {
  return `${service}\u0000${step}`;
}
