/** The demo's acts, in order. */
import { readFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { freePort } from '../src/temporal/dev-server.js';
import { newestSet, proveReuse } from './reuse.js';
import { proveDrill, proveRollBack, proveUndo, type Stage } from './taking-back.js';
import { runCommand, startCommand, type RunningCommand } from '../src/base/process/process.js';
import { stackQueue } from '../src/plan/shared/ids.js';
import type { Checks } from './report.js';
import {
  clusterFacts,
  getStatus,
  psql,
  quietTrees,
  serviceContents,
  startTimes,
  tableDigests,
  treeDigest,
  WRITTEN_DATABASE,
  WRITTEN_TABLE,
} from './proof.js';
import { proveByHand } from './by-hand.js';
import { sampleStackName } from './sample-config.js';
import { SampleStack, SERVICES } from './sample-stack.js';

export interface DemoOptions {
  readonly project: string;
  readonly root: string;
  readonly checks: Checks;
  readonly say: (line: string) => void;
  readonly short: boolean;
  readonly sabotage: string | undefined;
}

interface Before {
  readonly tables: Record<string, string>;
  readonly cluster: Record<string, string>;
  readonly trees: Record<string, string>;
  readonly contents: Record<string, unknown>;
  readonly writtenBefore: number;
  readonly writtenAfter: number;
  readonly volumes: Record<string, unknown>;
  readonly scrapedFrom: number;
  readonly scrapedUntil: number;
}

export class Demo {
  readonly timings: { firstBackupMs?: number; backupMs?: number; restoreMs?: number } = {};
  #stack: SampleStack | undefined;
  #up: RunningCommand | undefined;
  #receiver: Server | undefined;
  readonly #notifications: unknown[] = [];
  readonly #output: string[] = [];
  #address = '';
  #uiUrl = '';

  constructor(private readonly options: DemoOptions) {}

  async run(): Promise<void> {
    const { say } = this.options;
    say(
      '1. A sample stack: PostgreSQL, monitoring, an agent with its vectors, two web interfaces, a model',
    );
    const stack = await this.#startStack();
    say('2. Holdfast with an embedded Temporal');
    await this.#startHoldfast(stack);
    say('3. Back up, for the first time and once more, while the stack is being written to');
    const first = Date.now();
    await this.#holdfast(['backup', '--tier', 'weekly']);
    this.timings.firstBackupMs = Date.now() - first;
    const before = await this.#backUp(stack);
    await proveReuse(stack.backups, 'daily', this.options.checks, say);
    await this.#showTree(stack);
    say('4. Lose everything: containers, volumes, data directories, configurations, the model');
    await stack.loseEverything();
    await this.#proveLoss(stack);
    say('5. One command');
    const began = Date.now();
    await this.#holdfast(['restore', 'latest', '--yes']);
    this.timings.restoreMs = Date.now() - began;
    await this.#sabotage(stack);
    say('6. Proof');
    await this.#prove(stack, before);
    await this.#takeBack(stack);
  }

  async #takeBack(stack: SampleStack): Promise<void> {
    const { checks, say } = this.options;
    const stage: Stage = {
      stack,
      checks,
      say,
      holdfast: (args) => this.#holdfastCode(args),
    };
    const set = await newestSet(stack.backups, 'daily');
    say('7. A restore that fails takes itself back');
    await proveRollBack(stage);
    say('8. A restore that was a mistake is undone');
    await proveUndo(stage, set);
    say('9. A drill: the same restore under throw-away names, beside the stack');
    await proveDrill(stage, set);
  }

  /** Removes everything the demo has started. Safe to call at any time. */
  async remove(): Promise<void> {
    if (this.#up !== undefined) {
      this.#up.kill();
      await this.#up.done.catch(() => undefined);
    }
    this.#receiver?.close();
    await this.#stack?.remove();
  }

  async untilInterrupted(): Promise<void> {
    this.options.say('  Ctrl-C removes all of it');
    await new Promise(() => setInterval(() => undefined, 60_000));
  }

  howToLook(): string[] {
    const config = this.#stack?.configFile ?? '';
    const queue = stackQueue(sampleStackName(this.#stack?.names.prefix ?? ''));
    return [
      `Temporal's UI: ${this.#uiUrl}`,
      `TEMPORAL_ADDRESS=${this.#address} npx holdfast --config ${config} list`,
      `temporal workflow start --address ${this.#address} --task-queue ${queue} --type restoreStack --workflow-id my-restore --input '{"set":"latest"}'`,
    ];
  }

  async lastLog(): Promise<string> {
    return Promise.resolve(this.#output.slice(-30).join(''));
  }

  async #startStack(): Promise<SampleStack> {
    const { options } = this;
    const began = Date.now();
    const id = `${process.pid.toString(36)}${Date.now().toString(36).slice(-4)}`;
    const stack = await SampleStack.layOut({
      project: options.project,
      root: path.join(options.root, 'host'),
      prefix: `hfdemo${id}_`,
      runId: `demo-${id}`,
      modelMiB: options.short ? 32 : 192,
      vectorsMiB: options.short ? 16 : 64,
      webhookUrl: await this.#startReceiver(),
    });
    this.#stack = stack;
    await stack.up();
    await psql(
      stack,
      WRITTEN_DATABASE,
      `create table ${WRITTEN_TABLE} (id bigserial primary key, note text not null, at timestamptz default clock_timestamp())`,
    );
    options.say(
      `   up and healthy after ${seconds(began)}; ${SERVICES.length} compose projects below ${stack.root}`,
    );
    // Enough scrapes that there is something to lose.
    await delay(5_000);
    return stack;
  }

  async #startHoldfast(stack: SampleStack): Promise<void> {
    const port = await freePort();
    const uiPort = await freePort();
    this.#address = `127.0.0.1:${port}`;
    this.#uiUrl = `http://127.0.0.1:${uiPort}`;
    const up = startCommand(process.execPath, [
      ...this.#program(stack),
      'up',
      '--db-file',
      path.join(this.options.root, 'temporal.db'),
      '--port',
      String(port),
      '--ui-port',
      String(uiPort),
    ]);
    this.#up = up;
    up.stdout.on('data', (chunk: Buffer) => {
      this.#output.push(chunk.toString());
    });
    const ended = up.done.then(
      () => 'ended',
      (error: unknown) => (error instanceof Error ? error.message : 'failed'),
    );
    // Its own word: a command that finds no Temporal yet might start one.
    const isReady = (): boolean => this.#output.join('').includes('is ready');
    for (let tries = 0; tries < 600 && !isReady(); tries += 1) {
      const state = await Promise.race([ended, delay(100).then(() => 'running')]);
      if (state !== 'running') throw new Error(`holdfast up: ${state}`);
    }
    if (!isReady()) throw new Error('holdfast up did not become ready');
    this.options.say(`   Temporal's UI: ${this.#uiUrl}`);
  }

  async #backUp(stack: SampleStack): Promise<Before> {
    const { ports } = stack.names;
    const scrapedUntil = Math.floor(Date.now() / 1000) - 2;
    const scrapedFrom = scrapedUntil - 60;
    const writer = startWriter(stack);
    await delay(500);
    const writtenBefore = await countWritten(stack);
    const trees: Record<string, string> = {};
    for (const [name, directory] of Object.entries(quietTrees(stack))) {
      trees[name] = await treeDigest(directory);
    }
    const began = Date.now();
    try {
      await this.#holdfast(['backup', '--tier', 'daily']);
    } catch (error) {
      await writer.stop();
      throw error;
    }
    this.timings.backupMs = Date.now() - began;
    const writtenAfter = await countWritten(stack);
    await writer.stop();
    this.options.checks.between(
      'backup',
      'rows written by others during the backup',
      writtenAfter - writtenBefore,
      1,
      10_000_000,
    );
    this.options.checks.equal(
      'backup',
      'every service still answers',
      await Promise.all(
        [ports.grafana, ports.agent, ports.webbot, ports.webbot2].map((port, at) =>
          getStatus(`http://127.0.0.1:${port}${at === 0 ? '/api/health' : '/health'}`),
        ),
      ),
      [200, 200, 200, 200],
    );
    return {
      trees,
      scrapedFrom,
      scrapedUntil,
      writtenBefore,
      writtenAfter,
      tables: await tableDigests(stack),
      cluster: await clusterFacts(stack),
      contents: await serviceContents(stack, scrapedFrom, scrapedUntil),
      volumes: await volumeFacts(stack),
    };
  }

  async #showTree(stack: SampleStack): Promise<void> {
    const { stdout } = await runCommand('bash', [
      '-c',
      'cd "$1" && find . -mindepth 1 -maxdepth 5 -not -path "./.*" | sort | head -60; echo; du -sh .',
      'bash',
      stack.backups,
    ]);
    for (const line of stdout.trimEnd().split('\n')) this.options.say(`   ${line}`);
    const { stdout: list } = await runCommand(process.execPath, [...this.#program(stack), 'list']);
    for (const line of list.trimEnd().split('\n')) this.options.say(`   ${line}`);
  }

  async #proveLoss(stack: SampleStack): Promise<void> {
    const { checks } = this.options;
    const { stdout } = await runCommand('docker', [
      'ps',
      '-aq',
      '--filter',
      `label=dev.holdfast.run=${stack.options.runId}`,
    ]);
    checks.equal('loss', 'containers left', stdout.trim(), '');
    const { stdout: files } = await runCommand('ls', ['-A', stack.root]);
    checks.equal('loss', 'left on the host', files.trim().split('\n'), [
      'backups',
      'holdfast.yaml',
      'var',
    ]);
    checks.equal(
      'loss',
      'the agent does not answer',
      await getStatus(`http://127.0.0.1:${stack.names.ports.agent}/health`),
      0,
    );
  }

  /** Damages what was restored, to see the proof fail. */
  async #sabotage(stack: SampleStack): Promise<void> {
    const { sabotage } = this.options;
    if (sabotage === undefined) return;
    this.options.say(`   sabotage: ${sabotage}`);
    switch (sabotage) {
      case 'row':
        await psql(
          stack,
          'mlops',
          `do $$ declare t text; begin
             select format('%I.%I', schemaname, tablename) into t from pg_tables
             where schemaname not in ('pg_catalog','information_schema') and tablename <> 'demo_writes' order by 1 limit 1;
             execute format('delete from %s where ctid = (select min(ctid) from %s)', t, t);
           end $$`,
        );
        return;
      case 'file':
        await runCommand('bash', [
          '-c',
          'echo x >>"$1"/requirements/*.txt',
          'bash',
          stack.home('mlopsnew'),
        ]);
        return;
      case 'mode':
        await runCommand('chmod', ['0700', path.join(stack.home('webbot'), '.')]);
        return;
      default:
        throw new Error(`unknown sabotage ${sabotage}; one of row, file, mode`);
    }
  }

  async #prove(stack: SampleStack, before: Before): Promise<void> {
    const { checks } = this.options;
    this.options.say('   databases');
    const tables = await tableDigests(stack);
    checks.equal('databases', 'tables', Object.keys(tables), Object.keys(before.tables));
    for (const [table, digest] of Object.entries(before.tables)) {
      checks.equal('databases', table, tables[table], digest);
    }
    const written = await countWritten(stack);
    checks.between(
      'databases',
      `${WRITTEN_TABLE}, written to meanwhile`,
      written,
      before.writtenBefore,
      before.writtenAfter,
    );
    checks.equal(
      'databases',
      `${WRITTEN_TABLE} as the manifest recorded it`,
      written,
      await recordedRows(stack),
    );
    checks.equal(
      'databases',
      `${WRITTEN_TABLE} has no gap`,
      await psql(stack, WRITTEN_DATABASE, `select max(id) - count(*) from ${WRITTEN_TABLE}`),
      '0',
    );
    const cluster = await clusterFacts(stack);
    for (const [fact, value] of Object.entries(before.cluster)) {
      checks.equal('databases', fact, cluster[fact], value);
    }
    this.options.say('   trees');
    for (const [name, directory] of Object.entries(quietTrees(stack))) {
      checks.equal('trees', name, await treeDigest(directory), before.trees[name]);
    }
    this.options.say('   volumes and services');
    const volumes = await volumeFacts(stack);
    for (const [name, facts] of Object.entries(before.volumes)) {
      checks.equal('volumes', `${name}: driver, options, labels`, volumes[name], facts);
    }
    const contents = await serviceContents(stack, before.scrapedFrom, before.scrapedUntil);
    for (const [name, content] of Object.entries(before.contents)) {
      checks.equal('services', name, contents[name], content);
    }
    const { ports } = stack.names;
    for (const [name, url] of Object.entries({
      grafana: `${ports.grafana}/api/health`,
      prometheus: `${ports.prometheus}/-/ready`,
      qdrant: `${ports.qdrant}/readyz`,
      agent: `${ports.agent}/health`,
      webbot: `${ports.webbot}/health`,
      webbot2: `${ports.webbot2}/health`,
    })) {
      checks.equal('services', `${name} answers`, await getStatus(`http://127.0.0.1:${url}`), 200);
    }
    await this.#proveOrder(stack);
    await this.#proveTelling(stack);
    this.options.say('   by hand, in a container that has nothing of ours');
    await proveByHand(stack, checks);
  }

  /** postgres → mlopsnew → agent → webbots, by the containers' own start times. */
  async #proveOrder(stack: SampleStack): Promise<void> {
    const times = await Promise.all(
      SERVICES.map(async (service) => startTimes(stack, stack.project(service))),
    );
    const [pgdb = [], mlopsnew = [], agent = [], webbot = [], webbot2 = []] = times;
    const stages = [pgdb, mlopsnew, agent, [...webbot, ...webbot2]];
    const names = ['pgdb', 'mlopsnew', 'agent', 'webbots'];
    for (let at = 1; at < stages.length; at += 1) {
      const gap = Math.min(...(stages[at] ?? [])) - Math.max(...(stages[at - 1] ?? []));
      this.options.checks.between(
        'order',
        `${names[at] ?? ''} started after ${names[at - 1] ?? ''}, milliseconds`,
        gap,
        0,
        600_000,
      );
    }
  }

  async #proveTelling(stack: SampleStack): Promise<void> {
    const { checks } = this.options;
    const log = await readFile(path.join(stack.root, 'var/log/system-backup.log'), 'utf8');
    const odd = log
      .trimEnd()
      .split('\n')
      .filter((line) => !/^\[\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\] ./.test(line));
    checks.equal('telling', 'lines of the log file in another format', odd, []);
    checks.equal(
      'telling',
      'the log names the volumes with their sizes',
      (log.match(/Volume .* size: /g) ?? []).length,
      // By each of the two backups.
      2 * stack.volumes().length,
    );
    checks.equal(
      'telling',
      'notifications and their fields',
      this.#notifications.map((one) => [
        (one as { status: string }).status,
        ...Object.keys(one as object).sort(),
      ]),
      [
        ['success', 'message', 'status', 'timestamp'],
        ['success', 'message', 'status', 'timestamp'],
        ['success', 'message', 'status', 'timestamp'],
      ],
    );
  }

  /** A webhook receiver on loopback. */
  async #startReceiver(): Promise<string> {
    const server = createServer((request, response) => {
      const chunks: Buffer[] = [];
      request.on('data', (chunk: Buffer) => chunks.push(chunk));
      request.on('end', () => {
        this.#notifications.push(JSON.parse(Buffer.concat(chunks).toString()) as unknown);
        response.end();
      });
    });
    this.#receiver = server;
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const address = server.address();
    return `http://127.0.0.1:${typeof address === 'object' && address !== null ? address.port : 0}/hook`;
  }

  /** Runs the CLI as a person would, its output on the screen. */
  async #holdfast(args: readonly string[]): Promise<void> {
    const exitCode = await this.#holdfastCode(args);
    if (exitCode !== 0) throw new Error(`holdfast ${args.join(' ')} ended with ${exitCode}`);
  }

  async #holdfastCode(args: readonly string[]): Promise<number> {
    this.options.say(`   $ holdfast ${args.join(' ')}`);
    const running = startCommand(process.execPath, [...this.#program(this.#stack), ...args], {
      env: this.#env(),
      okExitCodes: [0, 1, 2, 3],
    });
    running.stdout.on('data', (chunk: Buffer) => {
      process.stdout.write(chunk.toString().replaceAll(/^(?=.)/gm, '   | '));
    });
    const { exitCode, stderr } = await running.done;
    if (stderr !== '') process.stdout.write(stderr.replaceAll(/^(?=.)/gm, '   | '));
    return exitCode;
  }

  #program(stack: SampleStack | undefined): string[] {
    return [
      path.join(this.options.project, 'dist/src/cli/main.js'),
      '--config',
      stack?.configFile ?? '',
    ];
  }

  #env(): Record<string, string> {
    return { TEMPORAL_ADDRESS: this.#address };
  }
}

