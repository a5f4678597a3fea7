/** What a stack is, as far as anybody could tell it apart: compared before and after. */
import { createHash } from 'node:crypto';
import { createReadStream, lstatSync, readdirSync, readlinkSync, type BigIntStats } from 'node:fs';
import path from 'node:path';
import { runCommand } from '../../src/base/process/process.js';

export type Entries = Readonly<Record<string, string>>;

export interface Snapshot {
  /** `project/compose service` → the states of its containers, sorted. */
  readonly containers: Readonly<Record<string, readonly string[]>>;
  /** `service/source` → path → all there is to say of it; undefined where there is no such place. */
  readonly trees: Readonly<Record<string, Entries | undefined>>;
  /** Of volumes: driver options and labels. */
  readonly volumes: Readonly<Record<string, string>>;
  /** What was asked of servers; undefined of one that is not there. */
  readonly servers: Readonly<Record<string, Entries | undefined>>;
}

/**
 * Every entry with its metadata and content; not its ctime, atime and inode. What is mounted below is
 * looked into; the times of the directories that lead to it are left out: they are those of a swap.
 * @param mountPoint absolute, or undefined
 */
export async function readTree(root: string, mountPoint?: string): Promise<Entries | undefined> {
  const top = lstatSync(root, { bigint: true, throwIfNoEntry: false });
  if (top === undefined) return undefined;
  const found: Record<string, string> = {};
  const inodes = new Map<bigint, string>();
  const onTheWay = (at: string): boolean =>
    mountPoint !== undefined && (mountPoint === at || mountPoint.startsWith(`${at}/`));
  const visit = async (at: Buffer, stats: BigIntStats): Promise<void> => {
    const name = at.toString('latin1').slice(Buffer.byteLength(root));
    const times = !stats.isDirectory() || !onTheWay(at.toString()) ? stats.mtimeNs : 'swapped';
    const facts = [stats.mode.toString(8), `${stats.uid}:${stats.gid}`, times];
    if (!stats.isDirectory() && stats.nlink > 1n) {
      // Which other name it is the same file as.
      facts.push(`as ${inodes.get(stats.ino) ?? name}`);
      if (!inodes.has(stats.ino)) inodes.set(stats.ino, name);
    }
    if (stats.isSymbolicLink()) {
      facts.push(`-> ${readlinkSync(at, { encoding: 'buffer' }).toString('latin1')}`);
    } else if (stats.isFile()) {
      const sparse = stats.size > 65_536n && stats.blocks * 512n < stats.size / 2n;
      facts.push(stats.size, sparse ? 'sparse' : 'full', await digest(at));
    }
    found[name] = facts.map(String).join(' ');
    if (!stats.isDirectory()) return;
    const names = readdirSync(at, { encoding: 'buffer' }).sort((a, b) => Buffer.compare(a, b));
    for (const child of names) {
      const below = Buffer.concat([at, Buffer.from('/'), child]);
      await visit(below, lstatSync(below, { bigint: true }));
    }
  };
  await visit(Buffer.from(root), top);
  const { stdout } = await runCommand('getfattr', ['-Rhd', '-m', '-', '-e', 'hex', '--', '.'], {
    cwd: root,
    env: { LC_ALL: 'C' },
  });
  return { ...found, 'extended attributes': stdout };
}

async function digest(file: Buffer): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(file)) hash.update(chunk as Buffer);
  return hash.digest('hex').slice(0, 16);
}

/** States by compose service. A crash loop looks different at each moment; exited and created do not run. */
export async function readContainers(
  label: string,
  loops: ReadonlySet<string>,
): Promise<Record<string, string[]>> {
  const field = (name: string): string => `{{.Label "com.docker.compose.${name}"}}`;
  const { stdout } = await runCommand('docker', [
    ...['ps', '-a', '--filter', `label=${label}`],
    ...['--format', `${field('project')}/${field('service')}\t{{.State}}`],
  ]);
  const states: Record<string, string[]> = {};
  for (const line of stdout.split('\n').filter((one) => one !== '')) {
    const [name = '', state = ''] = line.split('\t');
    const down = ['exited', 'created', 'dead'].includes(state);
    (states[name] ??= []).push(down ? 'down' : loops.has(name) ? 'in a loop' : state);
  }
  for (const list of Object.values(states)) list.sort();
  return states;
}

