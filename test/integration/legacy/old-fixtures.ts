/** A host with the old script's backups: made by the guide's own commands, run by a shell. */
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { loadConfig } from '../../../src/config/load.js';
import type { Config } from '../../../src/format/config/schema.js';
import type { Work } from '../../../src/base/progress.js';
import { readCatalogue } from '../../../src/store/catalogue/catalogue.js';
import {
  importOldSet,
  settleImports,
  type ImportedSet,
  type ImportOptions,
} from '../../../src/legacy/import-old.js';
import { readOldBackups, type OldBackup } from '../../../src/legacy/old-sets.js';
import { runCommand } from '../../../src/base/process/process.js';
import { quiet } from '../tree/awkward-tree.js';

export const STAMP = '20241212_010000';
/** What pg_dumpall writes, with little between its first and its last line. */
export const SCRIPT = `--
-- PostgreSQL database cluster dump
--

CREATE ROLE app;
ALTER ROLE app WITH LOGIN;

\\connect template1

--
-- PostgreSQL database dump
--

-- Dumped from database version 15.10 (Debian 15.10-1.pgdg120+1)
-- Dumped by pg_dump version 15.10 (Debian 15.10-1.pgdg120+1)

CREATE DATABASE shop WITH TEMPLATE = template0 ENCODING = 'UTF8';

\\connect shop

COPY public.orders (id, what) FROM stdin;
1\tone
2\ttwo
\\.

--
-- PostgreSQL database dump complete
--

--
-- PostgreSQL database cluster dump complete
--

`;

export interface OldHost {
  readonly directory: string;
  /** Of the backups. */
  readonly root: string;
  readonly home: string;
  readonly config: Config;
}

/** A configuration for `<directory>/mlopsnew`, a volume `vol`, a model and a server. */
export async function makeOldHost(directory: string, volume = 'vol'): Promise<OldHost> {
  const root = path.join(directory, 'backups');
  const home = path.join(directory, 'mlopsnew');
  mkdirSync(root);
  mkdirSync(home);
  const file = path.join(directory, 'holdfast.yaml');
  writeFileSync(
    file,
    `version: 1
stack: ml
host: { id: box }
backups: { root: ${root}, fileMode: '2664', directoryMode: '2775' }
services:
  pgdb:
    sources:
      pgdump: { kind: postgres, container: ml_postgres }
  saiga:
    sources:
      model: { kind: files, name: saiga_model, large: true, base: ${directory}/hub/models--A--b, include: [blobs, refs] }
  mlopsnew:
    home: ${home}
    after: [pgdb, saiga]
    sources:
      configs: { kind: files, category: configs, include: ['docker-compose.*.yml', config] }
      data: { kind: files }
      grafana: { kind: volume, volume: ${volume}, quiesce: pause }
`,
  );
  return { directory, root, home, config: await loadConfig(file) };
}

/** Where the script puts a file of this service; the directory is made. */
export function place(host: OldHost, relative: string): string {
  const file = path.join(host.root, relative);
  mkdirSync(path.dirname(file), { recursive: true });
  return file;
}

/** Runs lines of the guide as they stand, with these variables. */
export async function shell(script: string, env: Record<string, string> = {}): Promise<void> {
  await runCommand('bash', ['-euo', 'pipefail', '-c', script], { env });
}

/** A whole run of the script, its tars made by its own commands; the volume's is a plain directory. */
export async function runOldScript(
  host: OldHost,
  { stamp = STAMP, tier = 'daily' }: { stamp?: string; tier?: string } = {},
): Promise<void> {
  const { directory, home, root } = host;
  const service = `${root}/mlopsnew/${tier}`;
  await shell(
    `
mkdir -p "$HOME_DIR/config" "$HOME_DIR/app" "$MODEL/blobs" "$MODEL/refs" "$DIR/volume/data"
echo "a: 1" > "$HOME_DIR/docker-compose.a.yml"; echo cfg > "$HOME_DIR/config/x.ini"; echo app > "$HOME_DIR/app/main.py"
echo blob > "$MODEL/blobs/1"; echo 1 > "$MODEL/refs/main"; ln -sf ../blobs/1 "$MODEL/refs/link"
echo panel > "$DIR/volume/data/grafana.db"; chown 472:0 "$DIR/volume/data"; chmod 2770 "$DIR/volume/data"
mkdir -p "$SERVICE/configs" "$SERVICE/data" "$SERVICE/docker" "$ROOT/large_volumes" "$ROOT/pgdb/$TIER/data"
tar czf "$SERVICE/configs/configs_$DATE.tar.gz" "$HOME_DIR"/docker-compose.*.yml "$HOME_DIR/config" 2>/dev/null
tar czf "$SERVICE/data/data_$DATE.tar.gz" "$HOME_DIR" 2>/dev/null
(cd "$DIR/volume" && tar czf "$SERVICE/docker/vol_$DATE.tar.gz" data)
tar czf "$ROOT/large_volumes/saiga_model_$DATE.tar.gz" --warning=no-file-changed "$MODEL/blobs" "$MODEL/refs" 2>/dev/null
printf '%s' "$SCRIPT" > "$ROOT/pgdb/$TIER/data/pgdump_$DATE.sql"
chmod 2664 "$SERVICE"/*/*.tar.gz`,
    {
      DIR: directory,
      HOME_DIR: home,
      MODEL: `${directory}/hub/models--A--b`,
      SERVICE: service,
      ROOT: root,
      TIER: tier,
      DATE: stamp,
      SCRIPT,
    },
  );
}

export async function oldBackups(host: OldHost): Promise<readonly OldBackup[]> {
  const { sets } = await readCatalogue(host.root);
  return (await readOldBackups(host.root, host.config, sets)).backups;
}

/** As the command does it: what was left is settled first. */
export async function importAll(
  host: OldHost,
  options: Partial<ImportOptions> = {},
  work: Work = quiet,
): Promise<ImportedSet[]> {
  if (options.dryRun !== true) await settleImports(host.root, undefined);
  const results: ImportedSet[] = [];
  for (const backup of await oldBackups(host)) {
    results.push(
      await importOldSet(
        backup,
        { root: host.root, config: host.config, dryRun: false, keepOld: false, ...options },
        work,
      ),
    );
  }
  return results;
}
