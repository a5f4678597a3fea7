/** The first start of a server in a container, and what it puts into a new cluster. */
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { compareWithManifest } from '../../../src/postgres/inspect/compare.js';
import { dumpCluster } from '../../../src/postgres/dump/dump.js';
import { inspectCluster } from '../../../src/postgres/inspect/inspect.js';
import { loadDump, waitUntilReady } from '../../../src/postgres/load/restore.js';
import { pickRoute } from '../../../src/postgres/client/ready.js';
import type { PostgresExec } from '../../../src/postgres/client/exec.js';
import type { PostgresInfo } from '../../../src/format/manifest.js';
import { eventually, startServer, work, type TestServer } from '../../support/postgres.js';

let scratch: string;
const servers: TestServer[] = [];
const start: typeof startServer = async (options) => {
  const server = await startServer(options);
  servers.push(server);
  return server;
};

beforeAll(async () => {
  scratch = await mkdtemp(path.join(tmpdir(), 'hfpg-'));
});
afterAll(async () => {
  await Promise.all(servers.map((server) => server.remove()));
  await rm(scratch, { recursive: true, force: true });
});

async function initScripts(scripts: Readonly<Record<string, string>>): Promise<string> {
  const directory = await mkdtemp(path.join(scratch, 'init-'));
  for (const [name, content] of Object.entries(scripts)) {
    await writeFile(path.join(directory, name), content, { mode: 0o755 });
  }
  await chmod(directory, 0o755);
  return `${directory}:/docker-entrypoint-initdb.d:ro`;
}

describe('waiting for a server', () => {
  test('the temporary server of the first start is not taken for the real one', async () => {
    const slow = await initScripts({
      'slow.sh': '#!/bin/sh\nuntil test -e /tmp/go; do sleep 0.1; done\n',
    });
    const server = await start({ mounts: [slow], dontWait: true });
    const asked = `psql -XAtU postgres -c "select setting || ',' || source from pg_settings where name = 'listen_addresses'" 2>&1 || true`;
    await eventually(async () => (await server.shell(asked)) === ',command line', 60_000);
    let checks = 0;
    const watched = { ...work, report: () => (checks += 1) };
    let ready = false;
    const login = { user: 'postgres', timeoutMs: 90_000 };
    const waiting = waitUntilReady(server.pg, login, watched).finally(() => (ready = true));
    await eventually(() => Promise.resolve(checks >= 5 || ready), 60_000);
    expect(ready).toBe(false); // the temporary server answered five times, and was not believed
    await server.shell('touch /tmp/go');
    const { startedAt } = await waiting;
    const now = await server.sql('postgres', 'select to_json(pg_postmaster_start_time())');
    expect(JSON.parse(now)).toBe(startedAt);
    expect(await server.shell(asked)).not.toBe(',command line');
  });

  test('one that refuses the login is not waited for', async () => {
    const [server] = servers;
    const began = Date.now();
    const waiting = waitUntilReady(server!.pg, { user: 'nobody', timeoutMs: 300_000 }, work);
    await expect(waiting).rejects.toMatchObject({
      code: 'LOGIN_REFUSED',
      message: expect.stringContaining('role "nobody" does not exist'),
    });
    expect(Date.now() - began).toBeLessThan(30_000);
  });

  test('one that never comes ends with what was seen last', async () => {
    const [server] = servers;
    const nowhere: PostgresExec = {
      ...server!.pg,
      capture: (argv, options) =>
        server!.pg.capture(argv, { ...options, env: { ...options.env, PGHOST: '/nowhere' } }),
    };
    const waiting = waitUntilReady(nowhere, { user: 'postgres', timeoutMs: 1500 }, work);
    await expect(waiting).rejects.toMatchObject({
      code: 'POSTGRES_UNREACHABLE',
      facts: { lastSeen: expect.stringContaining('/nowhere') },
    });
  });

  test('a container that does not exist is not waited for', async () => {
    const server = await start({ dontWait: true });
    await server.remove();
    servers.splice(servers.indexOf(server), 1);
    const waiting = waitUntilReady(server.pg, { user: 'postgres', timeoutMs: 60_000 }, work);
    await expect(waiting).rejects.toMatchObject({ code: 'CONTAINER_NOT_FOUND' });
  });
});

