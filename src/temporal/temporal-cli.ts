/** Finds the `temporal` binary: told, on PATH, or where the set-up script puts it. */
import { constants } from 'node:fs';
import { access } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { HoldfastError } from '../base/errors.js';

/** @throws HoldfastError TEMPORAL_UNREACHABLE when there is none */
export async function findTemporalCli(env: NodeJS.ProcessEnv = process.env): Promise<string> {
  const told = env['TEMPORAL_CLI'];
  const tools = env['HOLDFAST_TOOLS'] ?? path.join(os.homedir(), '.local/share/holdfast');
  const candidates = [
    ...(told === undefined || told === '' ? [] : [told]),
    ...(env['PATH'] ?? '').split(path.delimiter).map((dir) => path.join(dir, 'temporal')),
    path.join(tools, 'bin', 'temporal'),
    '/opt/holdfast-tools/bin/temporal',
  ];
  for (const candidate of candidates) {
    try {
      await access(candidate, constants.X_OK);
      return candidate;
    } catch {
      // not here
    }
  }
  throw new HoldfastError('TEMPORAL_UNREACHABLE', 'the temporal command was not found', {
    hint: 'install the Temporal CLI, or set TEMPORAL_CLI to its path',
    facts: { looked: candidates.length },
  });
}
