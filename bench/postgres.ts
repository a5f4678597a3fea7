/**
 * Dump and load of one PostgreSQL server, four ways in turn, so that all of them meet the same noise:
 * `npm run bench:postgres` (after the build). Prints a table of medians, relative to the first way of
 * each kind in the same round. Needs Docker and the sample image; takes about 5 minutes a round.
 *
 * HOLDFAST_BENCH_ROUNDS (3), HOLDFAST_BENCH_SCALE (1: a database of 0.76 GB), HOLDFAST_BENCH_WAYS
 * (all: a regular expression of names).
 */
import { randomBytes } from 'node:crypto';
import { mkdir, mkdtemp, readdir, rm, stat } from 'node:fs/promises';
import { availableParallelism, tmpdir } from 'node:os';
import path from 'node:path';
import { connectEngine } from '../src/docker/engine/engine.js';
import { containerExec } from '../src/postgres/client/container.js';
import { dumpCluster, type DumpResult } from '../src/postgres/dump/dump.js';
import { loadDump, waitUntilReady } from '../src/postgres/load/restore.js';
import type { Work } from '../src/base/progress.js';
import { runCommand } from '../src/base/process/process.js';

const IMAGE = 'holdfast-sample-postgres:latest';
const ROUNDS = Number(process.env['HOLDFAST_BENCH_ROUNDS'] ?? 3);
const SCALE = Number(process.env['HOLDFAST_BENCH_SCALE'] ?? 1);

const engine = connectEngine();
const work: Work = { signal: new AbortController().signal, report: () => undefined };
const login = { user: 'postgres' };

const WAYS = new RegExp(process.env['HOLDFAST_BENCH_WAYS'] ?? '');

/** Text, numbers, and a table with more indexes than data. */
const FILL = `
create database bench;
\\connect bench
select setseed(0.5);
create table notes as select i as id, at, (select string_agg((array['lorem','ipsum','dolor','sit','amet',
  'consectetur','adipiscing','elit','sed','do','eiusmod','tempor','incididunt','labore','magna'])
  [1 + (i * k * 7919) % 15], ' ') from generate_series(1, 40) k) || md5(i::text) as body
  from (select i, now() - i * interval '1 s' as at from generate_series(1, ${500_000 * SCALE}) i) s;
create table measurements as select i as id, (random() * 1000)::float8 as a, random()::float8 as b,
  (random() * 1e6)::numeric(12, 3) as c, floor(random() * 1000)::int as sensor,
  '2024-01-01'::timestamptz + i * interval '1 s' as at from generate_series(1, ${2_500_000 * SCALE}) i;
create table events as select i as id, md5(i::text) as key, floor(random() * 100000)::int as customer,
  floor(random() * 50)::int as kind, '2024-01-01'::timestamptz + i * interval '3 s' as at,
  random() as score from generate_series(1, ${1_500_000 * SCALE}) i;
alter table notes add primary key (id);
alter table measurements add primary key (id);
create index on measurements (sensor, at);
alter table events add primary key (id);
create unique index on events (key);
create index on events (customer, at);
create index on events (kind, at);
create index on events (at);
create index on events (score);
vacuum analyze;
checkpoint;
`;

async function shell(script: string, ...args: readonly string[]): Promise<string> {
  const { stdout } = await runCommand('bash', ['-euo', 'pipefail', '-c', script, 'sh', ...args]);
  return stdout.trim();
}

async function startServer(): Promise<string> {
  const name = `holdfast-bench-${randomBytes(4).toString('hex')}`;
  await shell(
    'docker run --detach --name="$1" --network=none --label=dev.holdfast.bench=1 --env=POSTGRES_PASSWORD=x "$2" >/dev/null',
    name,
    IMAGE,
  );
  await waitUntilReady(containerExec(engine, name), { ...login, timeoutMs: 60_000 }, work);
  return name;
}

interface Way {
  readonly name: string;
  readonly before?: () => Promise<unknown>;
  readonly run: () => Promise<unknown>;
  /** Bytes of what was made. */
  readonly size?: () => Promise<number>;
}

interface Figures {
  readonly seconds: number[];
  bytes: number;
}

async function measure(way: Way, into: Map<string, Figures>): Promise<void> {
  await way.before?.();
  const begun = performance.now();
  await way.run();
  const seconds = (performance.now() - begun) / 1000;
  const figures = into.get(way.name) ?? { seconds: [], bytes: 0 };
  figures.seconds.push(seconds);
  figures.bytes = (await way.size?.()) ?? 0;
  into.set(way.name, figures);
  console.log(`  ${way.name.padEnd(28)} ${seconds.toFixed(1)} s`);
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((one, other) => one - other);
  const middle = Math.floor(sorted.length / 2);
  const upper = sorted[middle] ?? 0;
  return sorted.length % 2 === 1 ? upper : (upper + (sorted[middle - 1] ?? 0)) / 2;
}

function table(title: string, ways: ReadonlyMap<string, Figures>): void {
  const [base] = ways.values();
  console.log(`\n| ${title} | time, relative | seconds, median (least) | size, MB |`);
  console.log('| --- | ---: | ---: | ---: |');
  for (const [name, { seconds, bytes }] of ways) {
    const ratio = median(seconds.map((value, round) => value / (base?.seconds[round] ?? value)));
    const size = bytes === 0 ? '' : (bytes / 1e6).toFixed(0);
    const times = `${median(seconds).toFixed(1)} (${Math.min(...seconds).toFixed(1)})`;
    console.log(`| ${name} | ${ratio.toFixed(2)} | ${times} | ${size} |`);
  }
}

