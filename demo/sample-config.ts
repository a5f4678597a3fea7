/**
 * The configuration of one instance of the sample stack: `config/ml-stack.yaml` itself, with its paths
 * moved below a scratch root and its names prefixed. What the demo proves is proved of that file.
 */
import { readFile } from 'node:fs/promises';
import { parse, stringify } from 'yaml';

export interface SampleNames {
  /** Everything of the instance lies below this directory. */
  readonly root: string;
  /** Of container and volume names. */
  readonly prefix: string;
  readonly hostId: string;
  readonly ports: SamplePorts;
  /** Where notifications go, if anywhere. */
  readonly webhookUrl?: string;
}

export interface SamplePorts {
  readonly postgres: number;
  readonly grafana: number;
  readonly prometheus: number;
  readonly qdrant: number;
  readonly exporter: number;
  readonly agent: number;
  readonly agentQdrant: number;
  readonly webbot: number;
  readonly webbot2: number;
}

export const MODEL_DIRECTORY =
  '/home/prohorov/.cache/huggingface/hub/models--NightForger--saiga_nemo_12b-GPTQ';

/** User and group numbers of the backups: not root's, so that chown has something to do. */
export const SAMPLE_OWNER = '4242:27';

type Json = string | number | boolean | null | Json[] | { [key: string]: Json };

/** Compose project names may not hold every character a prefix may. */
export function projectName(prefix: string, service: string): string {
  return `${prefix.replaceAll(/[^a-z0-9_-]/g, '')}${service}`;
}

export function sampleStackName(prefix: string): string {
  return `sample-${prefix.replaceAll(/[^A-Za-z0-9]/g, '')}`;
}

/** @param template path of config/ml-stack.yaml */
export async function sampleConfig(template: string, names: SampleNames): Promise<string> {
  const config = parse(await readFile(template, 'utf8')) as {
    backups: Record<string, Json>;
    services: Record<string, Record<string, Json>>;
    [key: string]: unknown;
  };
  Object.assign(config, {
    stack: sampleStackName(names.prefix),
    host: { id: names.hostId },
    log: { file: `${names.root}/var/log/system-backup.log` },
    notifications:
      names.webhookUrl === undefined ? [] : [{ type: 'webhook', url: names.webhookUrl }],
  });
  config.backups = {
    ...config.backups,
    root: `${names.root}/backups`,
    owner: SAMPLE_OWNER,
    minimumFree: 0,
    // The sample's files were made a moment ago.
    settle: '3s',
  };
  for (const [name, service] of Object.entries(config.services)) {
    config.services[name] = {
      ...(moved(service, names) as Record<string, Json>),
      ...(service['compose'] === undefined
        ? {}
        : {
            compose: {
              ...(service['compose'] as Record<string, Json>),
              project: projectName(names.prefix, name),
            },
            health: gates(name, names),
          }),
    };
  }
  return `# Made from config/ml-stack.yaml for the sample stack.\n${stringify(config)}`;
}

/** Moves paths and prefixes names, wherever they stand in a service. */
function moved(value: Json, names: SampleNames, key = ''): Json {
  if (typeof value === 'string') {
    if (['home', 'base', 'dataDirectory', 'passwordFile'].includes(key)) {
      return value.startsWith('/') ? `${names.root}${value}` : value;
    }
    if (['container', 'volume', 'dataVolume'].includes(key)) return `${names.prefix}${value}`;
    return value;
  }
  if (Array.isArray(value)) return value.map((one) => moved(one, names, key));
  if (typeof value === 'object' && value !== null) {
    return Object.fromEntries(
      Object.entries(value).map(([name, one]) => [name, moved(one, names, name)]),
    );
  }
  return value;
}

/** The stricter gates the template has as comments, with this instance's ports. */
function gates(service: string, { prefix, ports }: SampleNames): Json[] {
  const http = (port: number, path: string): Json => ({
    type: 'http',
    url: `http://127.0.0.1:${port}${path}`,
    timeout: '90s',
  });
  const containers: Json = { type: 'containers', timeout: '90s' };
  switch (service) {
    case 'pgdb':
      return [
        containers,
        {
          type: 'sql',
          container: `${prefix}ml_postgres`,
          query: 'select 1',
          expect: '1',
          timeout: '90s',
        },
      ];
    case 'mlopsnew':
      return [
        containers,
        http(ports.grafana, '/api/health'),
        http(ports.prometheus, '/-/ready'),
        http(ports.qdrant, '/readyz'),
      ];
    case 'agent':
      return [containers, http(ports.agent, '/health')];
    case 'webbot':
      return [containers, http(ports.webbot, '/health')];
    case 'webbot2':
      return [containers, http(ports.webbot2, '/health')];
    default:
      return [containers];
  }
}
