/** The example is the guide's stack: what the guide saves, keeps and orders must be in it. */
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from '@jest/globals';
import { covers } from '../../../src/format/config/glob.js';
import { loadConfig } from '../../../src/config/load.js';
import { toStackView } from '../../../src/config/stack-view.js';
import { planBackup } from '../../../src/plan/backup/backup-plan.js';
import { stagesOf } from '../../../src/plan/shared/order.js';
import { serviceOrder } from '../../../src/plan/shared/stack-view.js';

const file = fileURLToPath(new URL('../../../config/ml-stack.yaml', import.meta.url));
const config = await loadConfig(file);
const view = toStackView(config);

describe("config/ml-stack.yaml, the guide's stack", () => {
  test('settings are those of the guide', () => {
    expect(config.stack).toBe('ml');
    expect(config.backups).toMatchObject({
      root: '/backups',
      owner: 'prohorov:sudo',
      fileMode: 0o2664,
      directoryMode: 0o2775,
    });
    expect(config.log?.file).toBe('/var/log/system-backup.log');
    expect(config.tiers).toEqual({
      daily: { keep: 3, schedule: '0 1 * * *' },
      weekly: { keep: 2, schedule: '0 1 * * 0' },
      monthly: { keep: 2, schedule: '0 1 1 * *' },
    });
    expect(config.schedules.check).toBe('30 1 * * *');
    expect(config.notifications).toHaveLength(1);
  });

  test('nothing the guide saves is missing, and it lies where the guide puts it', () => {
    const plan = planBackup(view, { tier: 'daily' }, '20241212_010000');
    const paths = plan.stages.flat().flatMap(({ sources }) => sources.map((s) => s.artifactPath));
    expect(paths.sort()).toEqual(
      [
        'pgdb/daily/configs/configs_20241212_010000',
        'pgdb/daily/data/pgdump_20241212_010000',
        'large_volumes/saiga_model_20241212_010000',
        'mlopsnew/daily/configs/configs_20241212_010000',
        'mlopsnew/daily/data/data_20241212_010000',
        'mlopsnew/daily/docker/mlopsnew_grafana_data_new_20241212_010000',
        'mlopsnew/daily/docker/mlopsnew_prometheus_data_new_20241212_010000',
        'large_volumes/mlopsnew_qdrant_storage_new_20241212_010000',
        'agent/daily/data/data_20241212_010000',
        'agent/daily/docker/agent_qdrant_storage_20241212_010000',
        'webbot/daily/data/data_20241212_010000',
        'webbot/daily/docker/webbot_data_20241212_010000',
        'webbot2/daily/data/data_20241212_010000',
        'webbot2/daily/docker/webbot2_data_20241212_010000',
      ].sort(),
    );
  });

  test('the seven configuration entries of mlopsnew and the four of pgdb are in', () => {
    const mlopsnew = config.services['mlopsnew']?.sources['configs'];
    expect(mlopsnew).toMatchObject({
      include: [
        'docker-compose.*.yml',
        'config/grafana',
        'config/prometheus',
        'config/qdrant',
        'agent-exporter',
        'requirements',
        'saiga',
      ],
    });
    const pgdb = config.services['pgdb']?.sources['configs'];
    const include = pgdb?.kind === 'files' ? pgdb.include : [];
    // Beside the compose file or in configs/, which is where the guide restores them to.
    for (const name of ['pg_hba.conf', 'postgresql.conf', 'backup.sh']) {
      expect(covers(include, name)).toBe(true);
      expect(covers(include, `configs/${name}`)).toBe(true);
    }
    expect(covers(include, 'docker-compose.yml')).toBe(true);
    expect(covers(include, 'data/base/1/1259')).toBe(false);
  });

  test('a restore goes postgres, mlopsnew, agent, webbots', () => {
    expect(stagesOf(serviceOrder(view))).toEqual([
      ['pgdb', 'saiga'],
      ['mlopsnew'],
      ['agent'],
      ['webbot', 'webbot2'],
    ]);
  });

  test('every service with containers has a gate; the model has none to pass', () => {
    const gated = Object.entries(config.services)
      .filter(([, service]) => (service.health ?? []).length > 0)
      .map(([name]) => name);
    const running = view.services.filter((each) => each.hasContainers).map(({ name }) => name);
    expect(gated).toEqual(running);
    expect(running).not.toContain('saiga');
  });

  test('databases in files are held still; Prometheus does not degrade the run', () => {
    const sources = config.services['mlopsnew']?.sources ?? {};
    expect(sources['grafana']).toMatchObject({ quiesce: 'pause' });
    expect(sources['qdrant']).toMatchObject({ quiesce: 'pause', large: true });
    expect(sources['prometheus']).toMatchObject({ quiesce: 'live', onChange: 'expected' });
    expect(config.services['saiga']?.sources['model']).toMatchObject({ keep: 2, large: true });
  });
});
