/**
 * The main job from end to end on one combination of versions: backed up, lost, restored, undone,
 * drilled. scripts/matrix.sh brings the versions and says by the environment where they are.
 */
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import type { DrillRestoreResult } from '../../src/plan/drill/drill-types.js';
import { runCommand } from '../../src/base/process/process.js';
import { PrivateEngine } from '../support/private-engine.js';
import { SmallStack, type StackState } from '../support/small-stack.js';

const {
  MATRIX_ENGINE: engineBinaries = '',
  MATRIX_ENGINE_VERSION: engineVersion = '',
  MATRIX_COMPOSE: compose = 'docker-compose',
  MATRIX_COMPOSE_VERSION: composeVersion = '',
  MATRIX_POSTGRES: postgresImage = 'holdfast-sample-postgres:latest',
  MATRIX_POSTGRES_VERSION: postgresVersion = '15',
  MATRIX_OTHER_POSTGRES: otherImage = '',
} = process.env;
const words = compose.split(' ') as [string, ...string[]];

let engine: PrivateEngine;
let stack: SmallStack;
let saved: StackState;
let lost: StackState;
let set: string;

beforeAll(async () => {
  const images = [postgresImage, 'holdfast-sample-webbot:latest'];
  if (otherImage !== '') images.push(otherImage);
  engine = await PrivateEngine.create(
    images,
    engineBinaries === '' ? {} : { binaries: engineBinaries },
  );
  process.env['DOCKER_HOST'] = engine.host;
  process.env['HOLDFAST_COMPOSE'] = compose;
  stack = await SmallStack.create({ postgresImage, compose: words });
  await stack.change('first');
  await stack.startWorker();
}, 300_000);

afterAll(async () => {
  await stack.remove();
  await engine.remove();
}, 120_000);

test('what runs is what the row of the table says', async () => {
  const { stdout } = await runCommand('docker', ['version', '-f', '{{.Server.Version}}']);
  expect(stdout).toContain(engineVersion);
  const [program, ...first] = words;
  const said = await runCommand(program, [...first, 'version', '--short']);
  expect(said.stdout).toContain(composeVersion);
  expect(await stack.sql('postgres', 'show server_version')).toMatch(
    new RegExp(`^${postgresVersion}\\.`),
  );
});

test('a set of it brings back what was lost', async () => {
  set = (await stack.backUp()).setId;
  saved = await stack.state();
  await stack.change('second');
  await stack.lose();
  const { exitCode, stdout, stderr } = await stack.holdfast(['restore', set, '--yes']);
  expect({ exitCode, stderr: exitCode === 0 ? '' : stdout + stderr }).toEqual({
    exitCode: 0,
    stderr: '',
  });
  expect(await stack.state()).toEqual(saved);
}, 300_000);

test('a restore of what runs can be undone', async () => {
  await stack.change('third');
  lost = await stack.state();
  // Of the restore before, which can still be undone.
  const before = await stack.leftovers();
  const restored = await stack.holdfast(['restore', set, '--yes']);
  expect(restored.exitCode).toBe(0);
  expect(await stack.state()).toEqual(saved);
  expect((await stack.holdfast(['undo', '--yes'])).exitCode).toBe(0);
  expect(await stack.state()).toEqual(lost);
  expect(await stack.leftovers()).toEqual(before);
}, 300_000);

test('a drill proves the set', async () => {
  const { exitCode, stdout, stderr } = await stack.holdfast(['--json', 'drill', set]);
  expect({ exitCode, stderr: exitCode === 0 ? '' : stdout + stderr }).toEqual({
    exitCode: 0,
    stderr: '',
  });
  const last = JSON.parse(stdout.trim().split('\n').at(-1) ?? '') as { result: DrillRestoreResult };
  expect(last.result.drill?.status).toBe('passed');
}, 300_000);

/** Only where the row names a second version of PostgreSQL, a newer one. */
const crossing = otherImage === '' ? test.skip : test;

crossing(
  'a dump comes back on a newer server, and is refused on an older one with nothing changed',
  async () => {
    await changeServer(otherImage);
    const newer = await stack.holdfast(['restore', set, '--source', 'db/dump', '--yes']);
    expect({ exitCode: newer.exitCode, said: newer.exitCode === 0 ? '' : newer.stdout }).toEqual({
      exitCode: 0,
      said: '',
    });
    expect(await stack.sql('postgres', 'select what from facts')).toBe('first');
    expect(await stack.sql('postgres', 'show server_version')).not.toMatch(
      new RegExp(`^${postgresVersion}\\.`),
    );

    const newest = (await stack.backUp('--service', 'db')).setId;
    // A user would notice when the container is made again; until then the newer one runs.
    stack.parts = { ...stack.parts, postgresImage };
    await stack.writeServerCompose();
    const refused = await stack.holdfast([
      ...['--json', 'restore', newest, '--source', 'db/dump', '--yes'],
    ]);
    expect(refused.exitCode).toBe(1);
    expect(refused.stdout).toMatch(/the dump is of PostgreSQL \d+.* is PostgreSQL \d+/);
    await stack.untilSql();
    expect(await stack.sql('postgres', 'select what from facts')).toBe('first');
  },
  300_000,
);

/** As an upgrade by dump goes: the compose file names the other image, the old container is gone. */
async function changeServer(image: string): Promise<void> {
  stack.parts = { ...stack.parts, postgresImage: image };
  await stack.writeServerCompose();
  await runCommand('docker', ['rm', '-f', stack.container('db')]);
}
