import { describe, expect, test } from '@jest/globals';
import type { ArtifactDetails } from '../../../src/cli/artifact-details.js';
import { errorAsJson, reportError } from '../../../src/cli/output/report-error.js';
import { Style, speaksUnicode, wantsColour } from '../../../src/cli/render/style.js';
import { displayWidth } from '../../../src/cli/render/text.js';
import { describeDrill, shortDrill } from '../../../src/cli/views/runs/drill-view.js';
import { renderList } from '../../../src/cli/views/sets/list-view.js';
import { renderPlan } from '../../../src/cli/views/runs/plan-view.js';
import { summarizeSet } from '../../../src/cli/views/sets/set-rows.js';
import { renderSet } from '../../../src/cli/views/sets/show-view.js';
import type { CliHost } from '../../../src/cli/host/context.js';
import type { Ports } from '../../../src/cli/host/ports.js';
import { watchCommand } from '../../../src/cli/host/follow.js';
import { HoldfastError } from '../../../src/base/errors.js';
import type { SetArtifact, SetFile } from '../../../src/format/manifest.js';
import type { Pin } from '../../../src/store/catalogue/pins.js';
import type { RecordedDamage } from '../../../src/store/verify/verification.js';
import { PassThrough } from 'node:stream';
import { examplePlan } from '../../integration/cli-support/fake-runs.js';

const plain = new Style({ colour: false, unicode: true });
const NOW = Date.parse('2024-12-12T12:00:00Z');

const artifact: SetArtifact = {
  service: 'pgdb',
  source: 'pgdump',
  kind: 'postgres',
  path: 'pgdb/daily/data/pgdump_20241212_010000',
  manifestSha256: 'a'.repeat(64),
  contentBytes: 3 * 1024 ** 3,
  storedBytes: 1024 ** 3,
  entries: 214,
  consistent: true,
};

function setFile(extra: Partial<SetFile> = {}): SetFile {
  return {
    format: 'holdfast-set',
    version: 1,
    id: '20241212_010000',
    tier: 'daily',
    stack: 'ml',
    host: 'gpu1',
    configDigest: 'c',
    status: 'success',
    problems: [],
    scope: 'all',
    startedAt: '2024-12-12T09:00:00.000Z',
    finishedAt: '2024-12-12T09:20:00.000Z',
    workflowId: 'holdfast/ml/backup/20241212_010000',
    artifacts: [artifact],
    ...extra,
  };
}

describe('list', () => {
  const facts = {
    storedBytes: 1024 ** 3,
    sharedBytes: 0,
    freedBytes: 5 * 1024 ** 2,
    lacks: [],
    verification: null,
    pinned: null,
  };
  const verified = {
    at: '2024-12-12T09:00:00.000Z',
    level: 'hashes',
    ok: true,
    damagedFiles: 0,
  } as const;
  const drilled = {
    at: '2024-12-12T09:00:00.000Z',
    status: 'passed',
    whole: true,
    restoreMs: 250_000,
    onlySampled: false,
    drills: 1,
  } as const;
  const sets = [
    { ...summarizeSet(setFile(), NOW), ...facts, verification: verified, drill: drilled },
    {
      ...summarizeSet(
        setFile({
          id: '20241211_010000',
          tier: 'monthly',
          status: 'degraded',
          scope: ['pgdb', 'agent'],
          problems: [{ service: 'agent', source: 'data', code: 'X', message: 'no' }],
        }),
        NOW,
      ),
      ...facts,
      verification: { ...verified, ok: false, damagedFiles: 2 },
      drill: { ...drilled, whole: false, restoreMs: 4_210_000 },
      pinned: { at: '2024-12-12T10:00:00.000Z', note: 'why' },
    },
  ];

  test('shows each set on a line', () => {
    expect(renderList(sets, 120, NOW, plain)).toEqual([
      'SET              TIER      STATUS    AGE  SERVICES       CONTENT   STORED    FREES  VERIFIED  DRILLED        PROBLEMS',
      '20241212_010000  daily     success    2h  all: pgdb      3.0 GiB  1.0 GiB  5.0 MiB  ok 3h     4m 10s                0',
      '20241211_010000  monthly*  degraded   2h  pgdb, (agent)  3.0 GiB  1.0 GiB  5.0 MiB  damaged   1h 10m (part)         1',
    ]);
  });

  test('shows no time of a drill that restored nothing whole', () => {
    const drill = { ...drilled, whole: false, onlySampled: true };
    expect(shortDrill(drill, plain)).toBe('sampled');
    expect(describeDrill(drill, NOW, plain)).toMatch(/^passed .* ago, samples only/);
  });

  test.each([80, 100, 120])('fits %i columns', (columns) => {
    for (const line of renderList(sets, columns, NOW, plain)) {
      expect(displayWidth(line)).toBeLessThanOrEqual(columns);
    }
  });

  test('on a narrow terminal counts the services, so that a missing one still shows', () => {
    expect(renderList(sets, 80, NOW, plain)[2]).toContain('1 of 2');
  });
});

