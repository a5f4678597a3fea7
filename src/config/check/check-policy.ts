import type { CheckPolicy, TierPolicy } from '../../plan/check/check-facts.js';
import type { ScheduledTier } from '../../plan/shared/stack-view.js';
import type { Config } from '../../format/config/schema.js';

/** A worker that was just started, a permit that was just given back: minutes, not hours. */
const START_GRACE_MS = 10 * 60_000;

export function toCheckPolicy(config: Config): CheckPolicy {
  const { check, schedules } = config;
  const tier = (name: ScheduledTier): TierPolicy => ({
    keep: config.tiers[name].keep,
    cron: config.tiers[name].schedule,
    maximumAgeMs: check.maximumAge[name],
  });
  return {
    tiers: { daily: tier('daily'), weekly: tier('weekly'), monthly: tier('monthly') },
    timezone: schedules.timezone,
    graceMs: check.grace,
    startGraceMs: Math.min(check.grace, schedules.jitter + START_GRACE_MS),
    verifiedWithinMs: check.verifiedWithin,
    freeWarnPercent: check.free.warn,
    freeCriticalPercent: check.free.critical,
    forecastMs: check.forecast,
    sources: Object.entries(config.services).flatMap(([service, { sources }]) =>
      Object.keys(sources).map((source) => ({ service, source })),
    ),
  };
}
