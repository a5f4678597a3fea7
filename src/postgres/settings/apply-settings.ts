/** A dump's settings into a new server: first as far as the load needs them, then as they were. */
import path from 'node:path';
import { Readable } from 'node:stream';
import { z } from 'zod';
import { HoldfastError } from '../../base/errors.js';
import type { SettingsInfo } from '../../format/manifest.js';
import { isMountedInside, readSettings } from './read-settings.js';
import type { LoginRoute } from '../client/ready.js';
import { queryJson, runSql, serverFacts } from '../client/server.js';
import type { SettingsFile } from './settings-tar.js';
import {
  actsOutside,
  confInclusions,
  confLines,
  overridesForLoad,
  withLines,
  withoutLines,
} from './settings-text.js';

const AUTO_CONF = 'postgresql.auto.conf';
/** Each round takes out what the one before did not get to; a broken include hides what follows. */
const MOST_ROUNDS = 5;

export interface SavedFiles {
  readonly info: SettingsInfo;
  readonly files: readonly SettingsFile[];
}

export interface SettingsPlan {
  readonly dataDirectory: string;
  /** The server has to be started anew before the load. */
  readonly restartForLoad: boolean;
  /** And after it: what the load had otherwise needs that. */
  readonly restartAtEnd: boolean;
  /** Written when everything is loaded. */
  readonly atEnd: readonly SettingsFile[];
  readonly hba: string;
  /** What is not as it was, and what a person should look at. */
  readonly told: readonly string[];
}

/**
 * Writes what the load needs into the data directory of a server that initdb has just made. What its
 * version does not know is left out, by name.
 * @param options.mounted As readSettings takes it: nothing is written there.
 * @returns undefined where the server has these settings already
 * @throws HoldfastError RESTORE_FAILED, COMMAND_FAILED, POSTGRES_UNREACHABLE
 */
export async function writeForLoad(
  { pg, login }: LoginRoute,
  saved: SavedFiles,
  options: { readonly mounted: readonly string[]; readonly drill: boolean },
  signal: AbortSignal,
): Promise<SettingsPlan | undefined> {
  const { maintenanceDatabase: database } = await serverFacts(pg, login, 'RESTORE_FAILED', signal);
  const fresh = await readSettings(pg, login, { mounted: options.mounted, database }, signal);
  const { dataDirectory, config, hba: freshHba, sharedBuffers } = fresh.places;
  const { hba } = saved.info;
  const differs = ({ path: name, content }: SettingsFile): boolean =>
    !fresh.files.some((file) => file.path === name && file.content.equals(content));
  if (!saved.files.some(differs)) return undefined;

  const told: string[] = [];
  const files = new Map<string, Buffer>();
  const modes = new Map(saved.files.map(({ path: name, mode }) => [name, mode]));
  const write = (name: string, content: Buffer): Promise<void> =>
    writeFile(
      { pg, login },
      dataDirectory,
      { path: name, content, ...modeOf(modes, name) },
      signal,
    );
  for (const { path: name, content } of saved.files) {
    const target = path.posix.join(dataDirectory, name);
    if (isMountedInside(target, dataDirectory, options.mounted)) {
      told.push(`${name} is mounted into the data directory now: it is left as it is`);
    } else files.set(name, content);
  }
  const settings = settingsIn(files, path.posix.relative(dataDirectory, config), dataDirectory);
  const overrides = overridesForLoad({
    settings,
    freshHba,
    freshSharedBuffers: sharedBuffers,
    drill: options.drill,
  });
  const auto = files.get(AUTO_CONF)?.toString('latin1') ?? '';
  const needsAuto = Object.keys(overrides).length > 0;

  const forLoad = [...files].filter(([name]) => name !== hba && name !== AUTO_CONF);
  for (const [name, content] of forLoad) await write(name, content);
  let autoText = auto;
  for (let round = 0; round < MOST_ROUNDS; round += 1) {
    const text = withLines(autoText, overrides);
    await write(AUTO_CONF, Buffer.from(text, 'latin1'));
    const wrong = await wrongLines({ pg, login }, database, signal);
    const mended = new Set<string>();
    for (const { file, line, what } of wrong) {
      const name = path.posix.relative(dataDirectory, file);
      const content = name === AUTO_CONF ? Buffer.from(autoText, 'latin1') : files.get(name);
      if (content === undefined) continue;
      const lines = wrong.filter((one) => one.file === file).map((one) => one.line);
      if (!mended.has(name)) {
        const reason = 'left out by holdfast, this server does not take it';
        const without = withoutLines(content.toString('latin1'), lines, reason);
        if (name === AUTO_CONF) autoText = without;
        else {
          files.set(name, Buffer.from(without, 'latin1'));
          await write(name, Buffer.from(without, 'latin1'));
        }
        mended.add(name);
      }
      told.push(`${name}, line ${line}, is left out: ${what}`);
    }
    if (mended.size === 0) break;
  }
  if (!options.drill) told.push(...actsOutside(settings));
  const final = new Map(files);
  if (files.has(AUTO_CONF) || needsAuto) final.set(AUTO_CONF, Buffer.from(autoText, 'latin1'));
  const hbaContent = files.get(hba);
  return {
    dataDirectory,
    restartForLoad: needsAuto || saved.files.some((file) => file.path !== hba && differs(file)),
    restartAtEnd: needsAuto,
    atEnd: [
      ...(hbaContent === undefined
        ? []
        : [{ path: hba, content: hbaContent, ...modeOf(modes, hba) }]),
      ...(needsAuto
        ? [
            {
              path: AUTO_CONF,
              content: Buffer.from(autoText, 'latin1'),
              ...modeOf(modes, AUTO_CONF),
            },
          ]
        : []),
    ],
    hba,
    told,
  };
}

