/** Looking things up by names that others have chosen. Pure. */

/**
 * What a record holds under a name; undefined where it holds nothing. Unlike `record[name]`, it gives
 * no `toString` or `constructor` that every object inherits: services may be called that.
 */
export function own<T>(record: Readonly<Record<string, T>>, name: string): T | undefined {
  return Object.hasOwn(record, name) ? record[name] : undefined;
}
