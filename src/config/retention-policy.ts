/** Retention as configured, in the form planning takes it. */
import { sourceKeeps, type RetentionPolicy, type TierKeep } from '../plan/retention/retention.js';
import { toStackView } from './stack-view.js';
import type { Config } from '../format/config/schema.js';

export function toRetentionPolicy(config: Config): RetentionPolicy {
  const { daily, weekly, monthly } = config.tiers;
  const { anomaly, pruneLimit } = config.backups;
  const tierKeep = ({ keep, keepWithin }: Config['tiers']['daily']): TierKeep => ({
    keep,
    keepWithinMs: keepWithin,
  });
  return {
    tiers: { daily: tierKeep(daily), weekly: tierKeep(weekly), monthly: tierKeep(monthly) },
    sources: sourceKeeps(toStackView(config)),
    anomaly: {
      belowPercent: anomaly.below,
      ignoreUnderBytes: anomaly.ignoreUnder,
      mayBeEmpty: volumesThatMayBeEmpty(config),
    },
    limit: pruneLimit,
  };
}

function volumesThatMayBeEmpty(config: Config): ReadonlySet<string> {
  return new Set(
    Object.entries(config.services).flatMap(([service, { sources }]) =>
      Object.entries(sources)
        .filter(([, source]) => source.kind === 'volume' && source.allowEmpty === true)
        .map(([name]) => `${service}/${name}`),
    ),
  );
}
