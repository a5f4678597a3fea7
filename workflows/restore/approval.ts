/** A restore that waits for a person: the update that lets it go on, and the waiting. */
import { condition, setHandler } from '@temporalio/workflow';
import { z } from 'zod';
import { approveUpdate } from '../shared/messages.js';
import type { Story } from '../shared/story.js';

export class Approval {
  #waitingFor: string | undefined;
  #approvedBy: string | undefined;

  /** Registers the handler: to be made before the workflow first waits for anything. */
  constructor(readonly story: Story) {
    setHandler(
      approveUpdate,
      ({ by }) => {
        const what = this.#waitingFor ?? '';
        this.#approvedBy = by ?? 'somebody';
        return `${what} approved by ${this.#approvedBy}`;
      },
      {
        validator: (input: unknown) => {
          if (!approvalSchema.safeParse(input).success)
            throw new Error('an approval is {} or {"by":"name"}');
          if (this.#waitingFor === undefined) {
            throw new Error('this run does not wait for an approval');
          }
        },
        description: 'lets a restore go on that waits for a person',
      },
    );
  }

  /** Waits until somebody approves. @returns who it was */
  async of(what: string): Promise<string> {
    this.#waitingFor = what;
    this.#approvedBy = undefined;
    this.story.phase(`waiting for an approval: ${what}`);
    await condition(() => this.#approver() !== undefined);
    this.#waitingFor = undefined;
    return this.#approver() ?? 'somebody';
  }

  #approver(): string | undefined {
    return this.#approvedBy;
  }
}

const approvalSchema = z.strictObject({ by: z.string().min(1).max(100).optional() });
