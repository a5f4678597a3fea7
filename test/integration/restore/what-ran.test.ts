/**
 * What ran before is what runs afterwards: one compose project with everything in it that `up` would not
 * bring back as it was, through backup, restore, undo and a bare machine. Nobody configured its name.
 */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { randomBytes } from 'node:crypto';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { runCommand } from '../../../src/base/process/process.js';
import { BASE_IMAGE } from '../../support/docker-images.js';
import { WorkerHost } from '../../support/worker-host.js';

const RUN = process.env['HOLDFAST_TEST_RUN'] ?? 'by-hand';
const id = `hfw${randomBytes(3).toString('hex')}`;
const project = `${id}real`;
let directory: string;
let host: WorkerHost;

const docker = async (...args: string[]): Promise<string> =>
  (await runCommand('docker', args)).stdout.trim();
const compose = async (...args: string[]): Promise<void> => {
  const home = path.join(directory, 'app');
  // As a person does it: from the directory, with a variable of the shell.
  await runCommand('docker-compose', ['-p', project, ...args], {
    cwd: home,
    env: { GREETING: 'from the shell' },
  });
};

/** Every container of the project with what it does; what crashes all the time is in a loop. */
async function states(): Promise<Record<string, string>> {
  const listed = await docker(
    ...['ps', '-a', '--filter', `label=com.docker.compose.project=${project}`],
    ...['--format', '{{.Names}} {{.State}}'],
  );
  const found: Record<string, string> = {};
  for (const line of listed.split('\n').filter((one) => one !== '')) {
    const [name = '', state = ''] = line.split(' ');
    const short = name.replace(`${project}_`, '').replace(/_run_[0-9a-f]+$/, '_run');
    found[short] = short.startsWith('loop') && state !== 'exited' ? 'in a loop' : state;
  }
  return found;
}

async function inVolume(script: string): Promise<string> {
  return docker(
    ...['run', '--rm', '--network', 'none', '-v', `${project}_data:/data`, BASE_IMAGE],
    ...['sh', '-c', script],
  );
}

const asItRan = {
  web_1: 'running',
  web_2: 'exited',
  web_3: 'running',
  worker_1: 'running',
  debug_1: 'exited',
  migrate_1: 'exited',
  frozen_1: 'paused',
  loop_1: 'in a loop',
  web_run: 'running',
};

beforeAll(async () => {
  directory = await mkdtemp(path.join(tmpdir(), 'holdfast-ran-'));
  await mkdir(path.join(directory, 'app'));
  const sleeps = 'sleep infinity';
  const service = (command: string, more = ''): string =>
    `{ image: '${BASE_IMAGE}', command: ${JSON.stringify(command)}, init: true, ` +
    `stop_grace_period: 2s, network_mode: none, labels: { dev.holdfast.run: '${RUN}' }, ` +
    `volumes: ['data:/data']${more === '' ? '' : `, ${more}`} }`;
  await writeFile(
    path.join(directory, 'app', 'docker-compose.yml'),
    `version: '3.9'
services:
  web: ${service(sleeps, "environment: { GREETING: '${GREETING:-}' }, depends_on: [migrate]")}
  debug: ${service(sleeps)}
  migrate: ${service("sh -c 'echo ran >> /data/migrations'", "restart: 'no'")}
  frozen: ${service(sleeps)}
  loop: ${service("sh -c 'sleep 1; exit 3'", 'restart: always')}
  never: ${service("sh -c 'echo never >> /data/started; sleep infinity'")}
  reset: ${service("sh -c 'rm -f /data/precious; echo reset >> /data/started'", 'profiles: [maintenance]')}
volumes: { data: { labels: { dev.holdfast.run: '${RUN}' } } }
`,
  );
  // Brought up with two files, of which nobody told the configuration.
  await writeFile(
    path.join(directory, 'app', 'docker-compose.override.yml'),
    `version: '3.9'\nservices:\n  worker: ${service(sleeps)}\n`,
  );
  const configFile = path.join(directory, 'holdfast.yaml');
  await writeFile(
    configFile,
    `version: 1
stack: ${id}
host: { id: ${id} }
backups: { root: ${directory}/backups, minimumFree: 0, settle: 1s }
log: { file: ${directory}/run.log }
services:
  app:
    home: ${directory}/app
    compose: {}
    stopGrace: 3s
    sources:
      configs: { kind: files, category: configs }
      data: { kind: volume, volume: ${project}_data }
`,
  );
  host = new WorkerHost(configFile, id);
  await compose(
    ...['up', '-d', '--scale', 'web=3', 'web', 'worker', 'debug', 'migrate', 'frozen', 'loop'],
  );
  await compose('run', '-d', '--no-deps', 'web', 'sleep', 'infinity');
  await docker('stop', '-t', '1', `${project}_web_2`, `${project}_debug_1`);
  await docker('pause', `${project}_frozen_1`);
  await inVolume('echo old > /data/precious');
  await host.startWorker();
});
afterAll(async () => {
  await host.close();
  // By the run's label: one that came up under another project's name must not stay either.
  const ids = await docker(
    ...['ps', '-aq', '--filter', `label=dev.holdfast.run=${RUN}`, '--filter', `name=${id}|app_`],
  );
  if (ids !== '') await docker('rm', '-f', '-v', ...ids.split('\n'));
  const volumes = await docker('volume', 'ls', '-q', '--filter', `name=${project}_data`);
  if (volumes !== '') await docker('volume', 'rm', '-f', ...volumes.split('\n'));
  await rm(directory, { recursive: true, force: true });
});

