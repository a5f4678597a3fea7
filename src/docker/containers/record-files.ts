/** Records that lie in a directory, a JSON file each. */
import { readdir } from 'node:fs/promises';
import path from 'node:path';
import { systemCodeOf } from '../../base/errors.js';

export interface FoundFile<T> {
  readonly file: string;
  readonly record: T;
}

/**
 * The records directly in a directory, by name; none where there is no directory. A file that can't be
 * read is handed to `onUnreadable` and left where it is: it must not keep the others down.
 */
export async function readRecordFiles<T>(
  directory: string,
  read: (file: string) => Promise<T | undefined>,
  onUnreadable: (file: string, error: unknown) => void,
): Promise<FoundFile<T>[]> {
  const found: FoundFile<T>[] = [];
  for (const name of await namesIn(directory)) {
    if (name.startsWith('.') || !name.endsWith('.json')) continue;
    const file = path.join(directory, name);
    try {
      const record = await read(file);
      if (record !== undefined) found.push({ file, record });
    } catch (error) {
      onUnreadable(file, error);
    }
  }
  return found;
}

async function namesIn(directory: string): Promise<string[]> {
  try {
    return (await readdir(directory)).sort();
  } catch (error) {
    if (systemCodeOf(error) === 'ENOENT') return [];
    throw error;
  }
}
