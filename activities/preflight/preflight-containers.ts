/** Containers that a restore would lose by stopping them: found before anything is stopped. */
import { isOneOff } from '../../src/docker/containers/what-runs.js';
import { isUp } from '../../src/docker/containers/running-record.js';
import { HoldfastError } from '../../src/base/errors.js';
import { containersOf } from '../shared/containers.js';
import { projectOf, serviceOf, type ActivityDependencies } from '../shared/runtime.js';

/**
 * The engine removes a container with `--rm` when it ends, and nobody knows how to make it again: except
 * compose, of those it has made.
 * @throws HoldfastError RESTORE_FAILED naming them (facts: containers)
 */
export async function checkContainers(
  { config, engine }: Pick<ActivityDependencies, 'config' | 'engine'>,
  name: string,
): Promise<void> {
  const service = serviceOf(config, name);
  const project = projectOf(name, service);
  const lost = (await containersOf(engine, name, service)).filter(
    (one) =>
      isUp(one) &&
      one.autoRemove === true &&
      (project === undefined || one.composeProject !== project || isOneOff(one)),
  );
  if (lost.length === 0) return;
  const names = lost.map((one) => one.name);
  throw new HoldfastError(
    'RESTORE_FAILED',
    `${names.join(', ')} of ${name} would be gone: made with --rm, it is removed when it is stopped, and nothing makes it again`,
    {
      facts: { containers: names },
      hint: 'stop it yourself and make it again afterwards, or make it without --rm; nothing was touched',
    },
  );
}
