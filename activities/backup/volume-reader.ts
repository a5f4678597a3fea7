/** Reading a volume through helper containers, where its mountpoint can't be seen from here. */
import type { TreeReader } from '../../src/tree/scan/reader.js';
import { listContainers, removeContainer } from '../../src/docker/containers/containers.js';
import type { Engine } from '../../src/docker/engine/engine.js';
import { helperImage } from '../../src/docker/volumes/helper.js';
import { startHelperCommand } from '../../src/docker/volumes/helper-command.js';
import { inspectVolume } from '../../src/docker/volumes/volumes.js';
import { VOLUME_ROOT } from '../../src/docker/volumes/helper.js';

/** Label with the work's name: what a killed attempt left is found by it. */
const WORK_LABEL = 'dev.holdfast.helper.work';

/**
 * @param options.name names the work, the same for every attempt at it
 * @throws HoldfastError VOLUME_NOT_FOUND, DOCKER_FAILED when there is no helper image
 */
export async function volumeReader(
  engine: Engine,
  options: { readonly volume: string; readonly name: string },
): Promise<TreeReader> {
  const image = await helperImage(engine);
  for (const left of await listContainers(engine, { label: `${WORK_LABEL}=${options.name}` })) {
    await removeContainer(engine, left.id, { force: true });
  }
  let count = 0;
  return {
    readThrough: 'helper-container',
    sharesPrograms: false,
    check: async () => {
      await inspectVolume(engine, options.volume);
    },
    start: (command, args, { signal, input, okExitCodes }) => {
      count += 1;
      return startHelperCommand(engine, {
        name: `${options.name}-${count}`,
        image,
        argv: [command, ...args],
        mounts: [{ type: 'volume', source: options.volume, target: VOLUME_ROOT, readOnly: true }],
        workingDirectory: VOLUME_ROOT,
        env: { LC_ALL: 'C' },
        labels: { [WORK_LABEL]: options.name },
        signal,
        ...(input === undefined ? {} : { input }),
        ...(okExitCodes === undefined ? {} : { okExitCodes }),
      });
    },
  };
}
