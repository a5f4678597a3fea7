/**
 * The fifth promise: an artifact is restored by the shell lines of its own RESTORE.md, in a container
 * with tar and zstd and nothing of Holdfast's.
 */
import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { runCommand } from '../src/base/process/process.js';
import type { Checks } from './report.js';
import { treeDigest } from './proof.js';
import type { SampleStack } from './sample-stack.js';

const IMAGE = 'holdfast-sample-base:latest';

export async function proveByHand(stack: SampleStack, checks: Checks): Promise<void> {
  const large = path.join(stack.backups, 'large_volumes');
  const name = (await readdir(large)).find((one) => one.startsWith('saiga_model_'));
  if (name === undefined) throw new Error('the model has no artifact');
  const artifact = path.join(large, name);
  const instructions = await readFile(path.join(artifact, 'RESTORE.md'), 'utf8');
  const line = /^\s*(cat part-.*)$/m.exec(instructions)?.[1];
  if (line === undefined) throw new Error(`no line to restore with in ${artifact}/RESTORE.md`);
  const target = path.join(stack.root, 'by-hand');
  const { stdout } = await runCommand('docker', [
    'run',
    '--rm',
    '--network=none',
    '--label',
    `dev.holdfast.run=${stack.options.runId}`,
    '-v',
    `${artifact}:/artifact:ro`,
    '-v',
    `${target}:/target`,
    '-e',
    'TARGET=/target',
    '-w',
    '/artifact',
    IMAGE,
    'bash',
    '-euo',
    'pipefail',
    '-c',
    `sha256sum -c SHA256SUMS --quiet && { ${line}; } && echo restored`,
  ]);
  checks.equal('by hand', 'SHA256SUMS and the line of RESTORE.md', stdout.trim(), 'restored');
  checks.equal(
    'by hand',
    'the model from its artifact, against the restored one',
    await treeDigest(target),
    await treeDigest(stack.model),
  );
}
