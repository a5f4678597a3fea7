import { describe, expect, test } from '@jest/globals';
import {
  SqlQuoting,
  connectedDatabase,
  quoteIdentifier,
  readIdentifier,
} from '../../../src/postgres/client/sql-text.js';

/** Which of the lines begin outside of quotes and comments. */
function levels(...lines: string[]): boolean[] {
  const quoting = new SqlQuoting();
  return lines.map((line) => {
    const level = quoting.atStatementLevel;
    quoting.push(line);
    return level;
  });
}

describe('lines that only look like statements', () => {
  test.each([
    ['a string over lines', ["select 'a", 'b', "c';", 'next'], [true, false, false, true]],
    ['a doubled quote', ["select 'it''s", "it';", 'next'], [true, false, true]],
    ['a backslash before the end of a plain string', ["select '\\';", 'next'], [true, true]],
    ['an escaped quote in E strings', ["select E'\\'", "';", 'next'], [true, false, true]],
    ['a name that ends in e before a string', ["select 1 as tree'\\';", 'next'], [true, true]],
    ['a quoted name over lines', ['select "a', 'b";', 'next'], [true, false, true]],
    ['an apostrophe in a quoted name', ['select "it\'s";', 'next'], [true, true]],
    ['dollar quotes', ['as $_$', "it's $$ $x$", '$_$;', 'next'], [true, false, false, true]],
    ['parameters', ['select $1, $2;', 'next'], [true, true]],
    ['a dollar in a name', ['select a$b$c from t;', 'next'], [true, true]],
    ['an apostrophe in a comment', ["-- it's", 'next'], [true, true]],
    ['nested comments', ['/* a /* b', '*/ c', '*/ select', 'next'], [true, false, false, true]],
    ['a quote after a comment sign in a string', ["select '--';", 'next'], [true, true]],
  ])('%s', (_name, lines, expected) => {
    expect(levels(...lines)).toEqual(expected);
  });
});

describe('identifiers', () => {
  test.each([
    ['plain (a, b)', 'plain', ' (a, b)'],
    ['"we ""ird"" n" rest', 'we "ird" n', ' rest'],
    ['"a.b".c', 'a.b', '.c'],
  ])('%s', (text, name, rest) => {
    expect(readIdentifier(text)).toEqual({ name, rest });
  });

  test('what is none gives nothing', () => {
    expect(readIdentifier('1a')).toBeUndefined();
    expect(readIdentifier('"open')).toBeUndefined();
  });

  test('quoting survives a round trip', () => {
    expect(readIdentifier(quoteIdentifier('a"b'))?.name).toBe('a"b');
  });
});

describe('\\connect', () => {
  test.each([
    ['\\connect app', 'app'],
    ['\\connect "App"', 'App'],
    [`\\connect -reuse-previous=on "dbname='it\\'s'"`, "it's"],
    [`\\connect -reuse-previous=on "dbname='a\\\\b ""c"" = d'"`, 'a\\b "c" = d'],
    ['\\restrict app', undefined],
    ['\\connection', undefined],
  ])('%s', (line, database) => {
    expect(connectedDatabase(line)).toBe(database);
  });
});
