import { expect, test } from '@jest/globals';
import { enteredBy } from '../../../activities/preflight/preflight-trees.js';

const entered = (source: Partial<Parameters<typeof enteredBy>[0]>, mount: string): boolean =>
  enteredBy({ include: ['**'], exclude: [], oneFileSystem: true, ...source })(mount);

test.each([
  [{}, 'data', false],
  [{ include: ['data/**'] }, 'data', true],
  [{ include: ['data/x/*.db'] }, 'data', true],
  [{ include: ['other/**'] }, 'data', false],
  [{ include: ['data/**'] }, 'data/inner', false],
  [{ oneFileSystem: false }, 'data', true],
  [{ oneFileSystem: false, exclude: ['data'] }, 'data', false],
  [{ oneFileSystem: false, exclude: ['da*'] }, 'data/inner', false],
  [{ oneFileSystem: false, include: ['conf/**'] }, 'data', false],
  [{ oneFileSystem: false, include: ['data/**'] }, 'data/inner', true],
])('a backup of %j has the content of a mount on %s: %s', (source, mount, expected) => {
  expect(entered(source, mount)).toBe(expected);
});