/**
 * Writes what waited for the end of the load; the server has to be started anew, or to reload, after it.
 * @returns what of it was left out
 */
export async function writeAtEnd(
  route: LoginRoute,
  plan: SettingsPlan,
  signal: AbortSignal,
): Promise<string[]> {
  const { pg, login } = route;
  const told: string[] = [];
  for (const file of plan.atEnd) {
    const { path: name, content } = file;
    await writeFile(route, plan.dataDirectory, file, signal);
    if (name !== plan.hba) continue;
    const wrong = await wrongRules(route, path.posix.join(plan.dataDirectory, name), signal);
    if (wrong.length === 0) continue;
    const lines = wrong.map(({ line }) => line);
    const reason = 'left out by holdfast, this server does not take it';
    const text = withoutLines(content.toString('latin1'), lines, reason);
    const without = { ...file, content: Buffer.from(text, 'latin1') };
    await writeFile(route, plan.dataDirectory, without, signal);
    told.push(...wrong.map(({ line, what }) => `${name}, line ${line}, is left out: ${what}`));
  }
  if (!plan.restartAtEnd) {
    const { maintenanceDatabase } = await serverFacts(pg, login, 'RESTORE_FAILED', signal);
    await runSql(
      pg,
      login,
      { database: maintenanceDatabase, sql: 'select pg_reload_conf();' },
      signal,
    );
  }
  return told;
}

/** What the files set, later lines over earlier ones. Names are as in the files, in lower case. */
export function settingsIn(
  files: ReadonlyMap<string, Buffer>,
  config: string,
  dataDirectory: string,
): Map<string, string> {
  const settings = new Map<string, string>();
  const visit = (name: string, depth: number): void => {
    const text = files.get(name)?.toString('latin1');
    if (text === undefined || depth > 10) return;
    for (const line of confLines(text)) {
      const [inclusion] = confInclusions(text.split('\n')[line.line - 1] ?? '');
      if (inclusion === undefined) {
        settings.set(line.name, line.value);
        continue;
      }
      const from = path.posix.dirname(path.posix.join(dataDirectory, name));
      const target = path.posix.relative(dataDirectory, path.posix.resolve(from, inclusion.path));
      if (inclusion.kind === 'file') visit(target, depth + 1);
      else {
        const inside = [...files.keys()].filter(
          (one) => path.posix.dirname(one) === target && one.endsWith('.conf'),
        );
        for (const one of inside.sort()) visit(one, depth + 1);
      }
    }
  };
  visit(config, 0);
  visit(AUTO_CONF, 0);
  return settings;
}

