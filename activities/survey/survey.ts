/** What a restore will meet on this host: what is there, the room beside it, earlier restores' pace. */
import { stat, statfs } from 'node:fs/promises';
import path from 'node:path';
import { filesBase } from '../../src/format/config/artifacts.js';
import type { SourceConfig } from '../../src/format/config/sources.js';
import type { ServiceConfig } from '../../src/format/config/schema.js';
import { findContainer } from '../../src/docker/containers/containers.js';
import { findVolume, sharesVolumes } from '../../src/docker/volumes/volumes.js';
import type { HostSurvey, SurveyedSource } from '../../src/plan/restore/host-survey.js';
import { dataLocation } from '../../src/postgres/client/data-location.js';
import { measuredByDrills } from '../../src/plan/restore/estimate.js';
import { readDrills } from '../../src/store/records/drills.js';
import { readMeasured } from '../../src/store/records/measured.js';
import { pathExists } from '../../src/base/files/durable.js';
import { pgdataOf } from '../shared/postgres-source.js';
import type { ActivityDependencies } from '../shared/runtime.js';
import { own } from '../../src/base/own.js';

type Context = Pick<ActivityDependencies, 'config' | 'engine'>;

/** Never fails: what can't be seen is left out, and preflight says why. */
export async function surveyHost({ config, engine }: Context): Promise<HostSurvey> {
  const sources: SurveyedSource[] = [];
  for (const [service, settings] of Object.entries(config.services)) {
    for (const [source, one] of Object.entries(settings.sources)) {
      const seen = await surveySource({ config, engine }, settings, one).catch(() => undefined);
      if (seen !== undefined) sources.push({ service, source, ...seen });
    }
  }
  const { root } = config.backups;
  const drills = [...(await readDrills(root)).values()].flat();
  return {
    sources,
    measured: [
      ...(await readMeasured(root)),
      ...measuredByDrills(
        drills,
        (service, source) => own(own(config.services, service)?.sources ?? {}, source)?.kind,
      ),
    ],
  };
}

type Seen = Omit<SurveyedSource, 'service' | 'source'>;

async function surveySource(
  context: Context,
  service: ServiceConfig,
  source: SourceConfig,
): Promise<Seen | undefined> {
  switch (source.kind) {
    case 'files': {
      const base = filesBase(service, source);
      return base === undefined ? undefined : seenPath(base);
    }
    case 'volume':
      return seenVolume(context, source.volume);
    case 'postgres': {
      if (source.dataDirectory !== undefined) {
        return seenPath(path.resolve(service.home ?? '/', source.dataDirectory));
      }
      if (source.dataVolume !== undefined) return seenVolume(context, source.dataVolume);
      const container = await findContainer(context.engine, source.container);
      if (container === undefined) return { exists: false };
      const location = dataLocation(container.mounts, pgdataOf(container));
      if (location.type === 'bind') return seenPath(location.path);
      return location.type === 'volume' ? seenVolume(context, location.name) : { exists: true };
    }
  }
}

async function seenPath(target: string): Promise<Seen> {
  return { exists: await pathExists(target), ...(await roomAt(target)) };
}

/** The engine's disk may be another host's: then nothing is known of its room. */
async function seenVolume({ engine }: Context, name: string): Promise<Seen> {
  const volume = await findVolume(engine, name);
  const exists = volume !== undefined;
  if (!(await sharesVolumes(engine))) return { exists };
  const { dockerRootDir } = await engine.info();
  const plain = volume === undefined || Object.keys(volume.options).length === 0;
  return { exists, ...(plain ? await roomAt(path.join(dockerRootDir, 'volumes')) : {}) };
}

async function roomAt(
  target: string,
): Promise<Pick<SurveyedSource, 'disk' | 'place' | 'freeBytes'>> {
  let place = target;
  while (!(await pathExists(place)) && place !== '/') place = path.dirname(place);
  const { bavail, bsize } = await statfs(place);
  const { dev } = await stat(place);
  return { disk: String(dev), place, freeBytes: bavail * bsize };
}
