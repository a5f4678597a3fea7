import type { Reporter, RunTitle } from './reporter-contract.js';
import type { RunPicture, StepRow } from './tracker.js';

export type Emit = (event: { readonly type: string } & Readonly<Record<string, unknown>>) => void;

export class JsonReporter implements Reporter {
  readonly #steps = new Map<string, string>();
  readonly #progress = new Map<string, string>();
  #phase = '';

  constructor(readonly emit: Emit) {}

  begin(run: RunTitle): void {
    this.emit({ type: 'started', workflowId: run.workflowId, title: run.title });
  }

  show(picture: RunPicture): void {
    const { phase, waitingFor } = picture;
    const phaseSeen = JSON.stringify([phase, waitingFor]);
    if (this.#phase !== phaseSeen) {
      this.#phase = phaseSeen;
      this.emit({
        type: 'phase',
        phase,
        ...(waitingFor === undefined ? {} : { waitingFor }),
        elapsedMs: picture.elapsedMs,
      });
    }
    for (const row of picture.rows) this.#row(row);
  }

  note(text: string): void {
    this.emit({ type: 'note', text });
  }

  pause(): void {
    // Nobody is asked.
  }

  resume(): void {
    // Nobody was asked.
  }

  end(picture: RunPicture): void {
    this.show(picture);
  }

  #row(row: StepRow): void {
    const { service, step, state, detail, elapsedMs, progress, retry } = row;
    const key = `${service}\u0000${step}`;
    const stepSeen = JSON.stringify([state, detail, retry]);
    if (this.#steps.get(key) !== stepSeen) {
      this.#steps.set(key, stepSeen);
      this.emit({
        type: 'step',
        service,
        step,
        state,
        ...(detail === undefined ? {} : { detail }),
        ...(elapsedMs === undefined ? {} : { elapsedMs }),
        ...(retry === undefined ? {} : { attempt: retry.attempt, lastFailure: retry.reason }),
      });
    }
    if (progress === undefined) return;
    const { bytesPerSecond, remainingMs, ...counts } = progress;
    const progressSeen = JSON.stringify(counts);
    if (this.#progress.get(key) === progressSeen) return;
    this.#progress.set(key, progressSeen);
    this.emit({
      type: 'progress',
      service,
      step,
      ...counts,
      ...(bytesPerSecond === undefined ? {} : { bytesPerSecond: Math.round(bytesPerSecond) }),
      ...(remainingMs === undefined ? {} : { remainingMs: Math.round(remainingMs) }),
    });
  }
}
