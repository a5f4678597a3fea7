/** Who holds the stack's permit. */
import { WorkflowNotFoundError } from '@temporalio/client';
import { guarded, type ActivityDependencies } from './runtime.js';

export interface PermitHolder {
  readonly holder: string | null;
  readonly runId?: string;
}

// eslint-disable-next-line @typescript-eslint/explicit-module-boundary-types -- the type is the product
export function createPermitActivities({ client }: ActivityDependencies) {
  return {
    /** The holder's workflow id and the permit's own run, or null when the permit is free by now. */
    describePermitHolder: guarded(
      async ({ permitId }: { permitId: string }): Promise<PermitHolder> => {
        try {
          const description = await client.workflow.getHandle(permitId).describe();
          if (description.status.name !== 'RUNNING') return { holder: null };
          const holder = description.memo?.['holder'];
          return {
            holder: typeof holder === 'string' ? holder : permitId,
            runId: description.runId,
          };
        } catch (error) {
          if (error instanceof WorkflowNotFoundError) return { holder: null };
          throw error;
        }
      },
    ),
  };
}
