import { expect, test } from '@jest/globals';
import { chooseArtifacts, chooseOneArtifact } from '../../../src/cli/artifact-choice.js';
import type { SetArtifact, SetFile } from '../../../src/format/manifest.js';

const artifact = (service: string, source: string): SetArtifact =>
  ({ service, source }) as SetArtifact;
const set = {
  id: '20260101_010000',
  tier: 'daily',
  artifacts: [artifact('db', 'configs'), artifact('app', 'configs'), artifact('app', 'data')],
} as unknown as SetFile;

test.each([
  [['configs'], ['db/configs', 'app/configs']],
  [['app/configs'], ['app/configs']],
  [
    ['app/data', 'db/configs'],
    ['db/configs', 'app/data'],
  ],
])('%j means %j: as a source, or as every output writes it', (source, expected) => {
  const chosen = chooseArtifacts(set, { source });
  expect(chosen.map((one) => `${one.service}/${one.source}`)).toEqual(expected);
});

test('a source of another service is not there', () => {
  expect(() => chooseArtifacts(set, { source: ['db/data'] })).toThrow('has no source db/data');
  expect(() => chooseArtifacts(set, { service: ['db'], source: ['app/data'] })).toThrow(
    'has no source app/data',
  );
});

test('service/source is enough to mean one', () => {
  expect(chooseOneArtifact(set, { source: ['app/configs'] })).toEqual(artifact('app', 'configs'));
  expect(() => chooseOneArtifact(set, { source: ['configs'] })).toThrow('several sources');
});
