/** Errors inside workflows: our codes as the failure's type, readable messages, no stack of wrappers. */
import { failureDetailSchema } from '../../src/plan/shared/failure-detail.js';
import {
  ActivityFailure,
  ApplicationFailure,
  CancelledFailure,
  ChildWorkflowFailure,
  TerminatedFailure,
  TimeoutFailure,
} from '@temporalio/workflow';
import type { z } from 'zod';
import type { ErrorCode, ErrorFacts, ErrorOptions } from '../../src/base/errors.js';

/** A failure of the run itself. Never retried: the run is over. */
export function failure(
  code: ErrorCode,
  message: string,
  options: ErrorOptions & { details?: unknown[] } = {},
): ApplicationFailure {
  return ApplicationFailure.create({
    type: code,
    message,
    nonRetryable: true,
    details: [{ hint: options.hint, facts: options.facts }, ...(options.details ?? [])],
  });
}

/** Parses an input at the workflow's door. @throws ApplicationFailure INPUT_INVALID */
export function parseInput<Schema extends z.ZodType>(
  schema: Schema,
  input: unknown,
  workflow: string,
): z.output<Schema> {
  const parsed = schema.safeParse(input ?? {});
  if (parsed.success) return parsed.data;
  const problems = parsed.error.issues.map(
    ({ path, message }) =>
      `${path.length === 0 ? 'input' : path.map(String).join('.')}: ${message}`,
  );
  throw failure('INPUT_INVALID', `${workflow} can't use this input: ${problems.join('; ')}`, {
    hint: `give one JSON object, for example {"services":["pgdb"]}`,
    facts: { problems },
  });
}

export interface Cause {
  readonly code: string;
  readonly message: string;
  readonly hint?: string;
  readonly facts?: ErrorFacts;
}

/** The innermost reason of a failed activity or child, for a person. */
export function causeOf(error: unknown): Cause {
  let found: Cause | undefined;
  for (let at: unknown = error; at instanceof Error; at = at.cause) {
    if (at instanceof ApplicationFailure) {
      const { hint, facts } = failureDetailSchema.safeParse(at.details?.[0]).data ?? {};
      return {
        code: at.type ?? 'INTERNAL',
        message: at.message,
        ...(hint === undefined ? {} : { hint }),
        ...(facts === undefined ? {} : { facts }),
      };
    }
    if (at instanceof TimeoutFailure) {
      found = { code: 'STALLED', message: `${at.message} (${at.timeoutType})` };
    }
    if (at instanceof TerminatedFailure)
      found ??= { code: 'CANCELLED', message: 'it was terminated' };
    if (at instanceof CancelledFailure) found ??= { code: 'CANCELLED', message: at.message };
    if (at instanceof ActivityFailure || at instanceof ChildWorkflowFailure) continue;
    found ??= { code: 'INTERNAL', message: at.message };
  }
  return found ?? { code: 'INTERNAL', message: String(error) };
}

/** Rethrows a child's or activity's failure as this workflow's own, code and hint kept. */
export function raise(error: unknown): never {
  for (let at: unknown = error; at instanceof Error; at = at.cause) {
    if (at instanceof ApplicationFailure) {
      throw ApplicationFailure.create({
        type: at.type ?? 'INTERNAL',
        message: at.message,
        nonRetryable: true,
        details: at.details ?? [],
      });
    }
  }
  throw error;
}
