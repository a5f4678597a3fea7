/** Registers the search attributes of the runs, so that Temporal's list can be filtered by them. */
import type { Client } from '@temporalio/client';
import { SEARCH_ATTRIBUTES } from '../plan/shared/ids.js';

/** Keyword, as Temporal's own enumeration numbers it. */
const INDEXED_VALUE_TYPE_KEYWORD = 2;

/** Adds what is missing; a second call changes nothing. Needs a server that lets clients register. */
export async function registerSearchAttributes(client: Client, namespace: string): Promise<void> {
  const { operatorService } = client.connection;
  const existing = await operatorService.listSearchAttributes({ namespace });
  const missing = Object.values(SEARCH_ATTRIBUTES).filter(
    (name) => !Object.hasOwn(existing.customAttributes, name),
  );
  if (missing.length === 0) return;
  await operatorService.addSearchAttributes({
    namespace,
    searchAttributes: Object.fromEntries(missing.map((name) => [name, INDEXED_VALUE_TYPE_KEYWORD])),
  });
}
