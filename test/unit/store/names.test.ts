import { describe, expect, test } from '@jest/globals';
import { checksumLine, parseChecksums } from '../../../src/format/checksums.js';
import { restoreInstructions } from '../../../src/store/write/instructions.js';
import { relativeParts } from '../../../src/store/layout.js';
import type { ArtifactManifest } from '../../../src/format/manifest.js';
import { isSetId, nextSetId } from '../../../src/format/set-id.js';
import { shellQuote } from '../../../src/base/process/shell.js';

test.each([
  ['20241212_010000', '20241212_010001'],
  ['20241231_235959', '20250101_000000'],
  ['20240228_235959', '20240229_000000'],
])('the id after %s is %s', (id, next) => {
  expect(nextSetId(id)).toBe(next);
  expect(isSetId(next)).toBe(true);
});

test.each(['plain', "it's", '$HOME `x` "y"', 'a b', '', '-rf', 'new\nline'])(
  'a shell reads "%s" as one word',
  (word) => {
    expect(shellQuote(word)).toMatch(/^([A-Za-z0-9_./:=@%+,-]+|'[\s\S]*')$/);
  },
);

test.each(['a', 'a b', 'back\\slash', 'new\nline', 'a  b', '*star'])(
  'the sum of "%s" is found again',
  (name) => {
    const sum = 'ab'.repeat(32);
    expect(parseChecksums(checksumLine(name, sum))).toEqual(new Map([[name, sum]]));
    expect(checksumLine(name, sum).split('\n')).toHaveLength(2);
  },
);

test.each(['', '/', '/a', 'a/', '..', 'a/../b', './a', 'a//b', 'a\0b'])(
  '"%s" is no path in the store',
  (path) => {
    expect(() => relativeParts(path)).toThrow(expect.objectContaining({ code: 'STORE_UNSAFE' }));
  },
);

const postgres: ArtifactManifest = {
  format: 'holdfast-artifact',
  version: 1,
  setId: '20241212_010000',
  stack: 'ml',
  host: 'box',
  service: 'pgdb',
  source: 'db',
  kind: 'postgres',
  name: 'postgres',
  startedAt: '2024-12-12T01:00:00Z',
  finishedAt: '2024-12-12T01:00:05Z',
  tools: {},
  quiesce: 'live',
  consistency: { state: 'consistent', changed: [], policy: 'degrade' },
  files: [
    { name: 'globals.sql.zst', role: 'globals', sizeBytes: 1, sha256: 'a'.repeat(64) },
    {
      name: 'postgres.dump',
      role: 'database',
      sizeBytes: 1,
      sha256: 'a'.repeat(64),
      database: 'postgres',
    },
    {
      name: 'my shop.dump.zst',
      role: 'database',
      sizeBytes: 1,
      sha256: 'a'.repeat(64),
      database: "my 'shop'",
    },
  ],
  totals: { contentBytes: 3, storedBytes: 3, entries: 3 },
  postgres: {
    serverVersion: '15.8',
    serverVersionNumber: 150008,
    clientVersion: '15.8',
    format: 'custom',
    container: 'pgdb',
    image: 'postgres:15',
    user: 'Admin',
    roles: [],
    tablespaces: [],
    databases: [],
    notDumped: [],
    data: { type: 'bind', path: '/srv/pg data' },
  },
  verification: [],
};

describe('the instructions of a postgres artifact', () => {
  const text = restoreInstructions(postgres);

  test('leave out the role that exists already, and only its line', () => {
    expect(text).toContain(`LC_ALL=C sed -E '0,/^CREATE ROLE (Admin|"Admin");$/{//d}'`);
  });

  test('fill the database every server has and create the others', () => {
    // An archive of an older release, without zstd around it.
    expect(text).toContain(
      'docker exec -i pgdb pg_restore -U Admin --exit-on-error -d postgres < postgres.dump',
    );
    expect(text).toContain(`docker exec pgdb dropdb -U Admin --if-exists -- 'my '\\''shop'\\'''`);
    expect(text).toContain(
      `zstd -dc 'my shop.dump.zst' | docker exec -i pgdb pg_restore -U Admin --exit-on-error -d postgres --create`,
    );
  });

  test('move the data aside before anything is loaded', () => {
    expect(text.indexOf(`mv '/srv/pg data' '/srv/pg data.before-restore'`)).toBeLessThan(
      text.indexOf('pg_restore'),
    );
    expect(text.indexOf('docker stop pgdb')).toBeLessThan(text.indexOf('mv '));
  });
});
