/** Fills a directory with sets, to look at `list` and `show`: npx … demo-store.ts DIRECTORY */
import { writeSet } from './sets.js';

const HOUR_MS = 3_600_000;
const root = process.argv[2] ?? '';
const ago = (hours: number): Date => new Date(Date.now() - hours * HOUR_MS);

await writeSet(root, { id: '20241209_010000', tier: 'weekly', finishedAt: ago(96) });
await writeSet(root, {
  id: '20241210_010000',
  status: 'failed',
  finishedAt: ago(48),
  services: ['pgdb', 'agent'],
  problems: [
    {
      service: 'agent',
      source: 'data',
      code: 'EMPTY_SOURCE',
      message: '/agent is empty: is the disk mounted?',
    },
  ],
});
await writeSet(root, {
  id: '20241211_010000',
  status: 'degraded',
  finishedAt: ago(27),
  problems: [
    {
      service: 'mlopsnew',
      source: 'grafana',
      code: 'INTEGRITY',
      message: '2 files kept changing while they were read: grafana.db, grafana.db-wal',
    },
  ],
});
await writeSet(root, { id: '20241212_010000', finishedAt: ago(3) });
await writeSet(root, {
  id: '20241212_043000',
  tier: 'manual',
  finishedAt: ago(0.2),
  services: ['pgdb', 'agent'],
});
