/** Small things the stack workflows share. */
import { defineSearchAttributeKey, SearchAttributeType } from '@temporalio/common';
import type { SearchAttributeUpdatePair } from '@temporalio/common';
import { HoldfastError } from '../../src/base/errors.js';
import { SEARCH_ATTRIBUTES } from '../../src/plan/shared/ids.js';
import { failure } from './failure.js';

const KEYS = {
  stack: defineSearchAttributeKey(SEARCH_ATTRIBUTES.stack, SearchAttributeType.KEYWORD),
  tier: defineSearchAttributeKey(SEARCH_ATTRIBUTES.tier, SearchAttributeType.KEYWORD),
  set: defineSearchAttributeKey(SEARCH_ATTRIBUTES.set, SearchAttributeType.KEYWORD),
  status: defineSearchAttributeKey(SEARCH_ATTRIBUTES.status, SearchAttributeType.KEYWORD),
};

export function searchAttributes(
  values: Partial<Record<keyof typeof KEYS, string>>,
): SearchAttributeUpdatePair[] {
  const pairs: SearchAttributeUpdatePair[] = [];
  if (values.stack !== undefined) pairs.push({ key: KEYS.stack, value: values.stack });
  if (values.tier !== undefined) pairs.push({ key: KEYS.tier, value: values.tier });
  if (values.set !== undefined) pairs.push({ key: KEYS.set, value: values.set });
  if (values.status !== undefined) pairs.push({ key: KEYS.status, value: values.status });
  return pairs;
}

/** Plans are pure functions that throw our error; in a workflow it must end the run, not the task. */
export function planOrFail<T>(plan: () => T): T {
  try {
    return plan();
  } catch (error) {
    if (error instanceof HoldfastError) {
      throw failure(error.code, error.message, {
        ...(error.hint === undefined ? {} : { hint: error.hint }),
        facts: error.facts,
      });
    }
    throw error;
  }
}
