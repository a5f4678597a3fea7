/** `config check --host` on a stack of three compose projects that the configuration does not fit. */
import { randomBytes } from 'node:crypto';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { detectCompose } from '../../../src/docker/compose/detect-compose.js';
import { runCommand } from '../../../src/base/process/process.js';
import { BASE_IMAGE, POSTGRES_IMAGE } from '../../support/docker-images.js';
import { eventually } from '../../support/scheduled-host.js';
import { WorkerHost } from '../../support/worker-host.js';

const id = `cfg${randomBytes(3).toString('hex')}`;
const labels = `labels: { dev.holdfast.test: '1', dev.holdfast.run: '${process.env['HOLDFAST_TEST_RUN'] ?? id}' }`;

const server = (name: string): string => `
  ${name}:
    image: ${POSTGRES_IMAGE}
    container_name: ${id}_${name}
    ${labels}
    environment: { POSTGRES_USER: boss, POSTGRES_PASSWORD: x, POSTGRES_DB: main }
    volumes: ['${name}:/var/lib/postgresql/data']`;
const app = `services:
  app:
    image: ${BASE_IMAGE}
    ${labels}
    command: ['sh', '-c', 'echo hi > /up/a; echo c > /cache/c; sleep infinity']
    volumes: ['uploads:/up', 'cache:/cache', './data:/data', '/var/run:/hostrun:ro', 'empty:/empty']
volumes: { uploads: {}, cache: {}, empty: {} }
`;

interface Answer {
  readonly ok: boolean;
  readonly error?: { readonly code: string };
  readonly findings: readonly {
    readonly severity: string;
    readonly code: string;
    readonly where: string;
    readonly message: string;
    readonly hint?: string;
  }[];
}

