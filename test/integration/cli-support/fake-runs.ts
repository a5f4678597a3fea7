/**
 * Runs without a Temporal: a scripted backup or restore that moves with the clock. What the command
 * asked for is appended to the file FAKE_CALLS, one JSON object a line.
 */
import { appendFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { HoldfastError } from '../../../src/base/errors.js';
import type {
  ActivitySnapshot,
  RunGateway,
  RunSnapshot,
  StartRun,
} from '../../../src/cli/host/ports.js';
import type { StepView } from '../../../src/plan/shared/inputs.js';
import type { RestorePlan } from '../../../src/plan/restore/restore-types.js';

const MIB = 1024 ** 2;
const STEPS = [
  { service: 'pgdb', step: 'configs', megabytes: 1 },
  { service: 'pgdb', step: 'pgdump', megabytes: 24_883 },
  { service: 'mlopsnew', step: 'grafana', megabytes: 307 },
  { service: 'mlopsnew', step: 'qdrant', megabytes: 76_698 },
  { service: 'agent', step: 'qdrant', megabytes: 1_229 },
  { service: 'webbot', step: 'volume', megabytes: 51 },
];

/** FAKE_SCENARIO: success, degraded, failed, busy, retry, nobody (no worker from the first), no-worker or late-cancel. */
export function fakeRuns(env: Record<string, string | undefined>): RunGateway {
  const scenario = env['FAKE_SCENARIO'] ?? 'success';
  const lengthMs = Number(env['FAKE_LENGTH_MS'] ?? '3000');
  let startedMs = 0;
  let cancelledMs: number | undefined;
  let started: StartRun | undefined;
  const record = (call: Record<string, unknown>): void => {
    if (env['FAKE_CALLS'] !== undefined) {
      appendFileSync(env['FAKE_CALLS'], `${JSON.stringify(call)}\n`);
    }
  };
  const part = (): number => (Date.now() - startedMs) / lengthMs;
  return {
    address: '127.0.0.1:7233',
    namespace: 'default',
    start: async (run) => {
      record({ call: 'start', ...run });
      started = run;
      startedMs = Date.now();
      return Promise.resolve(run.workflowId);
    },
    pollers: () =>
      Promise.resolve({
        workflows: scenario === 'nobody' ? [] : [{ identity: 'w', lastSeenMs: Date.now() }],
      }),
    snapshot: async () => {
      if (scenario === 'no-worker') {
        await delay(1_000);
        return { status: 'running', activities: [] };
      }
      if (cancelledMs !== undefined && Date.now() - cancelledMs > 300) {
        return { status: 'cancelled', activities: [] };
      }
      if (scenario === 'failed' && part() >= 1) return { status: 'failed', activities: [] };
      return snapshotAt(part(), scenario);
    },
    result: async () => {
      if (started?.type === 'restoreStack' && started.input.dryRun === true) {
        return restoreResult(true);
      }
      while (part() < 1) {
        await delay(20);
        if (cancelledMs !== undefined && Date.now() - cancelledMs > 300) {
          throw new HoldfastError('CANCELLED', 'the run was cancelled');
        }
      }
      if (scenario === 'failed') {
        throw new HoldfastError('BACKUP_FAILED', 'nothing could be saved', {
          hint: 'no set was written; the sets before it are untouched',
        });
      }
      return started?.type === 'restoreStack' ? restoreResult(false) : backupResult(scenario);
    },
    waiting: () => Promise.resolve([]),
    approve: (workflowId) => Promise.resolve(`${workflowId} approved`),
    cancel: async (workflowId) => {
      record({ call: 'cancel', workflowId });
      cancelledMs = Date.now();
      return Promise.resolve();
    },
    close: async () => {
      record({ call: 'close' });
      return Promise.resolve();
    },
  };
}

function snapshotAt(part: number, scenario: string): RunSnapshot {
  if (part >= 1) return { status: 'completed', activities: [] };
  if (scenario === 'busy' && part < 0.4) {
    return {
      status: 'running',
      view: { phase: 'waiting', waitingFor: 'holdfast/ml/backup/20241212_010000', steps: [] },
      activities: [],
    };
  }
  const at = Math.floor(part * STEPS.length);
  const steps: StepView[] = STEPS.map(({ service, step, megabytes }, index) => {
    if (index < at) {
      return { service, step, state: 'done', detail: `${megabytes} MiB` };
    }
    return { service, step, state: 'pending' };
  });
  const now = STEPS[at];
  const activities: ActivitySnapshot[] =
    now === undefined
      ? []
      : [
          {
            activityType: 'archiveSource',
            attempt: scenario === 'retry' ? 2 : 1,
            service: now.service,
            source: now.step,
            phase: 'read',
            bytes: Math.round((part * STEPS.length - at) * now.megabytes * MIB),
            totalBytes: now.megabytes * MIB,
            entries: 1_234,
            ...(scenario === 'retry' ? { lastFailure: 'container ml_postgres is restarting' } : {}),
          },
        ];
  return { status: 'running', view: { phase: 'reading', steps }, activities };
}

function backupResult(scenario: string): unknown {
  const degraded = scenario === 'degraded';
  return {
    setId: '20241213_010000',
    tier: 'manual',
    status: degraded ? 'degraded' : 'success',
    problems: degraded
      ? [
          {
            service: 'mlopsnew',
            source: 'grafana',
            code: 'INTEGRITY',
            message: '2 files kept changing while they were read: grafana.db, grafana.db-wal',
          },
        ]
      : [],
    artifacts: [],
    contentBytes: 104 * 1024 * MIB,
    storedBytes: 57 * 1024 * MIB,
    durationMs: 1_213_000,
    pruned: ['20241208_010000-daily'],
  };
}

function restoreResult(dryRun: boolean): unknown {
  return {
    restoreId: '20241213_020000',
    setId: '20241212_010000',
    dryRun,
    plan: examplePlan(),
    services: dryRun
      ? []
      : [
          {
            service: 'pgdb',
            sources: [
              {
                source: 'pgdump',
                kind: 'postgres',
                contentBytes: 24_883 * MIB,
                durationMs: 400_000,
                aside: '/pgdb/data.aside-20241213_020000',
                verified: '3 databases, 214 tables, 9,120,331 rows',
              },
            ],
            startedContainers: ['ml_postgres'],
            healthyAfterMs: 4_200,
            steps: [],
          },
        ],
    steps: [],
    durationMs: 754_000,
    warnings: examplePlan().warnings,
  };
}

export function examplePlan(): RestorePlan {
  const artifact = (service: string, source: string, kind: 'volume' | 'postgres' | 'files') => ({
    service,
    source,
    kind,
    path: `${service}/daily/data/${source}_20241212_010000`,
    manifestSha256: 'a'.repeat(64),
    contentBytes: source === 'pgdump' ? 24_883 * MIB : 1_229 * MIB,
    storedBytes: 600 * MIB,
    entries: 3_120,
    consistent: true,
  });
  const step = (
    service: string,
    source: string,
    kind: 'volume' | 'postgres' | 'files',
    replaces: string,
  ) => ({ source, kind, artifact: artifact(service, source, kind), replaces });
  return {
    setId: '20241212_010000',
    setTier: 'daily',
    stopOrder: ['webbot', 'agent', 'pgdb'],
    stages: [
      [
        {
          service: 'pgdb',
          hasContainers: true,
          sources: [
            step('pgdb', 'configs', 'files', 'in /pgdb: configs, docker-compose.yml'),
            step('pgdb', 'pgdump', 'postgres', 'all data of the server in ml_postgres'),
          ],
        },
      ],
      [
        {
          service: 'agent',
          hasContainers: true,
          sources: [step('agent', 'qdrant', 'volume', 'the volume agent_qdrant_storage')],
        },
        { service: 'webbot', hasContainers: true, sources: [] },
      ],
    ],
    steps: [],
    space: [],
    contentBytes: 27_341 * MIB,
    notes: ['agent/qdrant is inside agent/data, which is restored before it'],
    warnings: ['the newest set, 20241212_010000-daily, is degraded'],
  };
}
