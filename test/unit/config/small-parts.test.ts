import { describe, expect, test } from '@jest/globals';
import { resolveComposeFiles } from '../../../src/docker/compose/compose-files.js';
import { cronProblem } from '../../../src/format/config/cron.js';
import { nearest, suggestion } from '../../../src/base/nearest.js';

describe('cron lines', () => {
  test.each([
    '0 1 * * *',
    '30 1 * * *',
    '0 1 * * 0',
    '0 1 * * 7',
    '0 1 1 * *',
    '*/15 0-6,18-23 * * mon-fri',
    '0 1 29 feb *',
    '0 1 31 * *',
    '5/20 * * JAN,dec Sun',
  ])('%s fires', (line) => {
    expect(cronProblem(line)).toBeUndefined();
  });

  test.each([
    ['60 1 * * *', 'minute "60"'],
    ['0 24 * * *', 'hour "24"'],
    ['0 1 0 * *', 'day-of-month "0"'],
    ['0 1 32 * *', 'day-of-month'],
    ['0 1 * 13 *', 'month "13"'],
    ['0 1 * * 8', 'day-of-week "8"'],
    ['0 1 * * sonntag', '0-7 or sun-sat'],
    ['5-1 * * * *', 'minute'],
    ['*/0 * * * *', 'minute'],
    ['1- * * * *', 'minute'],
    ['1,,2 * * * *', 'minute'],
    ['*-5 * * * *', 'minute'],
    ['1/2/3 * * * *', 'minute'],
    ['0 1 30 2 *', 'never fires'],
    ['0 1 31 4,6,9,11 *', 'never fires'],
  ])('%s does not: %s', (line, words) => {
    expect(cronProblem(line)).toContain(words);
  });
});

describe('did you mean', () => {
  test('typos are understood: left out, added, swapped, replaced, in another case', () => {
    const known = ['pgdb', 'mlopsnew', 'webbot'];
    for (const typo of ['pgb', 'pgdbb', 'pgbd', 'pgdx', 'PGDB']) {
      expect(nearest(typo, known)).toBe('pgdb');
    }
  });

  test('something else entirely is not guessed at, but the choices are named', () => {
    expect(nearest('redis', ['pgdb', 'agent'])).toBeUndefined();
    expect(suggestion('redis', ['pgdb', 'agent'])).toBe('known: pgdb, agent');
    expect(suggestion('redis', [])).toBeUndefined();
  });
});

describe('compose files', () => {
  const names = [
    'docker-compose.monitoring.yml',
    'docker-compose.exporters.yml',
    'docker-compose.test.yml',
    'docker-compose.yml',
    'notes.txt',
  ];

  test('the order does not depend on the file system', () => {
    const expected = ['docker-compose.exporters.yml', 'docker-compose.monitoring.yml'];
    const patterns = ['docker-compose.*.yml', '!docker-compose.test.yml'];
    expect(resolveComposeFiles(patterns, names)).toEqual(expected);
    expect(resolveComposeFiles(patterns, [...names].reverse())).toEqual(expected);
  });

  test('a named file keeps its place, once, and is not lost where it is missing', () => {
    expect(resolveComposeFiles(['docker-compose.yml', '*.yml', 'missing.yml'], names)).toEqual([
      'docker-compose.yml',
      'docker-compose.exporters.yml',
      'docker-compose.monitoring.yml',
      'docker-compose.test.yml',
      'missing.yml',
    ]);
  });

  test('nothing matched is nothing, for the caller to refuse', () => {
    expect(resolveComposeFiles(['x*.yml'], names)).toEqual([]);
  });
});
