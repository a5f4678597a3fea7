/** Sources that would be held still by stopping a container that nobody could start again. */
import type { Config } from '../../src/format/config/schema.js';
import { listContainers } from '../../src/docker/containers/containers.js';
import type { Engine } from '../../src/docker/engine/engine.js';
import { removedWhenStopped } from '../../src/docker/containers/holds.js';
import { withProjects } from '../../src/docker/compose/project.js';
import type { SurveyFinding } from '../../src/plan/backup/stack-survey.js';
import { containersOf } from '../shared/containers.js';
import { quiesceOf } from '../backup/hold.js';

/** @throws HoldfastError DOCKER_UNREACHABLE, DOCKER_FAILED */
export async function holdFindings(config: Config, engine: Engine): Promise<SurveyFinding[]> {
  const findings: SurveyFinding[] = [];
  let named: Config | undefined;
  for (const [service, { sources }] of Object.entries(config.services)) {
    for (const [key, source] of Object.entries(sources)) {
      if (quiesceOf(source) !== 'stop') continue;
      named ??= await withProjects(engine, config);
      const settings = named.services[service];
      if (settings === undefined) continue;
      const held =
        source.kind === 'volume'
          ? await listContainers(engine, { volume: source.volume })
          : await containersOf(engine, service, settings);
      const names = removedWhenStopped(held).map(({ name }) => name);
      if (names.length === 0) continue;
      findings.push({
        severity: 'error',
        code: 'removed-when-stopped',
        path: ['services', service, 'sources', key, 'quiesce'],
        message: `${names.join(', ')} can't be stopped and started again: made for one run (--rm, compose run), it is removed when it ends`,
        fix: 'quiesce: pause, or make the container without --rm',
      });
    }
  }
  return findings;
}
