/**
 * A host's activities for a worker whose configuration is read anew: each call works with the version
 * of its run, as if that were the only one. What a family of activities keeps between calls it keeps
 * for each version.
 */
import { z } from 'zod';
import type { LiveConfig } from '../../src/config/live.js';
import type { Config } from '../../src/format/config/schema.js';
import { RunLog } from '../../src/observe/run-log.js';
import { createHostActivities, type HostActivities } from '../index.js';
import { workflowIdOf, type ActivityDependencies } from './runtime.js';

const digestSchema = z.object({ configDigest: z.string() });
const publishSchema = z.object({ set: digestSchema });

/** The version an input names. Other inputs may hold sets, too, of long ago: theirs is not the run's. */
function versionIn(activity: string, input: unknown): string | undefined {
  return activity === 'publishSet'
    ? publishSchema.safeParse(input).data?.set.configDigest
    : digestSchema.safeParse(input).data?.configDigest;
}

/** Versions whose activities are kept ready; an older one's are made again. */
const MOST_VERSIONS = 8;

export function hostActivitiesByConfig(
  dependencies: ActivityDependencies & { readonly live: LiveConfig },
): Record<string, (input: unknown) => Promise<unknown>> {
  const { live } = dependencies;
  const made = new Map<string, HostActivities>();
  const runLogs = new Map([[dependencies.config.log?.file, dependencies.runLog]]);
  const activitiesOf = (config: Config): HostActivities => {
    const known = made.get(config.digest);
    if (known !== undefined) return known;
    const file = config.log?.file;
    const runLog = runLogs.get(file) ?? new RunLog(file);
    runLogs.set(file, runLog);
    const activities = createHostActivities({ ...dependencies, config, runLog });
    const [oldest] = made.keys();
    if (made.size >= MOST_VERSIONS && oldest !== undefined) made.delete(oldest);
    made.set(config.digest, activities);
    return activities;
  };
  return Object.fromEntries(
    Object.keys(activitiesOf(dependencies.config)).map((name) => [
      name,
      async (input: unknown): Promise<unknown> => {
        const config = await live.versionFor(workflowIdOf(), versionIn(name, input));
        const activity: unknown = Reflect.get(activitiesOf(config), name);
        if (typeof activity !== 'function') throw new TypeError(`no activity ${name}`);
        const outcome: unknown = await Reflect.apply(activity, undefined, [input]);
        return outcome;
      },
    ]),
  );
}
