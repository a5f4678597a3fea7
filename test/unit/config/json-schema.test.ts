import { readFile, writeFile } from 'node:fs/promises';
import { describe, expect, test } from '@jest/globals';
import { configJsonSchema } from '../../../src/format/config/json-schema.js';
import { knownKeysAt } from '../../../src/config/check/known-keys.js';

const SCHEMA_FILE = new URL('../../../config/schema.json', import.meta.url);

function withDescriptions(schema: unknown): string {
  return JSON.stringify(schema, null, 2) + '\n';
}

describe('the JSON Schema editors complete from', () => {
  test('config/schema.json is not stale (UPDATE=1 writes it)', async () => {
    const fresh = withDescriptions(configJsonSchema());
    if (process.env['UPDATE'] === '1') await writeFile(SCHEMA_FILE, fresh);
    expect(await readFile(SCHEMA_FILE, 'utf8')).toBe(fresh);
  });

  test('defaults are of the written form, not milliseconds and mode numbers', () => {
    const text = JSON.stringify(configJsonSchema());
    expect(text).toContain('"default":"30s"');
    expect(text).toContain('"default":"0640"');
    expect(text).not.toContain('"default":30000');
  });

  test('names no host', () => {
    const { $schema, ...own } = configJsonSchema();
    expect($schema).toContain('json-schema.org');
    expect(own.$id).toBe('urn:holdfast:config:1');
    expect(JSON.stringify(own)).not.toMatch(/https?:\/\//);
  });

  test('keys are known below records, lists and unions', () => {
    const root = {
      services: { a: { sources: { b: { kind: 'volume' } } } },
      notifications: [{ type: 'ping' }],
    };
    expect(knownKeysAt(root, [])).toContain('services');
    expect(knownKeysAt(root, ['services', 'a'])).toContain('stopGrace');
    expect(knownKeysAt(root, ['services', 'a', 'sources', 'b'])).toContain('volume');
    expect(knownKeysAt(root, ['services', 'a', 'sources', 'b'])).not.toContain('include');
    expect(knownKeysAt(root, ['notifications', 0])).toContain('urlEnv');
    expect(knownKeysAt(root, ['notifications', 0])).not.toContain('passwordFile');
    expect(knownKeysAt(root, ['no', 'such'])).toEqual([]);
  });
});
