/** A run's story: answered to the `status` query and shown in Temporal's UI as current details. */
import { setCurrentDetails, setHandler } from '@temporalio/workflow';
import type { RunView, StepView } from '../../src/plan/shared/inputs.js';
import { statusQuery } from './messages.js';

const MARK: Record<StepView['state'], string> = {
  pending: '·',
  running: '▶',
  done: '✔',
  failed: '✖',
  skipped: '–',
};

export class Story {
  #phase = 'starting';
  #waitingFor: string | undefined;
  readonly #steps: StepView[] = [];

  constructor(readonly title: string) {
    setHandler(statusQuery, () => this.view());
    this.#show();
  }

  view(): RunView {
    return {
      phase: this.#phase,
      ...(this.#waitingFor === undefined ? {} : { waitingFor: this.#waitingFor }),
      steps: this.#steps,
    };
  }

  phase(name: string): void {
    this.#phase = name;
    this.#waitingFor = undefined;
    this.#show();
  }

  waitFor(workflowId: string): void {
    this.#phase = 'waiting';
    this.#waitingFor = workflowId;
    this.#show();
  }

  /** Adds a step or changes the one of that service and name. */
  step(service: string, step: string, state: StepView['state'], detail?: string): void {
    const next: StepView = { service, step, state, ...(detail === undefined ? {} : { detail }) };
    const at = this.#steps.findIndex((one) => one.service === service && one.step === step);
    if (at === -1) this.#steps.push(next);
    else this.#steps[at] = next;
    this.#show();
  }

  /** Runs the work as a step: running, then done with its detail, or failed with the reason. */
  async during<T>(
    service: string,
    step: string,
    work: () => Promise<T>,
    detail: (result: T) => string | undefined = () => undefined,
  ): Promise<T> {
    this.step(service, step, 'running');
    try {
      const result = await work();
      this.step(service, step, 'done', detail(result));
      return result;
    } catch (error) {
      this.step(service, step, 'failed');
      throw error;
    }
  }

  #show(): void {
    const waiting = this.#waitingFor === undefined ? '' : ` for \`${this.#waitingFor}\``;
    setCurrentDetails(
      [
        `**${this.title}**: ${this.#phase}${waiting}`,
        '',
        ...this.#steps.map(
          ({ service, step, state, detail }) =>
            `- ${MARK[state]} ${service} ${step}${detail === undefined ? '' : `: ${detail}`}`,
        ),
      ].join('\n'),
    );
  }
}
