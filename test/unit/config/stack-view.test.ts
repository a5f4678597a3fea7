import { describe, expect, test } from '@jest/globals';
import { toStackView } from '../../../src/config/stack-view.js';
import { configOf, fileWith } from './helpers.js';

describe('the stack as planning sees it', () => {
  test('no secret, address or command reaches the history of a workflow', () => {
    const view = toStackView(
      configOf(
        fileWith(
          `a:
  home: /a
  health: [{ type: command, container: c, command: [SECRET] }]
  sources:
    p: { kind: postgres, container: c, passwordFile: /SECRET }
    v: { kind: volume, volume: v, quiesce: { container: c, before: [SECRET], after: [SECRET] } }`,
          'notifications: [{ type: webhook, url: "https://hooks.example/SECRET" }]',
        ),
      ),
    );
    expect(JSON.stringify(view)).not.toContain('SECRET');
    expect(JSON.parse(JSON.stringify(view))).toEqual(view);
  });

  test('targets, categories and policies are carried over', () => {
    const view = toStackView(
      configOf(
        fileWith(
          `a:
  home: /a/
  sources:
    f: { kind: files, category: configs, include: [x], exclude: [y], keep: 2, onChange: expected }
    b: { kind: files, base: /b }
    v: { kind: volume, volume: vol, large: true, quiesce: stop }
    p: { kind: postgres, container: pg }`,
        ),
      ),
    );
    const common = { large: false, quiesced: false, changesExpected: false };
    expect(view.services[0]?.sources).toEqual([
      {
        ...common,
        source: 'f',
        kind: 'files',
        name: 'f',
        category: 'configs',
        keep: 2,
        changesExpected: true,
        target: '/a',
        include: ['x'],
        exclude: ['y'],
      },
      {
        ...common,
        source: 'b',
        kind: 'files',
        name: 'b',
        category: 'data',
        target: '/b',
        include: ['**'],
        exclude: [],
      },
      {
        ...common,
        source: 'v',
        kind: 'volume',
        name: 'vol',
        category: 'docker',
        large: true,
        quiesced: true,
        target: 'vol',
      },
      { ...common, source: 'p', kind: 'postgres', name: 'p', category: 'data', target: 'pg' },
    ]);
    expect(view).toMatchObject({ stack: 'test', hostId: 'host', root: '/backups' });
  });

  test.each([
    ['{}', false],
    ['{ home: /a, sources: { f: { kind: files } } }', false],
    ['{ home: /a, compose: {} }', true],
    ['{ sources: { p: { kind: postgres, container: c } } }', true],
    ['{ sources: { v: { kind: volume, volume: v } } }', true],
    ['{ health: [{ type: container, container: c }] }', true],
    ['{ health: [{ type: http, url: "http://127.0.0.1:1" }] }', false],
  ])('whether there are containers to stop is known: %s → %s', (service, expected) => {
    const view = toStackView(configOf(fileWith(`a: ${service}`)));
    expect(view.services[0]?.hasContainers).toBe(expected);
  });
});
