/** What Prometheus may scrape from a worker: enough to alert on a backup that fails or never ran. */
import { createServer, type Server } from 'node:http';
import { Counter, Gauge, Registry } from 'prom-client';
import type { RunStatus } from '../format/config/schema.js';
import { HoldfastError, messageOf } from '../base/errors.js';

export interface BackupObservation {
  readonly stack: string;
  readonly tier: string;
  readonly status: RunStatus;
  readonly finishedAt: Date;
  readonly durationMs: number;
  readonly contentBytes: number;
  readonly storedBytes: number;
  /** Was it of some services only? Then a backup of the stack is as old as before. */
  readonly partial?: boolean;
}

export interface RestoreObservation {
  readonly stack: string;
  readonly ok: boolean;
  readonly finishedAt: Date;
  readonly durationMs: number;
}

export interface CheckObservation {
  readonly stack: string;
  readonly at: Date;
  readonly counts: Readonly<Record<'ok' | 'warning' | 'critical', number>>;
  readonly disk: { readonly freeBytes: number } | undefined;
}

/** The worker's metrics, with a registry of their own. */
export class Metrics {
  readonly registry = new Registry();

  readonly #lastSuccess = this.#gauge(
    'holdfast_backup_last_success_timestamp_seconds',
    'When the newest complete backup set was finished',
    ['stack', 'tier'],
  );
  readonly #contentBytes = this.#gauge(
    'holdfast_backup_last_content_bytes',
    'Bytes that the newest set restores',
    ['stack', 'tier'],
  );
  readonly #storedBytes = this.#gauge(
    'holdfast_backup_last_stored_bytes',
    'Bytes that the newest set takes on disk',
    ['stack', 'tier'],
  );
  readonly #backupSeconds = this.#gauge(
    'holdfast_backup_last_duration_seconds',
    'How long the newest backup run took',
    ['stack', 'tier'],
  );
  readonly #backups = this.#counter('holdfast_backup_runs_total', 'Backup runs by how they ended', [
    'stack',
    'tier',
    'status',
  ]);
  readonly #restoreSeconds = this.#gauge(
    'holdfast_restore_last_duration_seconds',
    'How long the newest restore took: the measured recovery time',
    ['stack'],
  );
  readonly #restores = this.#counter('holdfast_restore_runs_total', 'Restores by how they ended', [
    'stack',
    'status',
  ]);

  readonly #verified = this.#gauge(
    'holdfast_backup_last_verified_timestamp_seconds',
    'When the newest good set was last read back: after it was written, or by a verification',
    ['stack', 'tier'],
  );
  readonly #findings = this.#gauge(
    'holdfast_check_findings',
    'What the last check found, by severity',
    ['stack', 'severity'],
  );
  readonly #checked = this.#gauge(
    'holdfast_check_last_timestamp_seconds',
    'When the backups were last checked',
    ['stack'],
  );
  readonly #freeBytes = this.#gauge(
    'holdfast_backup_disk_free_bytes',
    'Free bytes on the disk of the backups at the last check',
    ['stack'],
  );

  /** A degraded set counts as a success here: it is whole, and its own counter tells it apart. */
  recordBackup(seen: BackupObservation): void {
    const labels = { stack: seen.stack, tier: seen.tier };
    this.#backups.inc({ ...labels, status: seen.status });
    this.#backupSeconds.set(labels, seen.durationMs / 1000);
    if (seen.status === 'failed' || seen.partial === true) return;
    this.recordNewestSet(seen);
  }

  /** No good set of the tier is left: its time of last success would be a lie. */
  forgetNewestSet(stack: string, tier: string): void {
    for (const gauge of [
      this.#lastSuccess,
      this.#contentBytes,
      this.#storedBytes,
      this.#verified,
    ]) {
      gauge.remove({ stack, tier });
    }
  }

  /** For a worker that has just started and knows the sets on disk only. */
  recordNewestSet(seen: Omit<BackupObservation, 'status' | 'durationMs'>): void {
    const labels = { stack: seen.stack, tier: seen.tier };
    this.#lastSuccess.set(labels, seen.finishedAt.getTime() / 1000);
    this.#contentBytes.set(labels, seen.contentBytes);
    this.#storedBytes.set(labels, seen.storedBytes);
  }

  recordVerified(stack: string, tier: string, at: Date): void {
    this.#verified.set({ stack, tier }, at.getTime() / 1000);
  }

  recordCheck({ stack, at, counts, disk }: CheckObservation): void {
    this.#checked.set({ stack }, at.getTime() / 1000);
    for (const [severity, number] of Object.entries(counts)) {
      this.#findings.set({ stack, severity }, number);
    }
    if (disk !== undefined) this.#freeBytes.set({ stack }, disk.freeBytes);
  }

  recordRestore(seen: RestoreObservation): void {
    this.#restores.inc({ stack: seen.stack, status: seen.ok ? 'success' : 'failed' });
    if (seen.ok) this.#restoreSeconds.set({ stack: seen.stack }, seen.durationMs / 1000);
  }

  #gauge<L extends string>(name: string, help: string, labelNames: readonly L[]): Gauge<L> {
    return new Gauge({ name, help, labelNames: [...labelNames], registers: [this.registry] });
  }

  #counter<L extends string>(name: string, help: string, labelNames: readonly L[]): Counter<L> {
    return new Counter({ name, help, labelNames: [...labelNames], registers: [this.registry] });
  }
}

export interface MetricsServer {
  readonly port: number;
  close(): Promise<void>;
}

/**
 * Serves `GET /metrics` on the loopback address, or on `host`.
 * @param port 0 for any free one; the one chosen is in the result.
 * @throws HoldfastError USAGE when the port can't be opened.
 */
export async function serveMetrics(
  metrics: Metrics,
  port: number,
  host = '127.0.0.1',
): Promise<MetricsServer> {
  const server = createServer((request, response) => {
    if (request.method !== 'GET' || request.url?.split('?')[0] !== '/metrics') {
      response.writeHead(404).end();
      return;
    }
    metrics.registry.metrics().then(
      (text) => {
        response.writeHead(200, { 'content-type': metrics.registry.contentType }).end(text);
      },
      () => response.writeHead(500).end(),
    );
  });
  await listen(server, port, host);
  const address = server.address();
  return {
    port: typeof address === 'object' && address !== null ? address.port : port,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function listen(server: Server, port: number, host: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (error) => {
      reject(
        new HoldfastError('USAGE', `cannot serve metrics on ${host}:${port}: ${messageOf(error)}`, {
          facts: { host, port },
          hint: 'choose another port',
          cause: error,
        }),
      );
    });
    server.listen(port, host, resolve);
  });
}
