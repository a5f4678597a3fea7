import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { chmod, mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { detectCompose } from '../../../src/docker/compose/detect-compose.js';
import {
  composeFiles,
  composePs,
  composeServices,
  composeStop,
  composeUp,
} from '../../../src/docker/compose/compose.js';
import {
  inspectContainer,
  removeContainer,
  stopContainer,
} from '../../../src/docker/containers/containers.js';
import { BASE_IMAGE } from '../../support/docker-images.js';
import { DockerSandbox } from '../../support/docker-sandbox.js';

const sandbox = new DockerSandbox();
const { engine } = sandbox;
const { signal } = new AbortController();
let home: string;
const project = sandbox.name('compose');

beforeAll(async () => {
  home = await sandbox.directory();
  const service = (name: string, more: readonly string[]): string[] => [
    `  ${name}:`,
    `    image: ${BASE_IMAGE}`,
    `    container_name: ${sandbox.name(name)}`,
    '    network_mode: none',
    '    stop_grace_period: 1s',
    `    labels: { dev.holdfast.test: "1", dev.holdfast.file: "${sandbox.runId}" }`,
    ...more.map((line) => `    ${line}`),
  ];
  await writeFile(
    path.join(home, 'docker-compose.base.yml'),
    [
      'version: "3"',
      'services:',
      ...service('web', ['command: ["sleep", "600"]', 'depends_on: [db]']),
      ...service('db', [
        'command: ["sleep", "600"]',
        'environment: { FROM_DOTENV: "${DOTENV_VALUE}", UNSET: "${NOWHERE_SET}" }',
        'volumes: ["./config:/config:ro"]',
      ]),
    ].join('\n'),
  );
  await writeFile(
    path.join(home, 'docker-compose.extra.yml'),
    ['version: "3"', 'services:', '  web:', '    environment: { EXTRA: "yes" }'].join('\n'),
  );
  await writeFile(path.join(home, '.env'), 'DOTENV_VALUE=from-dotenv\n');
  await mkdir(path.join(home, 'config'));
  await writeFile(path.join(home, 'config', 'file'), 'relative to the home');
});
afterAll(() => sandbox.remove());

describe('compose files', () => {
  it('are found by glob in name order, and by name in the order given', async () => {
    expect(await composeFiles(home, ['docker-compose.*.yml'])).toEqual([
      'docker-compose.base.yml',
      'docker-compose.extra.yml',
    ]);
    expect(await composeFiles(home, ['docker-compose.extra.yml', 'docker-compose.*.yml'])).toEqual([
      'docker-compose.extra.yml',
      'docker-compose.base.yml',
    ]);
  });

  it('that are missing are an error of the configuration, before anything is started', async () => {
    await expect(composeFiles(home, ['docker-compose.yml'])).rejects.toMatchObject({
      code: 'CONFIG_INVALID',
      facts: { path: path.join(home, 'docker-compose.yml') },
    });
    await expect(composeFiles(home, ['*.yaml'])).rejects.toMatchObject({ code: 'CONFIG_INVALID' });
    await expect(composeFiles('/nowhere', ['*.yml'])).rejects.toMatchObject({
      code: 'CONFIG_INVALID',
    });
  });

  it('are found below the home too', async () => {
    await mkdir(path.join(home, 'stacks', 'inner'), { recursive: true });
    await writeFile(path.join(home, 'stacks', 'inner', 'compose.yml'), '');
    await writeFile(path.join(home, 'stacks', 'other.yml'), '');
    expect(await composeFiles(home, ['stacks/*/compose.yml'])).toEqual([
      'stacks/inner/compose.yml',
    ]);
    expect(await composeFiles(home, ['stacks/**/*.yml'])).toEqual([
      'stacks/inner/compose.yml',
      'stacks/other.yml',
    ]);
  });
});

describe('compose', () => {
  const files = ['docker-compose.base.yml', 'docker-compose.extra.yml'];

  it('is found once, and one that is too old or missing is an error with a hint', async () => {
    const found = await detectCompose();
    expect(found.version).toMatch(/^(1\.(29|[3-9]\d)|[2-9])/);
    expect(await detectCompose()).toBe(found);
    const old = path.join(home, 'old-compose');
    await writeFile(old, '#!/bin/sh\necho 1.25.0\n');
    await chmod(old, 0o755);
    await expect(detectCompose(old)).rejects.toMatchObject({
      code: 'COMPOSE_FAILED',
      message: /older than 1\.29/,
    });
    await expect(detectCompose('no-such-compose')).rejects.toMatchObject({
      code: 'COMPOSE_FAILED',
      hint: expect.stringContaining('HOLDFAST_COMPOSE'),
    });
  });

  it('makes a project with its own .env and paths, and tells what counts as empty', async () => {
    const { warnings } = await composeUp({ home, files, project, signal });
    expect(warnings.join('\n')).toMatch(/NOWHERE_SET/);
    const containers = await composePs(engine, project);
    expect(containers.map(({ composeService }) => composeService)).toEqual(['db', 'web']);
    expect(containers.map(({ state }) => state)).toEqual(['running', 'running']);
    expect(containers[0]?.env['FROM_DOTENV']).toBe('from-dotenv');
    expect(containers[0]?.mounts[0]?.source).toBe(path.join(home, 'config'));
    expect(containers[1]?.env['EXTRA']).toBe('yes');
    expect((await composeServices({ home, files, project }, signal)).sort()).toEqual(['db', 'web']);
  });

  it('starts what is stopped, makes what is gone, and leaves the rest as it is', async () => {
    const [db, web] = await composePs(engine, project);
    await stopContainer(engine, db?.id ?? '', 1_000);
    await removeContainer(engine, web?.id ?? '', { force: true });
    await composeUp({ home, files, project, signal });
    const again = await composePs(engine, project);
    expect(again.map(({ state }) => state)).toEqual(['running', 'running']);
    expect((await inspectContainer(engine, sandbox.name('db'))).id).toBe(db?.id);
    expect((await inspectContainer(engine, sandbox.name('web'))).id).not.toBe(web?.id);
  });

  it('leaves out the services it is told to, even those that others depend on', async () => {
    const stopped = await composeStop(engine, project, 1_000);
    expect(stopped.map(({ name }) => name)).toEqual([sandbox.name('web'), sandbox.name('db')]);
    await composeUp({ home, files, project, signal, except: ['db'] });
    const states = (await composePs(engine, project)).map(
      ({ composeService, state }) => `${composeService ?? ''} ${state}`,
    );
    expect(states).toEqual(['db exited', 'web running']);
    expect(await composeUp({ home, files, project, signal, except: ['db', 'web'] })).toEqual({
      acted: false,
      warnings: [],
    });
  });

  it('fails with the end of its output, and without the passwords in it', async () => {
    const broken = await sandbox.directory();
    await writeFile(
      path.join(broken, 'docker-compose.yml'),
      'services:\n  a:\n    image: holdfast-no-such-image:never\n    pull_policy: never\n    ports: ["postgres://user:hunter2@host"]\n',
    );
    const error: unknown = await composeUp({
      home: broken,
      files: ['docker-compose.yml'],
      project: sandbox.name('broken'),
      signal,
    }).catch((reason: unknown) => reason);
    expect(error).toMatchObject({ code: 'COMPOSE_FAILED', facts: { subcommand: 'up' } });
    expect(JSON.stringify(error) + String(error)).not.toContain('hunter2');
  });

  it('is stopped, with all it has started, when the run is cancelled', async () => {
    const slow = path.join(home, 'slow-compose');
    await writeFile(
      slow,
      '#!/bin/sh\ncase "$*" in *version*) echo 2.0.0;; *) sleep 7791 & sleep 7791;; esac\n',
    );
    await chmod(slow, 0o755);
    const before = process.env['HOLDFAST_COMPOSE'];
    process.env['HOLDFAST_COMPOSE'] = slow;
    try {
      const startedAt = Date.now();
      const controller = new AbortController();
      setTimeout(() => controller.abort(new Error('cancelled by the test')), 500);
      await expect(composeUp({ home, files, project, signal: controller.signal })).rejects.toThrow(
        'cancelled by the test',
      );
      expect(Date.now() - startedAt).toBeLessThan(8_000);
    } finally {
      if (before === undefined) delete process.env['HOLDFAST_COMPOSE'];
      else process.env['HOLDFAST_COMPOSE'] = before;
    }
  });
});
