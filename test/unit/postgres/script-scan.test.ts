import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { ScriptScanner, isCompleteScript } from '../../../src/postgres/inspect/script-scan.js';

const SCRIPT = String.raw`--
-- PostgreSQL database cluster dump
--

\restrict abcDEF123

CREATE ROLE postgres;
ALTER ROLE postgres WITH SUPERUSER PASSWORD 'SCRAM-SHA-256$4096:x==$y=:z=';
COMMENT ON ROLE a IS 'two
CREATE DATABASE in_a_comment;
lines';

\unrestrict abcDEF123

\connect template1

\restrict abcDEF123
\unrestrict abcDEF123

CREATE DATABASE "ü b" WITH TEMPLATE = template0;
\connect -reuse-previous=on "dbname='ü b'"
\restrict abcDEF123
SELECT pg_catalog.lo_create('16385');
SELECT pg_catalog.lo_create('16386');
CREATE FUNCTION public.f() RETURNS text LANGUAGE sql AS $_$
COPY public.forged (a) FROM stdin;
\connect forged
CREATE DATABASE forged;
$_$;
COPY public.t (a, b) FROM stdin;
1	it's
2	\N
\\.	CREATE DATABASE forged;

\.
COPY "odd schema"."t ""é""" (a) FROM stdin;
\.
COPY public.narrow (a) FROM stdin;
ab
\N
\.


--
-- PostgreSQL database dump complete
--

\unrestrict abcDEF123

--
-- PostgreSQL database cluster dump complete
--

`;

const EXPECTED = {
  created: ['ü b'],
  databases: [
    { name: 'template1', tables: [], largeObjects: 0 },
    {
      name: 'ü b',
      tables: [
        { schema: 'public', table: 't', rows: 4 },
        { schema: 'odd schema', table: 't "é"', rows: 0 },
        { schema: 'public', table: 'narrow', rows: 2 },
      ],
      largeObjects: 2,
    },
  ],
};

function scan(chunks: readonly Buffer[]): { created: string[]; databases: unknown; tail: string } {
  const scanner = new ScriptScanner();
  for (const chunk of chunks) scanner.push(chunk);
  return { created: scanner.created, databases: scanner.databases, tail: scanner.tail };
}

describe('scanning a script', () => {
  test('counts rows, and is not fooled by text that looks like statements', () => {
    expect(scan([Buffer.from(SCRIPT)])).toMatchObject(EXPECTED);
  });

  test('chunk borders anywhere change nothing', () => {
    const bytes = Buffer.from(SCRIPT);
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 0, max: bytes.length }), { maxLength: 60 }),
        (cuts) => {
          const at = [0, ...cuts.sort((a, b) => a - b), bytes.length];
          const chunks = at.slice(1).map((end, index) => bytes.subarray(at[index], end));
          expect(scan(chunks)).toMatchObject(EXPECTED);
        },
      ),
    );
    expect(scan([...bytes].map((byte) => Buffer.of(byte)))).toMatchObject(EXPECTED);
  });

  test('a data line of many chunks counts once', () => {
    const scanner = new ScriptScanner();
    scanner.push(Buffer.from('\\connect a\nCOPY public.t (a) FROM stdin;\n'));
    for (let i = 0; i < 1000; i += 1) scanner.push(Buffer.alloc(10_000, 'x'));
    scanner.push(Buffer.from('\n\\.\n'));
    expect(scanner.databases[0]?.tables).toEqual([{ schema: 'public', table: 't', rows: 1 }]);
  });
});

describe('the trailer', () => {
  const cluster = '--\n-- PostgreSQL database cluster dump complete\n--\n\n';

  test('a whole cluster dump passes', () => {
    expect(isCompleteScript(scan([Buffer.from(SCRIPT)]).tail, 'cluster')).toBe(true);
    expect(isCompleteScript(cluster, 'cluster')).toBe(true);
  });

  test('\\unrestrict may follow it, as in the dump of one database', () => {
    const tail = '--\n-- PostgreSQL database dump complete\n--\n\n\\unrestrict abc\n\n';
    expect(isCompleteScript(tail, 'database')).toBe(true);
  });

  test.each([
    ['cut anywhere in COPY', SCRIPT.slice(0, SCRIPT.indexOf("it's"))],
    [
      'cut after the last database',
      SCRIPT.slice(
        0,
        SCRIPT.indexOf('\\unrestrict abcDEF123\n\n--\n-- PostgreSQL database cluster'),
      ),
    ],
    ['cut in the trailer itself', '--\n-- PostgreSQL database cluster dump complete'],
    ['empty', ''],
    ['followed by statements: two dumps glued, the second cut', `${cluster}CREATE ROLE x;\n`],
    ['a row that only says so', 'x\t-- PostgreSQL database cluster dump complete\n'],
  ])('refuses one %s', (_name, tail) => {
    expect(isCompleteScript(tail, 'cluster')).toBe(false);
  });

  test('one database is not a cluster', () => {
    expect(isCompleteScript('--\n-- PostgreSQL database dump complete\n--\n', 'cluster')).toBe(
      false,
    );
  });
});
