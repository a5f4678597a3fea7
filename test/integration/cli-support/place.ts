/** A directory with a configuration and an empty store, and the CLI as a process of its own in it. */
import { mkdtemp, mkdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import type { CommandResult } from '../../../src/base/process/process.js';
import { cliMain, runTypeScript } from './run.js';

/** The program with runs that need no Temporal. */
export const fakeMain = fileURLToPath(new URL('./fake-main.ts', import.meta.url));

export const PLAIN_ENV = {
  NO_COLOR: '1',
  HOLDFAST_CONFIG: '',
  HOLDFAST_DEBUG: '',
  LANG: 'C.UTF-8',
};

export interface Place {
  readonly directory: string;
  readonly root: string;
  readonly config: string;
  cli(args: readonly string[]): Promise<CommandResult>;
  fake(args: readonly string[], env?: Record<string, string>): Promise<CommandResult>;
  remove(): Promise<void>;
}

export async function makePlace(): Promise<Place> {
  const directory = await mkdtemp(path.join(tmpdir(), 'holdfast-cli-'));
  const root = path.join(directory, 'backups');
  const config = path.join(directory, 'holdfast.yaml');
  await mkdir(root);
  await writeFile(config, configText(root));
  return {
    directory,
    root,
    config,
    cli: (args) => runTypeScript(cliMain, args, { cwd: directory, env: PLAIN_ENV }),
    fake: (args, env = {}) =>
      runTypeScript(fakeMain, args, {
        cwd: directory,
        env: { ...PLAIN_ENV, FAKE_LENGTH_MS: '1200', ...env },
      }),
    remove: () => rm(directory, { recursive: true, force: true }),
  };
}

export function jsonLines(text: string): Record<string, unknown>[] {
  return text
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>);
}

function configText(root: string): string {
  return `version: 1
stack: ml
backups: { root: ${root} }
services:
  pgdb:
    sources:
      pgdump: { kind: postgres, container: ml_postgres }
  agent:
    home: /agent
    after: [pgdb]
    sources:
      data: { kind: files }
`;
}
