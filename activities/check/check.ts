/** The check: what the disk and the server tell, against what the configuration expects. */
import { toCheckPolicy } from '../../src/config/check/check-policy.js';
import type { ConfigTrouble } from '../../src/config/live.js';
import { gatherCheckFacts } from './check-facts.js';
import { readServerFacts } from '../../src/observe/server-facts.js';
import type { CheckFinding } from '../../src/plan/check/check-facts.js';
import { goodSets } from '../../src/plan/check/good-sets.js';
import { checkBackups, worstOf } from '../../src/plan/check/check.js';
import type { CheckBackupsResult } from '../../src/plan/check/check-types.js';
import { setName } from '../../src/format/set-order.js';
import { observationOf } from '../backup/backup-run.js';
import { stoppedDirectory } from '../shared/places.js';
import { guarded, timeOf, whileWaiting, type ActivityDependencies } from '../shared/runtime.js';

const TIERS = ['daily', 'weekly', 'monthly'] as const;

// eslint-disable-next-line @typescript-eslint/explicit-module-boundary-types -- the type is the product
export function createCheckActivities(dependencies: ActivityDependencies) {
  const { config, client, metrics } = dependencies;
  return {
    /** Reads no content and changes nothing. */
    checkStore: guarded(async ({ stack }: { stack: string }): Promise<CheckBackupsResult> => {
      return whileWaiting({ service: '', source: 'check' }, 'check', async () => {
        const facts = await gatherCheckFacts(
          config,
          stoppedDirectory(config.backups.root),
          timeOf(dependencies),
          (runs) => readServerFacts(client, stack, runs),
        );
        const findings = [
          ...configFindings(dependencies.live?.state.trouble),
          ...checkBackups(facts, toCheckPolicy(config)),
        ];
        const counts = { ok: 0, warning: 0, critical: 0 };
        for (const { severity } of findings) counts[severity] += 1;
        metrics.recordCheck({ stack, at: facts.now, counts, disk: facts.disk });
        for (const tier of TIERS) {
          const [newest] = goodSets(facts, tier);
          // By what is there now: a set may have gone since it was made.
          if (newest === undefined) {
            metrics.forgetNewestSet(stack, tier);
            continue;
          }
          metrics.recordNewestSet(observationOf(newest));
          const verified = facts.verifiedAt.get(setName(newest)) ?? newest.finishedAt;
          metrics.recordVerified(stack, tier, new Date(verified));
        }
        return { worst: worstOf(findings), findings };
      });
    }),
  };
}

/** Backups go on by the last good version: without what was added since. */
function configFindings(trouble: ConfigTrouble | undefined): CheckFinding[] {
  if (trouble === undefined) return [];
  const { message, hint } = trouble;
  const subject = 'configuration';
  return [{ subject, code: 'config-unusable', severity: 'critical', message, hint }];
}