describe('show', () => {
  const details: ArtifactDetails = { artifact, manifestState: 'ok', manifest: undefined };

  const facts = {
    storedBytes: 1024 ** 3,
    sharedBytes: 2 * 1024 ** 2,
    freedBytes: 1024 ** 2,
    lacks: [],
    verification: null,
    drill: null,
    pinned: null,
  };

  function page(
    all: readonly ArtifactDetails[],
    columns: number,
    damage: readonly RecordedDamage[] = [],
    pinned: Pin | null = null,
  ): string {
    const summary = summarizeSet(setFile(), NOW);
    const shown = {
      ...{ summary: { ...summary, ...facts, pinned }, artifacts: all, damage },
      ...{ drills: [], root: '/backups' },
    };
    return renderSet(shown, columns, NOW, plain).join('\n');
  }

  test('never cuts a path, and never is wider than the terminal otherwise', () => {
    for (const columns of [80, 120, 160]) {
      const text = page([details], columns);
      expect(text).toContain(artifact.path);
      for (const line of text.split('\n')) expect(displayWidth(line)).toBeLessThanOrEqual(columns);
    }
  });

  test.each([
    ['missing', 'missing on disk'],
    ['changed', 'manifest altered'],
    ['unreadable', 'unreadable'],
  ] as const)('says when the manifest is %s', (manifestState, words) => {
    expect(page([{ ...details, manifestState }], 120)).toContain(words);
  });

  test('says what removing the set would free', () => {
    expect(page([details], 80)).toContain('2.0 MiB shared with other sets, removing it frees 1.0');
  });

  test('says since when a set is pinned, and why, on one line; and nothing of one that is not', () => {
    const at = '2024-12-12T10:00:00.000Z';
    expect(page([details], 120, [], { at, note: 'before\nthe move' })).toMatch(
      /^ {2}pinned {4}2024-12-1\d \d\d:00:00: before.{1,2}the move$/m,
    );
    expect(page([details], 120, [], { at, note: '' })).toMatch(/^ {2}pinned .*:00:00$/m);
    expect(page([details], 120, [], { at: null, note: 'its record is damaged' })).toContain(
      'pinned    its record is damaged\n',
    );
    expect(page([details], 120)).not.toContain('pinned');
  });

  test('names what a verification found, and the sets that share it', () => {
    const text = page([details], 120, [
      {
        service: 'pgdb',
        source: 'pgdump',
        artifact: artifact.path,
        file: 'shop.dump',
        expected: 'a',
        actual: 'b',
        level: 'hashes',
        identity: '1:2',
        at: '2024-12-12T09:00:00.000Z',
        sets: ['20241211_010000-daily', '20241212_010000-daily'],
      },
    ]);
    expect(text).toContain(`${artifact.path}/shop.dump`);
    expect(text).toContain('also in 20241211_010000-daily\n');
    expect(text).toMatch(/pgdb\/pgdump .* damaged/);
  });

  test('tells the restore command, with the tier, so that it is unmistakable', () => {
    expect(page([details], 80)).toContain('\n  holdfast restore 20241212_010000-daily');
  });
});

describe('plan', () => {
  test('names what is stopped, what is replaced and every remark, within the width', () => {
    const lines = renderPlan(examplePlan(), 'ml', 80, plain);
    const text = lines.join('\n');
    expect(text).toContain('webbot → agent → pgdb');
    expect(text).toContain('replaces all data of the server in ml_postgres');
    expect(text).toContain('webbot  nothing is replaced; started again');
    expect(text).toContain('note: agent/qdrant is inside agent/data');
    expect(text).toContain('warning: the newest set, 20241212_010000-daily, is degraded');
    for (const line of lines) expect(displayWidth(line)).toBeLessThanOrEqual(80);
  });
});

