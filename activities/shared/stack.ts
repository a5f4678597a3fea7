/** Which stack this worker serves. Runs as a local activity: a look-up, no work. */
import { HoldfastError } from '../../src/base/errors.js';
import { remapConfig } from '../../src/config/remap.js';
import { toStackView } from '../../src/config/stack-view.js';
import { formatStamp } from '../../src/plan/shared/ids.js';
import type { Mapping } from '../../src/format/mapping.js';
import type { StackView } from '../../src/plan/shared/stack-view.js';
import { guarded, timeOf, workflowIdOf, type ActivityDependencies } from './runtime.js';

export interface ResolvedStack {
  readonly view: StackView;
  /** Now, as `YYYYMMDD_HHMMSS` in the host's local time. */
  readonly stamp: string;
  /** The same moment, ISO: a set's id and the times in it are by one clock, the host's. */
  readonly at?: string;
  /** Is a check that finds nothing told as well? */
  readonly tellCheckSuccess?: boolean;
}

// eslint-disable-next-line @typescript-eslint/explicit-module-boundary-types -- the type is the product
export function createStackActivities(dependencies: ActivityDependencies) {
  return {
    /**
     * Reads the configuration for the run, which works with this version to its end.
     * @throws HoldfastError INPUT_INVALID when the worker serves another stack or host
     */
    resolveStack: guarded(
      async (input: {
        stack?: string | undefined;
        host?: string | undefined;
        map?: Mapping | undefined;
      }): Promise<ResolvedStack> => {
        const { live } = dependencies;
        const { config } = live === undefined ? dependencies : await live.refresh();
        if (input.stack !== undefined && input.stack !== config.stack) {
          throw new HoldfastError(
            'INPUT_INVALID',
            `this worker serves the stack ${config.stack}, not ${input.stack}`,
            { hint: 'leave "stack" out, or start a worker with the other configuration' },
          );
        }
        if (input.host !== undefined && input.host !== config.hostId) {
          throw new HoldfastError(
            'INPUT_INVALID',
            `this worker runs on host ${config.hostId}, not ${input.host}`,
            { hint: 'leave "host" out, or start a worker there' },
          );
        }
        live?.bind(workflowIdOf(), config);
        const named = input.map === undefined ? config : remapConfig(config, input.map);
        const now = timeOf(dependencies);
        const at = now.toISOString();
        const { tellSuccess: tellCheckSuccess } = config.check;
        return {
          view: toStackView(named),
          stamp: formatStamp(now),
          at,
          tellCheckSuccess,
        };
      },
    ),
  };
}
