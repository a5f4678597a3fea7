import { expect, test } from '@jest/globals';
import { RestoreReport } from '../../../src/postgres/load/restore-report.js';

function reportOf(text: string): RestoreReport {
  const report = new RestoreReport();
  for (const line of text.split('\n')) report.push(line);
  return report;
}

test('every failed entry is known with its errors', () => {
  const report = reportOf(`pg_restore: while PROCESSING TOC:
pg_restore: from TOC entry 3313; 0 16390 TABLE DATA a_items postgres
pg_restore: error: COPY failed for table "a_items": ERROR:  relation "z_kinds" does not exist
LINE 2:  select exists(select from z_kinds where kind = k) 
QUERY:  
CONTEXT:  SQL function "kind_exists" during inlining
pg_restore: from TOC entry 3170; 1259 16402 INDEX people_name postgres
pg_restore: error: could not execute query: ERROR:  function unaccent(unknown, text) does not exist
Command was: CREATE INDEX people_name ON public.people USING btree (public.f_unaccent(name));


pg_restore: error: could not execute query: ERROR:  relation "x" does not exist
pg_restore: warning: errors ignored on restore: 3`);
  expect(report.failed).toEqual([
    {
      id: 3313,
      label: 'TABLE DATA a_items postgres',
      errors: ['relation "z_kinds" does not exist'],
    },
    {
      id: 3170,
      label: 'INDEX people_name postgres',
      errors: ['function unaccent(unknown, text) does not exist', 'relation "x" does not exist'],
    },
  ]);
  expect(report.cameToItsEnd(1)).toBe(true);
  expect(report.hopeless).toBeUndefined();
});

test('lines of parallel jobs that ran into each other still name every entry', () => {
  const report = reportOf(
    `pg_restore: pg_restore: from TOC entry 5; 0 7 TABLE DATA a b
from TOC entry 9; 0 8 TABLE DATA c d
pg_restore: error: COPY failed for table "a": ERROR:  division by zero`,
  );
  expect(report.failed.map(({ id }) => id)).toEqual([5, 9]);
});

test('as pg_restore 11 words it', () => {
  const report = reportOf(`pg_restore: [archiver (db)] Error while PROCESSING TOC:
pg_restore: [archiver (db)] Error from TOC entry 197; 1259 16386 TABLE t postgres
pg_restore: [archiver (db)] could not execute query: ERROR:  type "missing" does not exist
WARNING: errors ignored on restore: 1`);
  expect(report.failed).toEqual([
    { id: 197, label: 'TABLE t postgres', errors: ['type "missing" does not exist'] },
  ]);
  expect(report.cameToItsEnd(1)).toBe(true);
});

test('an end before its time is no end, and what is hopeless is known at once', () => {
  const cut = reportOf('pg_restore: error: could not read from input file: end of file');
  expect(cut.cameToItsEnd(1)).toBe(false);
  expect(cut.cameToItsEnd(0)).toBe(false);
  expect(reportOf('pg_restore: creating TABLE "a"').cameToItsEnd(0)).toBe(true);
  const nameless = reportOf(`pg_restore: error: could not execute query: ERROR:  x
pg_restore: warning: errors ignored on restore: 1`);
  expect(nameless.cameToItsEnd(1)).toBe(false);
  const early = reportOf(`pg_restore: while INITIALIZING:
pg_restore: error: could not execute query: ERROR:  unrecognized configuration parameter "x"
pg_restore: warning: errors ignored on restore: 1`);
  expect(early.cameToItsEnd(1)).toBe(true);
  for (const line of [
    'pg_restore: error: COPY failed for table "a": ERROR:  could not extend file "base/1/2": No space left on device',
    'pg_restore: error: could not execute query: server closed the connection unexpectedly',
  ]) {
    expect(reportOf(line).hopeless).toBe(line);
  }
  const shm =
    'pg_restore: error: could not execute query: ERROR:  could not resize shared memory segment "/PostgreSQL.1" to 67145824 bytes: No space left on device';
  expect(reportOf(shm).hopeless).toBeUndefined();
});