describe('style', () => {
  test('NO_COLOR, --no-color, a pipe and a dumb terminal mean no colours', () => {
    expect(wantsColour({}, true, true)).toBe(true);
    expect(wantsColour({ NO_COLOR: '1' }, true, true)).toBe(false);
    expect(wantsColour({ NO_COLOR: '' }, true, true)).toBe(true);
    expect(wantsColour({}, true, false)).toBe(false);
    expect(wantsColour({}, false, true)).toBe(false);
    expect(wantsColour({ TERM: 'dumb' }, true, true)).toBe(false);
    expect(wantsColour({ FORCE_COLOR: '1' }, false, true)).toBe(true);
    expect(wantsColour({ FORCE_COLOR: '1', NO_COLOR: '1' }, true, true)).toBe(false);
  });

  test('a locale without UTF-8 gets ASCII', () => {
    expect(speaksUnicode({ LANG: 'C' })).toBe(false);
    expect(speaksUnicode({ LANG: 'C', LC_ALL: 'ru_RU.UTF-8' })).toBe(true);
    expect(speaksUnicode({})).toBe(true);
    expect(new Style({ colour: false, unicode: false }).mark('done')).toBe('+');
  });
});

describe('errors', () => {
  function report(error: unknown, json: boolean, env: Record<string, string> = {}) {
    const written = { out: '', err: '' };
    const output = (side: 'out' | 'err') => ({
      write: (text: string) => void (written[side] += text),
      isTerminal: false,
      columns: () => 80,
      rows: () => 24,
      stream: new PassThrough(),
    });
    const host: CliHost = {
      out: output('out'),
      err: output('err'),
      stdin: new PassThrough(),
      env,
      ports: {} as Ports,
      onSignal: () => () => undefined,
      exitNow: () => undefined,
    };
    const exitCode = reportError(error, host, { json, color: false });
    return { exitCode, ...written };
  }

  test('go to standard error with hint and code, and decide the exit code', () => {
    const error = new HoldfastError('CONFIG_NOT_FOUND', 'none', { hint: 'make one' });
    expect(report(error, false)).toEqual({
      exitCode: 2,
      out: '',
      err: 'error: none\nhint: make one\ncode: CONFIG_NOT_FOUND\n',
    });
  });

  test('several problems stand below each other', () => {
    const error = new HoldfastError('CONFIG_INVALID', 'a.yaml:1:1 one\na.yaml:2:1 two');
    expect(report(error, false).err).toBe(
      'error:\n  a.yaml:1:1 one\n  a.yaml:2:1 two\ncode: CONFIG_INVALID\n',
    );
  });

  test('with --json are one object on standard output', () => {
    const error = new HoldfastError('DISK_FULL', 'full', { facts: { path: '/backups' } });
    const { exitCode, out, err } = report(error, true);
    expect(exitCode).toBe(1);
    expect(err).toBe('');
    expect(JSON.parse(out)).toEqual({
      error: { code: 'DISK_FULL', message: 'full', hint: null, facts: { path: '/backups' } },
    });
    expect(Object.keys(errorAsJson(error))).toEqual(['code', 'message', 'hint', 'facts']);
  });

  test('that nobody foresaw show no stack, unless asked', () => {
    const error = new TypeError('x is undefined');
    const usual = report(error, false);
    expect(usual.exitCode).toBe(1);
    expect(usual.err).toContain('code: INTERNAL');
    expect(usual.err).not.toContain('    at ');
    expect(report(error, false, { HOLDFAST_DEBUG: '1' }).err).toContain('    at ');
  });
});

test('the command that follows a run works when pasted into a shell', () => {
  const local = { address: '127.0.0.1:7233', namespace: 'default' };
  expect(watchCommand(local, 'holdfast/ml/backup/1')).toBe(
    'temporal workflow show -w holdfast/ml/backup/1 --follow',
  );
  expect(watchCommand({ address: 'temporal:7233', namespace: "it's" }, 'a b')).toBe(
    String.raw`temporal workflow show -w 'a b' --follow --address temporal:7233 --namespace 'it'\''s'`,
  );
});
