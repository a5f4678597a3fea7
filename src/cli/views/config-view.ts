import type { SourceConfig } from '../../format/config/sources.js';
/** `holdfast config check` for people: what the configuration amounts to. Pure. */
import type { Config } from '../../format/config/schema.js';
import { stagesOf } from '../../plan/shared/order.js';
import type { Style } from '../render/style.js';
import type { HostFinding } from '../host/ports.js';
import { count } from '../../base/words.js';
import { oneLine, wrap } from '../render/text.js';

export interface ConfigSummary {
  readonly file: string;
  readonly stack: string;
  readonly host: string;
  readonly root: string;
  readonly services: readonly {
    readonly service: string;
    readonly after: readonly string[];
    readonly sources: readonly { readonly source: string; readonly kind: SourceConfig['kind'] }[];
  }[];
  /** Services that may start side by side, stage by stage. */
  readonly order: readonly (readonly string[])[];
  readonly tiers: readonly {
    readonly tier: string;
    readonly keep: number;
    readonly schedule: string | null;
  }[];
  readonly timezone: string;
  readonly notifications: number;
}

export function summarizeConfig(config: Config): ConfigSummary {
  const { daily, weekly, monthly } = config.tiers;
  return {
    file: config.file,
    stack: config.stack,
    host: config.hostId,
    root: config.backups.root,
    services: Object.entries(config.services).map(([service, { after, sources }]) => ({
      service,
      after,
      sources: Object.entries(sources).map(([source, { kind }]) => ({ source, kind })),
    })),
    order: stagesOf(config.services),
    tiers: Object.entries({ daily, weekly, monthly }).map(([tier, { keep, schedule }]) => ({
      tier,
      keep,
      schedule: schedule ?? null,
    })),
    timezone: config.schedules.timezone,
    notifications: config.notifications.length,
  };
}

export function renderConfig(summary: ConfigSummary, style: Style): readonly string[] {
  const sources = summary.services.flatMap((service) => service.sources);
  const label = (text: string): string => style.paint('dim', text.padEnd(15));
  const nameWidth = Math.max(0, ...summary.services.map(({ service }) => service.length));
  return [
    `${style.paint('green', 'OK')}  ${summary.file}`,
    `  ${label('stack')}${summary.stack} on ${summary.host}, backups in ${summary.root}`,
    `  ${label('services')}${count(summary.services.length, 'service')}, ${count(sources.length, 'source')}`,
    ...summary.services.map(
      (service) =>
        `    ${service.service.padEnd(nameWidth)}  ${
          service.sources.length === 0
            ? 'no sources'
            : service.sources.map(({ source, kind }) => `${source} (${kind})`).join(', ')
        }`,
    ),
    `  ${label('order')}${summary.order.map((stage) => stage.join(' + ')).join(` ${style.arrow} `)}`,
    ...summary.tiers.map(
      ({ tier, keep, schedule }) =>
        `  ${label(tier)}keep ${keep}, ${schedule === null ? 'no schedule' : `at ${schedule} (${summary.timezone})`}`,
    ),
    `  ${label('notifications')}${summary.notifications === 0 ? 'none' : count(summary.notifications, 'channel')}`,
  ];
}

/** What is worth knowing and no error: a heading, and a line and what to do for each. */
export function renderNotes(
  notes: readonly HostFinding[],
  columns: number,
  style: Style,
): readonly string[] {
  if (notes.length === 0) return [];
  const indented = (text: string): string[] =>
    wrap(oneLine(text), columns - 4).map((line) => `    ${line}`);
  return [
    '',
    `${style.paint('yellow', count(notes.length, 'note'))} on this host`,
    ...notes.flatMap(({ where, message, hint }) => [
      `  ${style.paint('dim', oneLine(where))}`,
      ...indented(message),
      ...(hint === undefined ? [] : indented(hint).map((line) => style.paint('dim', line))),
    ]),
  ];
}
