import { describe, expect, test } from '@jest/globals';
import { ScriptFilter } from '../../../src/postgres/load/script-filter.js';

function filter(kind: 'globals' | 'cluster', role: string, script: string, size = 1e9): string {
  const filtering = new ScriptFilter(kind, role);
  const bytes = Buffer.from(script);
  const out: Buffer[] = [];
  for (let at = 0; at < bytes.length; at += size) {
    out.push(filtering.push(bytes.subarray(at, at + size)));
  }
  return Buffer.concat([...out, filtering.end()]).toString();
}

const GLOBALS = String.raw`\restrict abc
CREATE ROLE a;
COMMENT ON ROLE a IS 'first
CREATE ROLE postgres;
last';
CREATE ROLE postgres;
ALTER ROLE postgres WITH SUPERUSER PASSWORD 'x';
CREATE ROLE postgres2;
\unrestrict abc
-- PostgreSQL database cluster dump complete
`;

describe('the bootstrap role', () => {
  const expected = String.raw`CREATE ROLE a;
COMMENT ON ROLE a IS 'first
CREATE ROLE postgres;
last';
ALTER ROLE postgres WITH SUPERUSER PASSWORD 'x';
CREATE ROLE postgres2;
-- PostgreSQL database cluster dump complete
`;

  test.each([1, 2, 7, 1000])('only its own CREATE ROLE goes (chunks of %d bytes)', (size) => {
    expect(filter('globals', 'postgres', GLOBALS, size)).toBe(expected);
  });

  test('a name that needs quotes', () => {
    expect(filter('globals', 'Ad "min"', 'CREATE ROLE "Ad ""min""";\nCREATE ROLE admin;\n')).toBe(
      'CREATE ROLE admin;\n',
    );
    expect(filter('globals', 'ümlaut', 'CREATE ROLE "ümlaut";\n')).toBe('');
  });
});

describe('a cluster script', () => {
  test('keeps \\restrict for psql, and is untouched from the first \\connect', () => {
    const rest = '\\connect app\nCOPY t FROM stdin;\nCREATE ROLE postgres;\n\\N\n\\.\n\\anything\n';
    for (const size of [1, 5, 1000]) {
      expect(
        filter('cluster', 'postgres', `\\restrict x\nCREATE ROLE postgres;\n${rest}`, size),
      ).toBe(`\\restrict x\n${rest}`);
    }
  });
});

describe('commands of psql in globals', () => {
  test.each(['\\! rm -rf /', '\\connect other', '\\restrict a b'])('%s is refused', (line) => {
    expect(() => filter('globals', 'postgres', `${line}\n`)).toThrow(
      expect.objectContaining({ code: 'RESTORE_FAILED' }),
    );
  });

  test('inside a string they are text', () => {
    const script = "COMMENT ON ROLE a IS '\n\\! ls\n';\n";
    expect(filter('globals', 'postgres', script)).toBe(script);
  });
});
