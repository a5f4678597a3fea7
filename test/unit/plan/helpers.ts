import type { SetArtifact, SetFile } from '../../../src/format/manifest.js';
import type { ServiceView, SourceView, StackView } from '../../../src/plan/shared/stack-view.js';

export function source(
  key: string,
  kind: SourceView['kind'] = 'files',
  extras: Partial<SourceView> = {},
): SourceView {
  return {
    source: key,
    kind,
    name: key,
    large: false,
    category: kind === 'volume' ? 'docker' : 'data',
    quiesced: false,
    changesExpected: false,
    target: kind === 'files' ? `/srv/${key}` : key,
    ...(kind === 'files' ? { include: ['**'] } : {}),
    ...extras,
  };
}

export function service(
  name: string,
  after: readonly string[],
  sources: readonly SourceView[],
  hasContainers = true,
): ServiceView {
  return { name, after, hasContainers, sources };
}

export function stackOf(services: readonly ServiceView[]): StackView {
  return {
    stack: 'ml',
    hostId: 'host',
    configDigest: 'd'.repeat(64),
    root: '/backups',
    timezone: 'UTC',
    tiers: { daily: { keep: 3 }, weekly: { keep: 2 }, monthly: { keep: 2 } },
    services,
  };
}

export function artifact(
  serviceName: string,
  key: string,
  extras: Partial<SetArtifact> = {},
): SetArtifact {
  return {
    service: serviceName,
    source: key,
    kind: 'files',
    path: `${serviceName}/daily/data/${key}_x`,
    manifestSha256: 'a'.repeat(64),
    contentBytes: 10,
    storedBytes: 5,
    entries: 1,
    consistent: true,
    ...extras,
  };
}

/** `20241212_010000` → its ISO time, as if the clock were at UTC. */
export function isoOf(id: string): string {
  const [, y, mo, d, h, mi, s] = /^(\d{4})(\d\d)(\d\d)_(\d\d)(\d\d)(\d\d)$/.exec(id) ?? [];
  return `${y}-${mo}-${d}T${h}:${mi}:${s}.000Z`;
}

export function setFile(id: string, extras: Partial<SetFile> = {}): SetFile {
  return {
    format: 'holdfast-set',
    version: 1,
    id,
    tier: 'daily',
    stack: 'ml',
    host: 'host',
    configDigest: 'd'.repeat(64),
    status: 'success',
    problems: [],
    scope: 'all',
    startedAt: isoOf(id),
    finishedAt: isoOf(id),
    workflowId: 'w',
    artifacts: [artifact('pgdb', 'dump'), artifact('agent', 'data')],
    ...extras,
  };
}