async function succeeds(...args: string[]): Promise<void> {
  const { exitCode, stdout, stderr } = await host.holdfast(args);
  if (exitCode !== 0) throw new Error(`${args.join(' ')}: ${exitCode}\n${stdout}\n${stderr}`);
}

const content = (): Promise<string> =>
  inVolume('cat /data/precious /data/migrations; cat /data/started 2>/dev/null || true');

describe('what ran before a restore', () => {
  it('runs afterwards, in its number and its state, and nothing else does', async () => {
    expect(await states()).toEqual(asItRan);
    await succeeds('backup');
    expect(await states()).toEqual(asItRan);
    await inVolume('echo new > /data/precious');
    await succeeds('restore', 'latest', '--yes');
    expect(await states()).toEqual(asItRan);
    // Neither the job nor what deletes data was run, and nobody made the containers anew without the
    // variable they had been made with.
    expect(await content()).toBe('old\nran');
    expect(await docker('exec', `${project}_web_1`, 'sh', '-c', 'echo $GREETING')).toBe(
      'from the shell',
    );
    expect(await readFile(path.join(directory, 'run.log'), 'utf8')).toContain('app is healthy');
  });

  it('runs again after an undo, however the containers were changed since', async () => {
    await compose('up', '-d', '--no-deps', '--scale', 'web=1', 'web');
    await docker('rm', '-f', `${project}_frozen_1`);
    expect(Object.keys(await states()).sort()).not.toContain('web_3');
    await succeeds('undo', '--yes');
    await delay(500);
    expect(await states()).toEqual({
      ...asItRan,
      // Made again: compose can't make one that has been stopped.
      web_2: expect.stringMatching(/exited|created/),
    });
    expect(await content()).toBe('new\nran');
  });

  it('runs on a bare machine as when the backup was made', async () => {
    const ids = await docker(
      ...['ps', '-aq', '--filter', `label=com.docker.compose.project=${project}`],
    );
    await docker('rm', '-f', '-v', ...ids.split('\n'));
    await docker('volume', 'rm', '-f', `${project}_data`);
    await rm(path.join(directory, 'app'), { recursive: true });
    await succeeds('restore', 'latest', '--yes');
    // What `compose run` had made is nobody's to make again.
    expect({ ...(await states()), web_run: 'running' }).toEqual({
      ...asItRan,
      // As many as ran: which of several equal ones is down, compose numbers anew.
      web_2: 'running',
      web_3: 'created',
      debug_1: 'created',
      migrate_1: 'created',
    });
    expect(await content()).toBe('old\nran');
  });
});
