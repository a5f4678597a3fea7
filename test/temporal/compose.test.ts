/**
 * The Temporal to keep, as docker-compose.temporal.yml describes it: PostgreSQL, the schema tools, the
 * server with certificates, and Holdfast's worker and CLI talking to it.
 */
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { runCommand } from '../../src/base/process/process.js';
import { CertificateAuthority } from '../support/certificates.js';
import { FilesHost } from '../support/files-host.js';
import { TemporalHost, whyNot } from './temporal-host.js';

const reason = await whyNot();
// jest hides why a suite was skipped.
if (reason !== undefined) process.stderr.write(`SKIPPED test/temporal: ${reason}\n`);
const suite = reason === undefined ? describe : describe.skip;

suite('docker-compose.temporal.yml', () => {
  let temporal: TemporalHost;
  let host: FilesHost;

  beforeAll(async () => {
    temporal = await TemporalHost.create();
    host = await FilesHost.create('', temporal.env('worker'));
    await temporal.up();
  }, 300_000);
  afterAll(async () => {
    await host.remove();
    await temporal.remove();
  }, 120_000);

  test('sets the schema, the namespace with its retention, and the search attributes up', async () => {
    expect(await temporal.inspect('schema', '{{.State.ExitCode}}')).toBe('0');
    expect(await temporal.inspect('namespace', '{{.State.ExitCode}}')).toBe('0');
    const { stdout } = await temporal.temporal(
      ...(['admin', 'operator', 'namespace', 'describe', '-n', 'default', '-o', 'json'] as const),
    );
    expect(stdout).toContain('"workflowExecutionRetentionTtl": "5184000s"');
    const attributes = await temporal.temporal('admin', 'operator', 'search-attribute', 'list');
    for (const name of ['HoldfastStack', 'HoldfastTier', 'HoldfastSet', 'HoldfastStatus']) {
      expect(attributes.stdout).toContain(name);
    }
  });

  test('listens on loopback only, the database not at all', async () => {
    const ports =
      '{{range $p, $b := .NetworkSettings.Ports}}{{range $b}}{{.HostIp}} {{end}}{{end}}';
    expect(await temporal.inspect('temporal', ports)).toBe('127.0.0.1');
    expect(await temporal.inspect('postgres', ports)).toBe('');
  });

  test('keeps the password out of what `docker inspect` shows', async () => {
    const password = (await readFile(temporal.secret('postgres-password'), 'utf8')).trim();
    for (const service of ['postgres', 'schema', 'temporal']) {
      const shown = await temporal.inspect(service, '{{json .}}');
      expect(shown.includes(password)).toBe(false);
    }
  });

  describe('talks to nobody', () => {
    async function refused(env: Record<string, string>): Promise<string> {
      const own = host.env;
      host.env = { TEMPORAL_ADDRESS: temporal.address, ...env };
      try {
        const { exitCode, stderr } = await host.holdfast(['backup', '--tier', 'daily']);
        expect(exitCode).toBe(1);
        return stderr;
      } finally {
        host.env = own;
      }
    }

    test('who does not speak TLS', async () => {
      expect(await refused({})).toContain('code: TEMPORAL_UNREACHABLE');
    }, 60_000);

    test('who shows no certificate', async () => {
      const ca = {
        TEMPORAL_TLS_SERVER_CA_CERT_PATH: temporal.secret('ca.pem'),
        TEMPORAL_TLS_SERVER_NAME: 'temporal',
      };
      expect(await refused(ca)).toContain('code: TEMPORAL_UNREACHABLE');
    }, 60_000);

    test('whose certificate is of another authority', async () => {
      const other = await CertificateAuthority.create(temporal.directory);
      const { cert, key } = await other.issue('stranger', ['stranger']);
      const stderr = await refused({
        ...temporal.env('worker'),
        TEMPORAL_TLS_CLIENT_CERT_PATH: cert,
        TEMPORAL_TLS_CLIENT_KEY_PATH: key,
      });
      expect(stderr).toContain('code: TEMPORAL_UNREACHABLE');
    }, 60_000);

    test('and a client talks to no server of another authority', async () => {
      const other = await CertificateAuthority.create(temporal.directory);
      const env = { ...temporal.env('worker'), TEMPORAL_TLS_SERVER_CA_CERT_PATH: other.ca };
      expect(await refused(env)).toContain('code: TEMPORAL_UNREACHABLE');
    }, 60_000);
  });

  test('runs a backup by worker and CLI with certificates from the environment', async () => {
    await host.startWorker();
    const { exitCode, stderr } = await host.holdfast(['backup', '--tier', 'daily']);
    expect(stderr).toBe('');
    expect(exitCode).toBe(0);
  }, 120_000);

  test('and from a profile, which the temporal command reads, too', async () => {
    const file = path.join(temporal.directory, 'temporal.toml');
    await writeFile(
      file,
      [
        '[profile.keep]',
        `address = "${temporal.address}"`,
        'namespace = "default"',
        '[profile.keep.tls]',
        'server_name = "temporal"',
        `server_ca_cert_path = "${temporal.secret('ca.pem')}"`,
        `client_cert_path = "${temporal.secret('admin.pem')}"`,
        `client_key_path = "${temporal.secret('admin.key')}"`,
        '',
      ].join('\n'),
    );
    const own = host.env;
    host.env = { TEMPORAL_CONFIG_FILE: file, TEMPORAL_PROFILE: 'keep' };
    try {
      const { exitCode, stderr } = await host.holdfast(['backup', '--tier', 'weekly']);
      expect(stderr).toBe('');
      expect(exitCode).toBe(0);
    } finally {
      host.env = own;
    }
  }, 120_000);

  test('keeps its runs, and the worker its work, when everything is taken down and brought up', async () => {
    await temporal.compose('down');
    await temporal.up();
    expect(await temporal.inspect('schema', '{{.State.ExitCode}}')).toBe('0');
    const query = `HoldfastStack = "${host.stackName}" AND HoldfastStatus = "success"`;
    const { stdout } = await temporal.temporal('admin', 'workflow', 'count', '--query', query);
    expect(stdout).toContain('2');
    // The worker that was there all the time finds its way back.
    const { exitCode } = await host.holdfast(['backup', '--tier', 'daily']);
    expect(exitCode).toBe(0);
  }, 240_000);

  test('a worker ends in order when it is told to', async () => {
    await host.stopWorker();
    expect(host.workerOutput).toContain('stopping');
    const { stdout } = await runCommand('docker', ['logs', `${temporal.project}_temporal_1`]);
    expect(stdout).not.toContain('"level":"fatal"');
  }, 90_000);
});
