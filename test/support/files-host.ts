/** A stack of files only, with a worker of its own: whole runs without containers. */
import { randomBytes } from 'node:crypto';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { WorkerHost } from './worker-host.js';

export class FilesHost extends WorkerHost {
  private constructor(
    readonly directory: string,
    stack: string,
    env: Record<string, string> | undefined,
  ) {
    super(path.join(directory, 'holdfast.yaml'), stack, env);
  }

  /** `extras` is YAML at the top level of the configuration; `env` is the worker's and the CLI's. */
  static async create(extras: string, env?: Record<string, string>): Promise<FilesHost> {
    const directory = await mkdtemp(path.join(tmpdir(), 'holdfast-files-'));
    const host = new FilesHost(directory, `files-${randomBytes(3).toString('hex')}`, env);
    await mkdir(host.home);
    await writeFile(path.join(host.home, 'a.txt'), 'a');
    await writeFile(
      host.configFile,
      [
        'version: 1',
        `stack: ${host.stackName}`,
        `host: { id: ${host.stackName} }`,
        `log: { file: ${host.log} }`,
        `backups: { root: ${host.backups}, minimumFree: 0 }`,
        extras,
        'services:',
        `  app: { home: ${host.home}, sources: { data: { kind: files } } }`,
        '',
      ].join('\n'),
    );
    return host;
  }

  get home(): string {
    return path.join(this.directory, 'app');
  }
  get backups(): string {
    return path.join(this.directory, 'backups');
  }
  get log(): string {
    return path.join(this.directory, 'backup.log');
  }

  readLog(): Promise<string> {
    return readFile(this.log, 'utf8');
  }

  async remove(): Promise<void> {
    await this.close();
    await rm(this.directory, { recursive: true, force: true });
  }
}
