/**
 * One Temporal dev server for the whole run, on free ports, and a reaper for what earlier runs left
 * behind when they were killed. Plain JavaScript: jest does not transform set-up files of an ESM
 * project; everything real comes from dist/.
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { hostNetworks } from './host-networks.mjs';

const { startDevServer } = await import('../../dist/src/temporal/dev-server.js');

export default async function setUp() {
  const runId = `${process.pid}-${startTicks(process.pid)}`;
  process.env['HOLDFAST_TEST_RUN'] = runId;
  reapDeadRuns();
  // What the host remembers of stores is not to be learned from those of tests.
  process.env['HOLDFAST_STATE_DIR'] = mkdtempSync(path.join(tmpdir(), 'holdfast-state-'));
  globalThis.__holdfastNetworks = hostNetworks();
  const server = await startDevServer({});
  process.env['TEMPORAL_ADDRESS'] = server.address;
  globalThis.__holdfastDevServer = server;
}

/** A process id alone may have been given to somebody else since; with its start time it is unique. */
function startTicks(pid) {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? '0';
  } catch {
    return undefined;
  }
}

/** Removes containers, volumes and networks with our label whose run's process is gone; nothing else. */
export function reapDeadRuns() {
  const label = 'dev.holdfast.run';
  const kinds = [
    { list: ['ps', '-a'], id: '{{.ID}}', remove: ['rm', '-f', '-v'] },
    { list: ['volume', 'ls'], id: '{{.Name}}', remove: ['volume', 'rm'] },
    { list: ['network', 'ls'], id: '{{.ID}}', remove: ['network', 'rm'] },
  ];
  for (const { list, id, remove } of kinds) {
    const lines = docker([
      ...list,
      '--filter',
      `label=${label}`,
      '--format',
      `${id} {{.Label "${label}"}}`,
    ]);
    for (const line of lines.split('\n').filter((one) => one !== '')) {
      const [name, run] = line.split(' ');
      const match = /^(\d+)-(\d+)$/.exec(run ?? '');
      if (match === null || startTicks(Number(match[1])) === match[2]) continue;
      docker([...remove, name]);
    }
  }
}

function docker(args) {
  try {
    return execFileSync('docker', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
  } catch {
    return '';
  }
}
