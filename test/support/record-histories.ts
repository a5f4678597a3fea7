/**
 * Keeps histories of runs that a test makes anyway, for test/histories/replay.test.ts. Only when told
 * to, by `HOLDFAST_RECORD_HISTORIES=test/histories`: what is there belongs to code that may be running
 * somewhere, so it is recorded anew only where no such run can be left.
 */
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { runCommand } from '../../src/base/process/process.js';
import { findTemporalCli } from '../../src/temporal/temporal-cli.js';
import { PROJECT, temporalAddress } from './worker-host.js';

/**
 * Writes the history of each run to `<name>.json`. A run must have ended.
 * @param runs workflow ids by the name of the file
 */
export async function recordHistories(
  runs: Readonly<Record<string, string | undefined>>,
  address = temporalAddress(),
): Promise<void> {
  const directory = process.env['HOLDFAST_RECORD_HISTORIES'];
  if (directory === undefined) return;
  const cli = await findTemporalCli();
  for (const [name, workflowId] of Object.entries(runs)) {
    if (workflowId === undefined) throw new Error(`there was no run to record as ${name}`);
    const { stdout } = await runCommand(cli, [
      ...['workflow', 'show', '--address', address],
      ...['--workflow-id', workflowId, '--output', 'json'],
    ]);
    // Failures carry their stack: where this checkout and its packages lie is nobody's business.
    const text = stdout
      .replaceAll(`${PROJECT}/`, '/holdfast/')
      .replaceAll(/\/[^"\s()]*(?=\/node_modules\/)/g, '/holdfast');
    await writeFile(path.join(directory, `${name}.json`), text);
  }
}
