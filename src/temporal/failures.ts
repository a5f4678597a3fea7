/** From Temporal's nested failures back to the error that caused them. */
import {
  ActivityFailure,
  ApplicationFailure,
  CancelledFailure,
  ChildWorkflowFailure,
  TerminatedFailure,
  TimeoutFailure,
} from '@temporalio/common';
import { WorkflowFailedError } from '@temporalio/client';
import { HoldfastError, isErrorCode, isHoldfastError, messageOf } from '../base/errors.js';
import { failureDetailSchema } from '../plan/shared/failure-detail.js';

/** Unwraps until the failure that carries one of our codes; anything else becomes INTERNAL. */
export function toHoldfastError(error: unknown): HoldfastError {
  let timeout: TimeoutFailure | undefined;
  for (let at: unknown = error; at !== undefined && at !== null; at = causeOf(at)) {
    if (isHoldfastError(at)) return at;
    if (at instanceof ApplicationFailure && typeof at.type === 'string' && isErrorCode(at.type)) {
      const detail = failureDetailSchema.safeParse(at.details?.[0]);
      return new HoldfastError(at.type, at.message, {
        ...(detail.success && detail.data.hint !== undefined ? { hint: detail.data.hint } : {}),
        ...(detail.success && detail.data.facts !== undefined ? { facts: detail.data.facts } : {}),
        cause: error,
      });
    }
    if (at instanceof CancelledFailure) {
      return new HoldfastError('CANCELLED', 'the run was cancelled', { cause: error });
    }
    if (at instanceof TerminatedFailure) {
      return new HoldfastError('CANCELLED', 'the run was terminated', {
        cause: error,
        hint: 'containers it had stopped are started again by the worker',
      });
    }
    if (at instanceof TimeoutFailure) timeout = at;
  }
  if (timeout !== undefined) {
    return new HoldfastError('STALLED', `${timeout.message} (${timeout.timeoutType})`, {
      hint: 'does the worker of this host run, and does it answer? see its log',
      cause: error,
    });
  }
  return new HoldfastError('INTERNAL', messageOf(error), { cause: error });
}

function causeOf(error: unknown): unknown {
  if (
    error instanceof WorkflowFailedError ||
    error instanceof ActivityFailure ||
    error instanceof ChildWorkflowFailure ||
    error instanceof Error
  ) {
    return error.cause;
  }
  return undefined;
}