/** Options and labels of the volumes with a label or a name that begins so. */
export async function readVolumes(prefix: string): Promise<Record<string, string>> {
  const { stdout } = await runCommand('docker', [
    ...['volume', 'ls', '-q', '--filter', `name=${prefix}`],
  ]);
  // Safety copies are another matter: see leftovers.
  const names = stdout.split('\n').filter((name) => name !== '' && !name.includes('.holdfast-'));
  const found: Record<string, string> = {};
  for (const name of names.sort()) {
    const format = '{{.Driver}} {{json .Options}} {{json .Labels}}';
    const inspected = await runCommand('docker', ['volume', 'inspect', '-f', format, name]);
    found[name] = inspected.stdout.trim().replace(/^(\w+) null /, '$1 {} ');
  }
  return found;
}

/** What a database is beside its content. */
const DATABASE_QUESTION = `
  select json_agg(json_build_array(datname, pg_encoding_to_char(encoding), datcollate, datctype, datconnlimit,
    pg_get_userbyid(datdba), datistemplate,
    (select json_agg(one::text order by one::text) from unnest(datacl) one), shobj_description(d.oid, 'pg_database'),
    (select json_agg(json_build_array(setrole::regrole, setconfig) order by setrole)
      from pg_db_role_setting where setdatabase = d.oid)) order by datname)
  from pg_database d`;

export type Psql = (database: string, sql: string) => Promise<string>;

/** All databases as text, and the answers to questions about what is in no dump. */
export async function readServer(
  container: string,
  user: string,
  psql: Psql,
  probes: readonly { readonly database: string; readonly sql: string }[],
): Promise<Entries | undefined> {
  const state = await runCommand('docker', ['inspect', '-f', '{{.State.Running}}', container], {
    okExitCodes: [0, 1],
  });
  if (state.stdout.trim() !== 'true') return undefined;
  // Not pg_dumpall's: it refuses names with a newline.
  const dump = async (database: string, tool: readonly string[]): Promise<string> => {
    const { stdout } = await runCommand('docker', [
      ...['exec', '-e', `PGDATABASE=${database}`, container, ...tool, '-U', user],
    ]);
    // Rights and large objects come in the order of their making, and keys of \restrict are random.
    const lines = stdout.split('\n').filter((line) => !/^\\(un)?restrict /.test(line));
    return lines.sort().join('\n');
  };
  const answers: Record<string, string> = {
    globals: await dump('template1', ['pg_dumpall', '-g', '-l', 'template1']),
    databases: await psql('template1', DATABASE_QUESTION),
  };
  const names: unknown = JSON.parse(
    await psql(
      'template1',
      `select json_agg(datname order by datname) from pg_database where datallowconn`,
    ),
  );
  for (const name of Array.isArray(names) ? names.map(String) : []) {
    answers[`dump of ${name}`] = await dump(name, ['pg_dump']);
  }
  for (const { database, sql } of probes) {
    answers[`${database}: ${sql}`] = await psql(database, sql).catch((error: unknown) => {
      const gone = /database .* does not exist/.test(String(error));
      if (gone) return 'no such database';
      throw error;
    });
  }
  answers['settings'] = await psql(
    'template1',
    `select name || '=' || setting from pg_settings where source = 'configuration file' order by 1`,
  );
  answers['access'] = await psql(
    'template1',
    `select coalesce(string_agg(format('%s %s %s %s %s', type, database, user_name, address, auth_method), E'\\n' order by line_number), '') from pg_hba_file_rules`,
  );
  return answers;
}

/** Names of what a restore left beside the places, and volumes. */
export async function leftovers(directory: string, id: string): Promise<string[]> {
  const volumes = await runCommand('docker', ['volume', 'ls', '-q', '--filter', `name=${id}`]);
  const beside = await runCommand('find', [
    ...[directory, '-path', path.join(directory, 'backups'), '-prune', '-o'],
    ...['-name', '*.holdfast-*', '-print'],
  ]);
  return `${volumes.stdout}\n${beside.stdout}`
    .split('\n')
    .filter((name) => name.includes('.holdfast-') && !name.includes('.holdfast-mine'));
}