/** Keeps inserting rows until told to stop: what a backup of a living stack meets. */
function startWriter(stack: SampleStack): { stop: () => Promise<void> } {
  const stopping = new AbortController();
  const done = (async () => {
    while (!stopping.signal.aborted) {
      await psql(
        stack,
        WRITTEN_DATABASE,
        `insert into ${WRITTEN_TABLE} (note) select 'row ' || g from generate_series(1, 50) g`,
      );
      await delay(50);
    }
  })();
  return {
    stop: async () => {
      stopping.abort();
      await done;
    },
  };
}

async function countWritten(stack: SampleStack): Promise<number> {
  return Number(await psql(stack, WRITTEN_DATABASE, `select count(*) from ${WRITTEN_TABLE}`));
}

/** What the dump's manifest says the written table held. */
async function recordedRows(stack: SampleStack): Promise<number> {
  const { stdout } = await runCommand('bash', [
    '-c',
    'cat "$1"/pgdb/daily/data/pgdump_*/manifest.json',
    'bash',
    stack.backups,
  ]);
  const manifest = JSON.parse(stdout) as {
    postgres: {
      databases: { name: string; tables: { schema: string; table: string; rows: number }[] }[];
    };
  };
  const database = manifest.postgres.databases.find(({ name }) => name === WRITTEN_DATABASE);
  return database?.tables.find(({ table }) => table === 'demo_writes')?.rows ?? -1;
}

async function volumeFacts(stack: SampleStack): Promise<Record<string, unknown>> {
  const { stdout } = await runCommand('docker', ['volume', 'inspect', ...stack.volumes()]);
  const volumes = JSON.parse(stdout) as {
    Name: string;
    Driver: string;
    Options: unknown;
    Labels: unknown;
  }[];
  return Object.fromEntries(
    // The engine says null or {} for none, depending on how the volume was made.
    volumes.map(({ Name, Driver, Options, Labels }) => [
      Name,
      { Driver, Options: Options ?? {}, Labels },
    ]),
  );
}

function seconds(beganMs: number): string {
  return `${((Date.now() - beganMs) / 1000).toFixed(1)} s`;
}