const scratch = await mkdtemp(path.join(tmpdir(), 'holdfast-bench-'));
const [source, target] = await Promise.all([startServer(), startServer()]);
try {
  await runCommand('docker', ['exec', '-i', source, 'psql', '-qXU', 'postgres'], { input: FILL });
  const databaseBytes = await shell(
    'docker exec "$1" psql -XAtU postgres -c "select pg_database_size(\'bench\')"',
    source,
  );
  const cores = availableParallelism();
  console.log(`database: ${(Number(databaseBytes) / 1e6).toFixed(0)} MB; ${cores} cores`);
  const file = (name: string): string => path.join(scratch, name);
  const ours = file('holdfast');
  let dumped: DumpResult | undefined;

  const dumps: Way[] = [
    {
      name: 'pg_dumpall, gzip',
      run: () =>
        shell('docker exec "$1" pg_dumpall -U postgres | gzip > "$2"', source, file('all')),
      size: async () => (await stat(file('all'))).size,
    },
    {
      name: 'pg_dump -Fd -j 2',
      before: () => shell('docker exec "$1" rm -rf /tmp/fd', source),
      run: () =>
        shell('docker exec "$1" pg_dump -U postgres -Fd -j 2 -f /tmp/fd --create bench', source),
      size: async () =>
        Number((await shell('docker exec "$1" du -sb /tmp/fd', source)).split('\t')[0]),
    },
    {
      name: 'pg_dump -Fc -Z1',
      run: () =>
        shell('docker exec "$1" pg_dump -U postgres -Fc -Z1 bench > "$2"', source, file('z1')),
      size: async () => (await stat(file('z1'))).size,
    },
    {
      name: 'Holdfast',
      before: async () => {
        await rm(ours, { recursive: true, force: true });
        await mkdir(ours);
      },
      run: async () => {
        const options = { ...login, databases: 'all' as const, format: 'custom' as const };
        const pg = containerExec(engine, source);
        dumped = await dumpCluster(
          pg,
          { ...options, destination: ours, compressionLevel: 3 },
          work,
        );
      },
      size: async () => {
        const sizes = (await readdir(ours)).map(
          async (name) => (await stat(file(`holdfast/${name}`))).size,
        );
        return (await Promise.all(sizes)).reduce((sum, size) => sum + size, 0);
      },
    },
  ];

  const empty = (): Promise<string> =>
    shell(
      'docker exec "$1" psql -qXU postgres -c "drop database if exists bench" -c checkpoint',
      target,
    );
  const restore =
    'docker exec -i --env=PGOPTIONS=-csynchronous_commit=off "$1" pg_restore -U postgres --create -d postgres';
  const analyze = 'docker exec "$1" vacuumdb -qU postgres --all --analyze-only';
  const load = async (jobs: number | undefined): Promise<void> => {
    if (dumped === undefined) throw new Error('nothing was dumped');
    const place = { container: source, image: IMAGE, data: { type: 'unknown' as const } };
    const postgres = { ...dumped.postgres, ...place };
    const options = { ...login, directory: ours, files: dumped.files, postgres, jobs };
    const initialisedAfter = new Date(0);
    await loadDump(containerExec(engine, target), { ...options, initialisedAfter }, work);
  };
  const loads: Way[] = [
    {
      name: 'gzip, psql',
      before: empty,
      run: () =>
        shell(
          `gzip -dc "$2" | docker exec -i "$1" psql -qXU postgres -o /dev/null 2>/dev/null; ${analyze}`,
          target,
          file('all'),
        ),
    },
    {
      name: 'pg_restore -j 2 of -Fd',
      before: async () => {
        await empty();
        const copy = 'docker exec "$1" tar -c -C /tmp fd | docker exec -i "$2" tar -x -C /tmp';
        await shell(`docker exec "$2" rm -rf /tmp/fd; ${copy}`, source, target);
      },
      run: () => shell(`${restore} -j 2 /tmp/fd; ${analyze}`, target),
    },
    {
      name: 'pg_restore < -Fc -Z1',
      before: empty,
      run: () => shell(`${restore} < "$2"; ${analyze}`, target, file('z1')),
    },
    { name: 'Holdfast, one job', before: empty, run: () => load(1) },
    { name: `Holdfast, ${cores} jobs`, before: empty, run: () => load(cores) },
  ];

  const dumpFigures = new Map<string, Figures>();
  const loadFigures = new Map<string, Figures>();
  for (let round = 1; round <= ROUNDS; round += 1) {
    console.log(`round ${round}`);
    for (const way of dumps) if (WAYS.test(way.name)) await measure(way, dumpFigures);
    for (const way of loads) if (WAYS.test(way.name)) await measure(way, loadFigures);
  }
  table('dump', dumpFigures);
  table('load', loadFigures);
} finally {
  await runCommand('docker', ['rm', '--force', '--volumes', source, target]);
  await rm(scratch, { recursive: true, force: true });
}
