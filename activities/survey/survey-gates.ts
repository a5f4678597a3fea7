/** The survey of health gates: are the addresses that they ask of this stack? */
import { connect } from 'node:net';
import type { HealthCheck } from '../../src/format/config/health-checks.js';
import type { Config } from '../../src/format/config/schema.js';
import type { SurveyFinding } from '../../src/plan/backup/stack-survey.js';

const GATE_TIMEOUT_MS = 1_000;

export type Findings = Promise<SurveyFinding[]>;

/** Gates that nobody answers at now: right where the service is stopped, else a restore would fail by it. */
export async function gateFindings(config: Config): Findings {
  const gates = Object.entries(config.services).flatMap(([service, { health }]) =>
    (health ?? []).map((check, index) => ({ check, at: ['services', service, 'health', index] })),
  );
  const answers = await Promise.all(
    gates.map(async ({ check, at }): Findings => {
      const address = addressOf(check);
      if (address === undefined || (await answered(address))) return [];
      const where = `${address.host}:${address.port}`;
      return [
        {
          severity: 'note',
          code: 'gate',
          path: at,
          message: `nobody answers at ${where} now: where the service runs, a restore would fail by this gate`,
          fix: 'correct the address, or start the service',
        },
      ];
    }),
  );
  return answers.flat();
}

interface Address {
  readonly host: string;
  readonly port: number;
}

function addressOf(check: HealthCheck): Address | undefined {
  switch (check.type) {
    case 'tcp':
      return { host: check.host, port: check.port };
    case 'http': {
      const { hostname, port, protocol } = new URL(check.url);
      const standard = protocol === 'https:' ? 443 : 80;
      return {
        host: hostname.replace(/^\[|\]$/g, ''),
        port: port === '' ? standard : Number(port),
      };
    }
    case 'containers':
    case 'container':
    case 'sql':
    case 'command':
      return undefined;
  }
}

function answered({ host, port }: Address): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host, port, timeout: GATE_TIMEOUT_MS });
    const end = (answered: boolean): void => {
      socket.destroy();
      resolve(answered);
    };
    socket.once('connect', () => end(true));
    socket.once('timeout', () => end(false));
    socket.once('error', () => end(false));
  });
}
