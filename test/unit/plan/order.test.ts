import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { dependentsOf, findCycles, stagesOf, stopOrder } from '../../../src/plan/shared/order.js';

const guide = {
  pgdb: { after: [] },
  saiga: { after: [] },
  mlopsnew: { after: ['pgdb', 'saiga'] },
  agent: { after: ['mlopsnew'] },
  webbot: { after: ['agent'] },
  webbot2: { after: ['agent'] },
};

/** Services that only come after earlier ones: no cycles, any shape. */
const acyclic = fc
  .array(fc.array(fc.nat({ max: 20 }), { maxLength: 4 }), { minLength: 1, maxLength: 12 })
  .map((rows) =>
    Object.fromEntries(
      rows.map((row, index) => [
        `s${index}`,
        { after: index === 0 ? [] : [...new Set(row.map((each) => `s${each % index}`))] },
      ]),
    ),
  );

function reaches(services: Record<string, { after: string[] }>, from: string, to: string): boolean {
  return (services[from]?.after ?? []).some((next) => next === to || reaches(services, next, to));
}

describe('stages', () => {
  test('what does not wait for each other is side by side, in the order of the file', () => {
    expect(stagesOf(guide)).toEqual([
      ['pgdb', 'saiga'],
      ['mlopsnew'],
      ['agent'],
      ['webbot', 'webbot2'],
    ]);
  });

  test('a selection keeps its order by way of services left out', () => {
    expect(stagesOf(guide, ['webbot', 'pgdb'])).toEqual([['pgdb'], ['webbot']]);
  });

  test('a selection of strangers is one stage, not one a layer', () => {
    const services = { a: { after: [] }, b: { after: ['a'] }, c: { after: [] } };
    expect(stagesOf(services, ['b', 'c'])).toEqual([['b', 'c']]);
  });

  test('a cycle is an error, not an endless loop', () => {
    const services = { a: { after: ['b'] }, b: { after: ['a'] } };
    expect(() => stagesOf(services)).toThrow('a → b → a');
    expect(findCycles(services)).toEqual([['a', 'b', 'a']]);
  });

  test('all unknown services are named, and the known ones', () => {
    expect(() => stagesOf(guide, ['pgdb', 'foo', 'bar'])).toThrow('foo, bar');
    expect(() => stagesOf(guide, ['constructor'])).toThrow('unknown service');
    try {
      stagesOf(guide, ['foo']);
    } catch (error) {
      expect(error).toMatchObject({
        code: 'UNKNOWN_SERVICE',
        hint: expect.stringContaining('pgdb'),
      });
    }
    expect.assertions(3);
  });

  test('whatever the shape and selection: each once, nothing before what it comes after', () => {
    fc.assert(
      fc.property(acyclic, fc.func(fc.boolean()), (services, pick) => {
        const selection = Object.keys(services).filter((name) => pick(name));
        const stages = stagesOf(services, selection);
        expect(stages.flat().sort()).toEqual([...selection].sort());
        expect(stages.every((stage) => stage.length > 0)).toBe(true);
        const layer = new Map(stages.flatMap((stage, at) => stage.map((name) => [name, at])));
        for (const later of selection) {
          for (const earlier of selection) {
            if (!reaches(services, later, earlier)) continue;
            expect(layer.get(later)).toBeGreaterThan(layer.get(earlier) ?? Infinity);
          }
        }
      }),
    );
  });
});

describe('what hangs on what', () => {
  test('dependents are found through others, without the ones asked for', () => {
    expect(dependentsOf(guide, ['mlopsnew'])).toEqual(['agent', 'webbot', 'webbot2']);
    expect(dependentsOf(guide, ['pgdb', 'agent'])).toEqual(['mlopsnew', 'webbot', 'webbot2']);
    expect(dependentsOf(guide, ['webbot'])).toEqual([]);
  });

  test('services stop in the exact reverse of the order they start in', () => {
    expect(stopOrder(guide, ['pgdb', 'agent', 'webbot', 'webbot2'])).toEqual([
      'webbot2',
      'webbot',
      'agent',
      'pgdb',
    ]);
  });

  test('whatever the shape: dependents are exactly those that reach one of the names', () => {
    fc.assert(
      fc.property(acyclic, fc.nat(), (services, at) => {
        const names = Object.keys(services);
        const name = names[at % names.length] ?? '';
        expect(dependentsOf(services, [name])).toEqual(
          names.filter((each) => reaches(services, each, name)),
        );
      }),
    );
  });
});
