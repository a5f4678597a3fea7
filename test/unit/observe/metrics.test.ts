import { describe, expect, test } from '@jest/globals';
import { Metrics, serveMetrics } from '../../../src/observe/metrics.js';

const backup = {
  stack: 'ml',
  tier: 'daily',
  finishedAt: new Date('2024-12-12T01:20:00Z'),
  durationMs: 90_500,
  contentBytes: 2048,
  storedBytes: 1024,
};

describe('metrics', () => {
  test('a failed run does not move the time of the last success', async () => {
    const metrics = new Metrics();
    metrics.recordBackup({ ...backup, status: 'success' });
    metrics.recordBackup({
      ...backup,
      status: 'failed',
      finishedAt: new Date('2024-12-13T01:20:00Z'),
    });
    const text = await metrics.registry.metrics();
    const seconds = backup.finishedAt.getTime() / 1000;
    expect(text).toContain(
      `holdfast_backup_last_success_timestamp_seconds{stack="ml",tier="daily"} ${seconds}`,
    );
    expect(text).toContain('holdfast_backup_runs_total{stack="ml",tier="daily",status="failed"} 1');
    expect(text).toContain('holdfast_backup_last_duration_seconds{stack="ml",tier="daily"} 90.5');
  });

  test('a backup of some services, and a set that has gone, are no success of the tier', async () => {
    const metrics = new Metrics();
    const seconds = (text: string): string[] =>
      text.split('\n').filter((line) => line.startsWith('holdfast_backup_last_success_'));
    metrics.recordBackup({ ...backup, status: 'success', partial: true });
    expect(seconds(await metrics.registry.metrics())).toEqual([]);
    metrics.recordBackup({ ...backup, status: 'success' });
    metrics.recordVerified('ml', 'daily', backup.finishedAt);
    expect(seconds(await metrics.registry.metrics())).toHaveLength(1);
    metrics.forgetNewestSet('ml', 'daily');
    const text = await metrics.registry.metrics();
    expect(seconds(text)).toEqual([]);
    expect(text).not.toContain('holdfast_backup_last_verified_timestamp_seconds{');
  });

  test('are served over HTTP under /metrics only, and the port is free again after close', async () => {
    const metrics = new Metrics();
    metrics.recordRestore({ stack: 'ml', ok: true, finishedAt: new Date(), durationMs: 1500 });
    const server = await serveMetrics(metrics, 0);
    const response = await fetch(`http://127.0.0.1:${server.port}/metrics`);
    expect(response.status).toBe(200);
    expect(await response.text()).toContain(
      'holdfast_restore_last_duration_seconds{stack="ml"} 1.5',
    );
    expect((await fetch(`http://127.0.0.1:${server.port}/other`)).status).toBe(404);
    const second = serveMetrics(new Metrics(), server.port);
    await expect(second).rejects.toMatchObject({ code: 'USAGE' });
    await server.close();
    await (await serveMetrics(new Metrics(), server.port)).close();
  });
});
