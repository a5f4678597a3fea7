import type { restoreStackInputSchema } from '../../src/plan/shared/inputs.js';
import type { Measurement } from '../../src/format/measurement.js';
import { isErrorCode } from '../../src/base/errors.js';
import type {
  PerformedStep,
  RestoredService,
  RestorePlan,
  RestoreStackResult,
} from '../../src/plan/restore/restore-types.js';
import type { HostCalls, resolveStack } from '../shared/activity-options.js';
import type { Approval } from './approval.js';
import { causeOf, failure } from '../shared/failure.js';
import { type TakenBack } from '../rollback/take-back.js';
import type { Story } from '../shared/story.js';

/** What a restore comes to: its result, measurements and problems. */

type View = Awaited<ReturnType<typeof resolveStack>>['view'];

type Input = ReturnType<typeof restoreStackInputSchema.parse>;

export interface Run {
  readonly input: Input;
  readonly view: View;
  readonly restoreId: string;
  readonly activities: HostCalls;
  readonly story: Story;
  readonly approval: Approval;
  readonly startedMs: number;
}

/** The failure of the restore, with what is now true. */
export function withOutcome(error: unknown, taken: TakenBack): Error {
  const { code, message, hint, facts } = causeOf(error);
  return failure(isErrorCode(code) ? code : 'RESTORE_FAILED', `${message}; ${taken.now}`, {
    ...(hint === undefined ? {} : { hint }),
    facts: { ...facts, outcome: taken.complete ? 'old' : 'incomplete' },
  });
}

export function measurementsOf(services: readonly RestoredService[]): Omit<Measurement, 'at'>[] {
  return services.flatMap(({ service, sources, healthyAfterMs }) => [
    ...sources.map(({ source, kind, contentBytes, durationMs }) => ({
      kind,
      service,
      source,
      bytes: contentBytes,
      durationMs,
    })),
    ...(healthyAfterMs === undefined
      ? []
      : [{ kind: 'start' as const, service, source: '', bytes: 0, durationMs: healthyAfterMs }]),
  ]);
}

export function asError(reason: unknown): Error {
  return reason instanceof Error ? reason : new Error(String(reason));
}

/** What is not back though no row is missing: all of it is named, with what makes it. */
export function problemsOf(services: readonly RestoredService[]): string[] {
  return services.flatMap(({ service, sources }) =>
    sources.flatMap(({ source, problems = [] }) =>
      problems.map((text) => `${service}/${source}: ${text}`),
    ),
  );
}

export function resultOf(
  run: Run,
  plan: RestorePlan,
  services: readonly RestoredService[],
  steps: readonly PerformedStep[],
): RestoreStackResult {
  return {
    restoreId: run.restoreId,
    setId: plan.setId,
    dryRun: run.input.dryRun,
    plan,
    services,
    steps,
    durationMs: Date.now() - run.startedMs,
    ...(problemsOf(services).length === 0 ? {} : { problems: problemsOf(services) }),
    warnings: [
      ...plan.warnings,
      ...services.flatMap(({ service, sources }) =>
        sources.flatMap(({ source, warnings = [] }) =>
          warnings.map((text) => `${service}/${source}: ${text}`),
        ),
      ),
    ],
  };
}
