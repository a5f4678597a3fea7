/** A sample stack with a worker of its own: what the tests of whole runs share. */
import { randomBytes } from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { sampleStackName } from '../../demo/sample-config.js';
import { SampleStack } from '../../demo/sample-stack.js';
import { runCommand } from '../../src/base/process/process.js';
import { PROJECT, WorkerHost } from './worker-host.js';

export { PROJECT, temporalAddress, type CliRun } from './worker-host.js';

export class StackHost extends WorkerHost {
  private constructor(
    readonly directory: string,
    readonly stack: SampleStack,
  ) {
    super(stack.configFile, sampleStackName(stack.names.prefix));
  }

  static async create(options: { up: boolean }): Promise<StackHost> {
    const directory = await mkdtemp(path.join(tmpdir(), 'holdfast-test-'));
    const id = randomBytes(3).toString('hex');
    const stack = await SampleStack.layOut({
      project: PROJECT,
      root: path.join(directory, 'host'),
      prefix: `hft${id}_`,
      runId: process.env['HOLDFAST_TEST_RUN'] ?? `test-${id}`,
      modelMiB: 4,
      vectorsMiB: 4,
    });
    const host = new StackHost(directory, stack);
    if (options.up) await stack.up();
    return host;
  }

  /** Names of the stack's running containers with the time they were started at. */
  async running(): Promise<Record<string, string>> {
    const { stdout } = await runCommand('docker', [
      'ps',
      '--filter',
      `name=${this.stack.names.prefix}`,
      '--format',
      '{{.Names}}',
    ]);
    const names = stdout.split('\n').filter((name) => name !== '');
    const times: Record<string, string> = {};
    for (const name of names.sort()) {
      const inspected = await runCommand('docker', [
        'inspect',
        '-f',
        '{{.State.StartedAt}} {{.State.Paused}}',
        name,
      ]);
      times[name] = inspected.stdout.trim();
    }
    return times;
  }

  /** The run log's last lines. */
  async log(): Promise<string> {
    const file = path.join(this.stack.root, 'var/log/system-backup.log');
    return (await readFile(file, 'utf8')).split('\n').slice(-25).join('\n');
  }

  /** A second configuration beside the first, changed as text. */
  async variant(name: string, change: (text: string) => string): Promise<string> {
    const file = path.join(this.directory, `${name}.yaml`);
    await writeFile(file, change(await readFile(this.stack.configFile, 'utf8')));
    return file;
  }

  async remove(): Promise<void> {
    await this.close();
    await this.stack.remove();
    await rm(this.directory, { recursive: true, force: true });
  }
}