describe('a server with its own superuser, database, initialisation scripts and local passwords', () => {
  const login = { user: 'Boss', password: 'le grand secret' };
  const env = {
    POSTGRES_USER: login.user,
    POSTGRES_PASSWORD: login.password,
    POSTGRES_DB: 'app',
  };
  let source: TestServer;
  let target: TestServer;
  let emptiedAt: Date;
  let directory: string;

  beforeAll(async () => {
    const mounts = [
      await initScripts({
        'roles.sql': `create role app_owner; create schema made_by_script authorization app_owner;
          create table made_by_script.t (a int); grant all on database app to app_owner;
          create table public.twice (a int); insert into public.twice values (1);`,
        'more.sql': `\\connect postgres
          create table in_postgres (a int); insert into in_postgres values (1);
          \\connect template1
          create function in_template() returns int language sql as 'select 1';`,
        'scram.sh': `sed -i 's/^local.*trust/local all all scram-sha-256/' "$PGDATA/pg_hba.conf"`,
      }),
    ];
    emptiedAt = new Date();
    const waiting = { env, mounts, dontWait: true };
    source = await start(waiting);
    await waitUntilReady(source.pg, { ...login, timeoutMs: 90_000 }, work);
    target = await start(waiting);
    await waitUntilReady(target.pg, { ...login, timeoutMs: 90_000 }, work);
    directory = path.join(scratch, 'dump');
    await mkdir(directory);
  });

  test('a wrong or missing password is told as such', async () => {
    const waiting = waitUntilReady(target.pg, { user: login.user, timeoutMs: 60_000 }, work);
    await expect(waiting).rejects.toMatchObject({
      code: 'LOGIN_REFUSED',
      facts: { lastSeen: expect.stringContaining('no password supplied') },
    });
  });

  test('is dumped, and restored over what the scripts did again', async () => {
    // Whoever makes the backup is made by SQL, and passwords have changed since initdb.
    await source.shell(`PGPASSWORD='${login.password}' psql -XqU Boss -d app <<'E'
      create role backup_admin superuser login password 'own word';
E`);
    const backup = { user: 'backup_admin', password: 'own word' };
    const psql = `PGPASSWORD='${login.password}' psql -XqU Boss -v ON_ERROR_STOP=1 -d app`;
    await source.shell(`install -d -o postgres -g postgres '/var/lib/postgresql/its fast'; ${psql} <<'E'
      create tablespace fast owner app_owner location '/var/lib/postgresql/its fast';
      insert into public.twice values (2), (3);
      create table on_fast (a int) tablespace fast;
E`);
    await source.shell(`PGPASSWORD='${login.password}' psql -XqU Boss -d app <<'E'
      alter role "Boss" password 'changed since';
E`);
    const options = { ...backup, databases: 'all' as const, destination: directory };
    const dump = await dumpCluster(
      source.pg,
      { ...options, format: 'custom', compressionLevel: 3 },
      work,
    );
    const place = { container: 'c', image: 'i', data: { type: 'unknown' as const } };
    const postgres: PostgresInfo = { ...dump.postgres, ...place };
    const load = { ...login, directory, files: dump.files, postgres };
    await expect(loadDump(target.pg, load, work)).rejects.toMatchObject({
      code: 'RESTORE_FAILED',
      message: expect.stringContaining('not empty'),
    });
    const cleared = { ...load, initialisedAfter: emptiedAt };
    await expect(loadDump(target.pg, cleared, work)).rejects.toMatchObject({
      facts: { missing: ['fast (/var/lib/postgresql/its fast)'] },
    });
    await target.shell("install -d -o postgres -g postgres '/var/lib/postgresql/its fast'");
    const routes = [backup, login].map((one) => ({ pg: target.pg, login: one }));
    const others = routes.slice(1);
    const ready = await waitUntilReady(target.pg, { ...backup, timeoutMs: 60_000, others }, work);
    expect(ready.route.login.user).toBe('Boss');
    const afterGlobals = () => pickRoute(routes, work.signal);
    await loadDump(target.pg, { ...cleared, afterGlobals }, work);
    const state = await inspectCluster(target.pg, backup, work.signal);
    expect(compareWithManifest(postgres, state)).toEqual([]);
    expect(postgres.databases.find(({ name }) => name === 'app')?.tables).toContainEqual({
      schema: 'public',
      table: 'twice',
      rows: 3,
    });
  });
});
