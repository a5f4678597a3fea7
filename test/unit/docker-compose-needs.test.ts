import { describe, expect, test } from '@jest/globals';
import { externalsOf } from '../../src/docker/externals.js';
import { imagesOf, postgresMajor } from '../../src/docker/images.js';

describe('what a compose file needs of the host', () => {
  test('external networks and volumes by their real names, in the old and the new way', () => {
    expect(
      externalsOf({
        networks: {
          default: { external: true, name: 'outer' },
          inner: null,
          old: { external: { name: 'older' } },
          bare: { external: true },
          own: { name: 'own' },
          not: { external: false, name: 'x' },
        },
        volumes: { data: { external: true, name: 'real_data' }, cache: {} },
      }),
    ).toEqual({ networks: ['outer', 'older', 'bare'], volumes: ['real_data'] });
    expect(externalsOf('no compose file')).toEqual({ networks: [], volumes: [] });
  });

  test('images, a later file overriding an earlier one; none that is built or holds a variable', () => {
    expect(
      imagesOf([
        `services:
  a: { image: 'one:1', container_name: named }
  b: { build: . , image: 'built:1' }
  c: { image: 'three:\${TAG}' }
  d: {}`,
        `services:
  a: { image: 'one:2' }`,
        'not: [valid',
      ]),
    ).toEqual([{ composeService: 'a', image: 'one:2', containerName: 'named' }]);
  });

  test('the version of a server image by what its environment says', () => {
    expect(postgresMajor(['PATH=/bin', 'PG_MAJOR=15'])).toBe(15);
    expect(postgresMajor(['PG_VERSION=15.2'])).toBeUndefined();
  });
});
