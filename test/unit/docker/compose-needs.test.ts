import { describe, expect, test } from '@jest/globals';
import { composeModel, serviceOfContainer } from '../../../src/docker/compose/compose-model.js';
import { imagesOf, postgresMajor } from '../../../src/docker/engine/images.js';

describe('what a compose file needs of the host', () => {
  test('external networks and volumes by their real names, in the old and the new way', () => {
    expect(
      composeModel('p', {
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
    ).toMatchObject({
      externalNetworks: ['outer', 'older', 'bare'],
      externalVolumes: ['real_data'],
    });
    expect(composeModel('p', 'no compose file')).toMatchObject({
      externalNetworks: [],
      externalVolumes: [],
    });
  });

  test('the service that makes a container, by its name or by the one compose gives', () => {
    const model = composeModel('p', {
      services: { db: { container_name: 'ml_db' }, web: {}, p_web_1: { container_name: 'other' } },
    });
    expect(serviceOfContainer(model, 'ml_db')).toBe('db');
    expect(serviceOfContainer(model, 'p_web_1')).toBe('web');
    expect(serviceOfContainer(model, 'p-web-1')).toBe('web');
    // One with a name of its own does not get the other.
    expect(() => serviceOfContainer(model, 'p_db_1')).toThrow(
      expect.objectContaining({ code: 'CONTAINER_NOT_FOUND' }),
    );
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