const lineSchema = z.object({ file: z.string(), line: z.number(), what: z.string() });
type WrongLine = z.output<typeof lineSchema>;

/** What the server would not take: all but what only waits for a start. */
async function wrongLines(
  { pg, login }: LoginRoute,
  database: string,
  signal: AbortSignal,
): Promise<WrongLine[]> {
  const sql = `select jsonb_build_object('file', f.sourcefile, 'line', f.sourceline,
      'what', concat_ws(': ', f.name, f.error))
    from pg_file_settings f left join pg_settings s on s.name = f.name
    where f.error is not null and f.sourcefile is not null
      and not (f.error = 'setting could not be applied' and coalesce(s.context, 'postmaster') = 'postmaster')
    order by f.seqno;`;
  return queryJson(pg, login, { database, sql, schema: lineSchema }, signal);
}

async function wrongRules(
  { pg, login }: LoginRoute,
  file: string,
  signal: AbortSignal,
): Promise<WrongLine[]> {
  const { maintenanceDatabase } = await serverFacts(pg, login, 'RESTORE_FAILED', signal);
  // A rule with an error is in force all the same: hostssl, say, on a server without TLS, where nothing
  // matches it until there is. A line that is not taken has no type.
  // Before 16 the view tells no file: it is the one that is in use.
  const sql = `select jsonb_build_object('file', coalesce(to_jsonb(r)->>'file_name', current_setting('hba_file')),
      'line', r.line_number, 'what', r.error)
    from pg_hba_file_rules r where r.error is not null and r.type is null order by r.line_number;`;
  const wrong = await queryJson(
    pg,
    login,
    { database: maintenanceDatabase, sql, schema: lineSchema },
    signal,
  );
  return wrong.filter((one) => one.file === file);
}

/** As the server's own user, whoever we are in its container; never half a file. */
const WRITE = `
set -eu
cd "$1"
umask 077
owner=$(stat -c %u:%g .)
own() { if [ "$(id -u)" = 0 ]; then chown "$owner" "$1"; fi; }
at=
rest=$2
while [ "\${rest#*/}" != "$rest" ]; do
  at=$at\${rest%%/*}
  rest=\${rest#*/}
  if [ ! -d "$at" ]; then mkdir "$at"; own "$at"; fi
  at=$at/
done
cat > "$2.holdfast"
chmod "$3" "$2.holdfast"
own "$2.holdfast"
mv -f "$2.holdfast" "$2"
`;

function modeOf(
  modes: ReadonlyMap<string, number | undefined>,
  name: string,
): { readonly mode?: number } {
  const mode = modes.get(name);
  return mode === undefined ? {} : { mode };
}

async function writeFile(
  { pg }: LoginRoute,
  dataDirectory: string,
  { path: name, content, mode = 0o600 }: SettingsFile,
  signal: AbortSignal,
): Promise<void> {
  const args = [dataDirectory, name, mode.toString(8).padStart(3, '0')];
  const result = await pg.capture(['sh', '-c', WRITE, 'sh', ...args], {
    input: Readable.from([content], { objectMode: false }),
    signal,
  });
  if (result.exitCode === 0) return;
  throw new HoldfastError('RESTORE_FAILED', `${name} can't be written into the data directory`, {
    facts: { file: name, stderr: result.stderr.slice(-500) },
    hint: 'restore with --without-server-settings, and write it by hand (RESTORE.md beside the dump says how)',
  });
}
