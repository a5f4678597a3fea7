import { describe, expect, test } from '@jest/globals';
import { renameExpression } from '../../../src/tar/rename-members.js';
import { pathBelow } from '../../../src/tree/unpack/foreign.js';
import { StripPrefixFinder, type StripTarget } from '../../../src/legacy/strip-prefix.js';

const MLOPS: StripTarget = { kind: 'files', target: '/srv/mlopsnew', include: ['**'] };
const CONFIGS: StripTarget = { ...MLOPS, include: ['docker-compose.*.yml', 'config/grafana'] };
const MODEL: StripTarget = {
  kind: 'files',
  target: '/home/prohorov/.cache/huggingface/hub/models--A--b',
  include: ['blobs', 'snapshots', 'refs'],
};
const VOLUME: StripTarget = { kind: 'volume', target: 'ml_grafana', include: ['**'] };

function prefixOf(target: StripTarget, names: readonly string[]): string {
  const finder = new StripPrefixFinder(target);
  for (const name of names) finder.push(name, name.endsWith('/'));
  return finder.decide().prefix;
}

describe('what is taken off the names of an archive', () => {
  test.each<[string, StripTarget, string[], string]>([
    ['the script’s mount of a volume', VOLUME, ['data/', 'data/a', 'data/b/'], 'data'],
    [
      '… which holds a directory of that name',
      VOLUME,
      ['data/', 'data/data/', 'data/data/a'],
      'data',
    ],
    [
      'the engine’s own directory',
      VOLUME,
      ['ml_grafana/_data/', 'ml_grafana/_data/a'],
      'ml_grafana/_data',
    ],
    ['nothing of tar -C /data .', VOLUME, ['./', './a', './b'], ''],
    ['nothing of tar -C /data . with a lone data', VOLUME, ['./', './data/', './data/a'], ''],
    ['nothing of several names', VOLUME, ['a', 'b/', 'b/c'], ''],
    ['the directory’s name', MLOPS, ['mlopsnew/', 'mlopsnew/x'], 'mlopsnew'],
    ['its whole path', MLOPS, ['srv/mlopsnew/', 'srv/mlopsnew/x'], 'srv/mlopsnew'],
    ['its path elsewhere', MLOPS, ['opt/mlopsnew/', 'opt/mlopsnew/x'], 'opt/mlopsnew'],
    [
      'only the outer of two of that name',
      MLOPS,
      ['mlopsnew/', 'mlopsnew/mlopsnew/', 'mlopsnew/mlopsnew/a'],
      'mlopsnew',
    ],
    [
      '… of its whole path, too',
      MLOPS,
      ['srv/mlopsnew/mlopsnew/', 'srv/mlopsnew/mlopsnew/a'],
      'srv/mlopsnew',
    ],
    ['nothing of tar -C base .', MLOPS, ['./', './x', './y/'], ''],
    [
      'the common part of several arguments',
      CONFIGS,
      [
        'srv/mlopsnew/docker-compose.a.yml',
        'srv/mlopsnew/config/grafana/',
        'srv/mlopsnew/config/grafana/x',
      ],
      'srv/mlopsnew',
    ],
    [
      'nothing where the names are the included ones',
      CONFIGS,
      ['config/grafana/', 'config/grafana/x'],
      '',
    ],
    [
      'a model of another home',
      MODEL,
      [
        'home/other/.cache/huggingface/hub/models--A--b/blobs/',
        'home/other/.cache/huggingface/hub/models--A--b/refs/main',
      ],
      'home/other/.cache/huggingface/hub/models--A--b',
    ],
    ['doubled slashes and dots', VOLUME, ['./data/./', './data//a'], 'data'],
  ])('is %s', (_what, target, names, expected) => {
    expect(prefixOf(target, names)).toBe(expected);
  });

  test.each<[string, StripTarget, string[]]>([
    ['a whole tree below one strange name', MLOPS, ['other/', 'other/x']],
    ['a volume below one strange name', VOLUME, ['grafana/', 'grafana/a']],
    [
      '. that holds a directory called like the place',
      MLOPS,
      ['./', './mlopsnew/', './mlopsnew/x'],
    ],
    ['nothing the source includes', CONFIGS, ['mlopsnew/', 'mlopsnew/data/', 'mlopsnew/data/x']],
    ['a file of the name of the mount', VOLUME, ['data']],
    ['names that only begin alike', MLOPS, ['mlopsnew-old/', 'mlopsnew-old/x']],
  ])('is not guessed: %s', (_what, target, names) => {
    expect(() => prefixOf(target, names)).toThrow(/can't be told/);
  });

  test('counts what the source would not include', () => {
    const finder = new StripPrefixFinder(CONFIGS);
    finder.push('mlopsnew/docker-compose.a.yml', false);
    finder.push('mlopsnew/secret/', true);
    finder.push('mlopsnew/secret/key', false);
    expect(finder.decide()).toEqual({ prefix: 'mlopsnew', outside: 1 });
  });
});

test('a path is below a prefix by whole names only', () => {
  expect(pathBelow('database/x', 'data')).toBeUndefined();
  expect(pathBelow('./data//x/', 'data')).toBe('x');
  expect(pathBelow('data', 'data')).toBe('');
});

test('an expression for tar means the prefix literally', () => {
  expect(renameExpression('a.b*c')).toContain('^a\\.b\\*c/');
  expect(renameExpression('with,comma')).toContain('s|^with,comma/|./|');
});
