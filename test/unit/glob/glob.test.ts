import { describe, expect, test } from '@jest/globals';
import { compileGlob } from '../../../src/glob/glob.js';

const matches = (pattern: string, path: string): boolean =>
  compileGlob(pattern).some((glob) => glob.matches(path));

describe('a glob', () => {
  test.each([
    ['**', 'a'],
    ['**', 'a/b/.hidden'],
    ['**', 'line\nbreak/x'],
    ['*', '.env'],
    ['*', 'line\nbreak'],
    ['a/**', 'a/b'],
    ['a/**', 'a/b/c'],
    ['**/x', 'x'],
    ['**/x', 'a/b/x'],
    ['a/**/x', 'a/x'],
    ['a/**/x', 'a/b/c/x'],
    ['*.yml', 'compose.yml'],
    ['./conf/', 'conf'],
    ['conf//x', 'conf/x'],
    ['?', '🙂'],
    ['na?ve', 'naïve'],
    ['[a-c]x', 'bx'],
    ['[!a-c]x', 'dx'],
    ['[]]', ']'],
    ['[a\\]]*', ']x'],
    ['*.{yml,yaml}', 'a.yaml'],
    ['{a,b{1,2}}/x', 'b2/x'],
    ['\\*', '*'],
    ['a{b}', 'a{b}'],
    ['data (copy)', 'data (copy)'],
    ['a+b.$', 'a+b.$'],
    ['!x', '!x'],
    ['a**b', 'axxb'],
  ])('"%s" matches "%s"', (pattern, path) => {
    expect(matches(pattern, path)).toBe(true);
  });

  test.each([
    ['*', 'a/b'],
    ['*.yml', 'conf/compose.yml'],
    ['a/**', 'a'],
    ['a/**', 'ab/c'],
    ['**/x', 'ax'],
    ['a?b', 'a/b'],
    ['a[!x]b', 'a/b'],
    ['[!a-c]x', 'ax'],
    ['\\*', 'x'],
    ['a.b', 'axb'],
    ['conf', 'conf/x'],
    ['a**b', 'a/b'],
    ['*.{yml,yaml}', 'a.json'],
  ])('"%s" does not match "%s"', (pattern, path) => {
    expect(matches(pattern, path)).toBe(false);
  });

  test.each([
    ['a/b/*.yml', 'a/b', false],
    ['a/b', 'a/b', true],
    ['**/x', '', false],
    ['a\\*/b', 'a*/b', true],
    ['./a/', 'a', true],
  ])('"%s" can match only below "%s"', (pattern, prefix, literal) => {
    expect(compileGlob(pattern)).toMatchObject([{ fixedPrefix: prefix, literal }]);
  });

  test.each(['../x', 'a/../b', 'a[/]b', '[a', 'a/[!'])('"%s" is refused', (pattern) => {
    expect(() => compileGlob(pattern)).toThrow(expect.objectContaining({ code: 'CONFIG_INVALID' }));
  });

  test.each([
    ['**/x', 'a/b', true],
    ['a/*/x', 'a/b', true],
    ['a/*', 'a', true],
    ['a/*', 'a/b', false],
    ['*.yml', 'data', false],
    ['b/**', 'a', false],
    ['**', '', true],
  ])('"%s" may match below "%s": %s', (pattern, directory, expected) => {
    expect(compileGlob(pattern).some((glob) => glob.mayMatchBelow(directory))).toBe(expected);
  });

  test('does not take forever over a long name', () => {
    const started = Date.now();
    matches('*a*a*a*a*b', 'a'.repeat(255));
    matches('**/a/**/a/**/a/**/b', 'a/'.repeat(100));
    expect(Date.now() - started).toBeLessThan(2000);
  });
});