describe('the configuration against the host', () => {
  let directory: string;
  const projects = { db: `${id}db`, app: `${id}app`, web: `${id}web` };
  const home = (service: string): string => path.join(directory, 'srv', service);

  async function compose(service: keyof typeof projects, ...args: string[]): Promise<void> {
    const [program = '', ...first] = (await detectCompose()).command;
    await runCommand(program, [...first, '-p', projects[service], ...args], { cwd: home(service) });
  }

  beforeAll(async () => {
    directory = await mkdtemp(path.join(tmpdir(), 'holdfast-cfg-'));
    for (const service of ['db', 'app', 'web']) {
      await mkdir(path.join(home(service), 'data'), { recursive: true });
      await writeFile(path.join(home(service), 'docker-compose.yml'), app);
    }
    await writeFile(path.join(home('app'), 'data', 'x'), 'x');
    await writeFile(
      path.join(home('db'), 'docker-compose.yml'),
      `services:${server('pg')}${server('other')}\nvolumes: { pg: {}, other: {} }\n`,
    );
    await compose('db', 'up', '-d');
    await compose('app', 'up', '-d');
    await compose('web', 'up', '-d');
    await eventually(
      () =>
        runCommand('docker', ['exec', `${id}_pg`, 'pg_isready', '-U', 'boss'], {
          okExitCodes: [0, 1, 2],
        }),
      ({ exitCode }) => exitCode === 0,
    );
  });
  afterAll(async () => {
    for (const service of ['db', 'app', 'web'] as const)
      await compose(service, 'down', '-v', '-t', '0');
    await rm(directory, { recursive: true, force: true });
  });

  const configuration = `version: 1
stack: ${id}
host: { id: ${id} }
backups: { root: ROOT }
services:
  db:
    home: HOME/db
    compose: {}
    health: [{ type: sql, container: ${id}_pg, query: select 1 }, { type: tcp, port: 1 }]
    sources:
      configs: { kind: files, category: configs, include: [docker-compose.yml, .env, 'conf.d/*.conf'] }
      dump: { kind: postgres, container: ${id}_pg }
      some: { kind: postgres, container: ${id}_pg, user: boss, databases: [main, mian] }
  app:
    home: HOME/app
    compose: { project: wrong }
    sources:
      uploads: { kind: volume, volume: ${projects.app}_uploads }
      lost: { kind: volume, volume: ${projects.app}_uplaods }
  web:
    home: HOME/web
    compose: {}
    sources:
      none: { kind: files, include: ['*.txt'] }
`;

  async function check(text: string, env: Record<string, string> = {}): Promise<[number, Answer]> {
    const file = path.join(directory, 'holdfast.yaml');
    await writeFile(
      file,
      text
        .replace('ROOT', path.join(directory, 'backups'))
        .replaceAll('HOME', path.join(directory, 'srv')),
    );
    const host = new WorkerHost(file, id, env);
    const run = await host.holdfast(['config', 'check', '--host', '--json']);
    return [run.exitCode, JSON.parse(run.stdout) as Answer];
  }

  test('everything that does not fit is told at once, with its line and what to do', async () => {
    const [exitCode, { ok, error, findings }] = await check(configuration);
    expect([exitCode, ok, error?.code]).toEqual([2, false, 'SOURCE_MISSING']);
    const told = findings.map(
      ({ severity, code, where, message, hint }) =>
        `${severity} ${code} ${where.split(' ').at(-1) ?? ''}: ${message}; ${hint ?? ''}`,
    );
    const errors = [
      /root backups\.root: .*backups, is not there; mount .* mkdir/,
      /login services\.db\.health\[0\]\.user: "postgres" .*POSTGRES_USER=boss: set user: boss/,
      /matches-nothing services\.db\.sources\.configs\.include\[1\]: "\.env" matches nothing/,
      /login services\.db\.sources\.dump\.user: "postgres" .*set user: boss/,
      /not-there services\.db\.sources\.some\.databases\[1\]: .*"mian".*did you mean "main"/,
      /project services\.app\.compose: .*"wrong".*project/,
      /not-there services\.app\.sources\.lost\.volume: .*did you mean ".*_uploads"/,
      /empty services\.web\.sources\.none\.include\[0\]: "\*\.txt" matches nothing/,
    ];
    const notes = [
      new RegExp(`uncovered services.db: the database server ${id}_other is not`),
      /gate services\.db\.health\[1\]: nobody answers at 127\.0\.0\.1:1 /,
      /matches-nothing services\.db\.sources\.configs\.include\[2\]: "conf\.d/,
      new RegExp(`uncovered services.app: the volume ${projects.app}_cache `),
      /uncovered services\.app: .*srv\/app\/data /,
      new RegExp(`uncovered services.web: the volume ${projects.web}_cache `),
      new RegExp(`uncovered services.web: the volume ${projects.web}_uploads `),
    ];
    for (const wanted of errors) expect(told).toContainEqual(expect.stringMatching(wanted));
    for (const wanted of notes) expect(told).toContainEqual(expect.stringMatching(wanted));
    expect(told.filter((one) => one.startsWith('error'))).toHaveLength(errors.length);
    expect(told.filter((one) => one.startsWith('note'))).toHaveLength(notes.length);
    expect(findings[0]?.where).toMatch(/holdfast\.yaml:4:\d+ backups\.root$/);
  });

  test('one that fits is OK, and a host without zstd is not', async () => {
    await mkdir(path.join(directory, 'backups'));
    const fitting = configuration
      .replace('query: select 1 }, { type: tcp, port: 1 }]', 'query: select 1, user: boss }]')
      .replace(", .env, 'conf.d/*.conf'", '')
      .replace(`dump: { kind: postgres, container: ${id}_pg }`, '')
      .replace('[main, mian]', 'all')
      .replace('{ project: wrong }', '{}')
      .replace(/ +lost: .*\n/, '')
      .replace("['*.txt']", "['*.yml']");
    const [exitCode, { ok, findings }] = await check(fitting);
    expect(findings.filter(({ severity }) => severity === 'error')).toEqual([]);
    expect([exitCode, ok]).toEqual([0, true]);
    const bin = path.join(directory, 'bin');
    await mkdir(bin);
    for (const program of ['tar', 'docker', 'docker-compose', 'getent', 'sh', 'env', 'python3']) {
      await runCommand('sh', [
        '-c',
        `p=$(command -v ${program}) && ln -s "$p" ${bin}/${program} || true`,
      ]);
    }
    const [withoutZstd, answer] = await check(fitting, { PATH: bin });
    expect(withoutZstd).toBe(2);
    expect(answer.findings.filter(({ severity }) => severity === 'error')).toMatchObject([
      { code: 'program', message: expect.stringContaining('no zstd on PATH') },
    ]);
  });
});
