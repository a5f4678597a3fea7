import { expect, test } from '@jest/globals';
import { readFile } from 'node:fs/promises';
import { parse } from 'yaml';
import { fileWith, problemsOf } from './helpers.js';

const DOCS = new URL('../../../docs/notifications.md', import.meta.url);

test('every example of docs/notifications.md is a configuration that is accepted', async () => {
  const text = await readFile(DOCS, 'utf8');
  const blocks = [...text.matchAll(/```yaml\n([\s\S]*?)```/g)].map(([, block]) => block ?? '');
  expect(blocks.length).toBeGreaterThanOrEqual(4);
  for (const block of blocks) {
    const parsed = parse(block) as unknown[] | { notifications: unknown[] };
    const channels = Array.isArray(parsed) ? parsed : parsed.notifications;
    const config = fileWith(
      'app: { home: /app, sources: { data: { kind: files } } }',
      `notifications: ${JSON.stringify(channels)}`,
    );
    expect(problemsOf(config)).toEqual([]);
  }
});
