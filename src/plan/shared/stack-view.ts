/**
 * The stack as planning sees it: plain JSON without secrets, small enough for a workflow's history.
 * Made from the configuration by `toStackView`; sources and services are in the file's order.
 */
import type { ArtifactCategory } from '../../format/artifact-paths.js';

export interface SourceView {
  /** Key of the source in the configuration. */
  readonly source: string;
  readonly kind: 'files' | 'volume' | 'postgres';
  /** Name of the artifact. */
  readonly name: string;
  readonly large: boolean;
  readonly category: ArtifactCategory;
  /** How many sets keep this source, across tiers. */
  readonly keep?: number;
  /** Is the source held still while it is read? */
  readonly quiesced: boolean;
  /** Files that change while they are read are expected. */
  readonly changesExpected: boolean;
  /** files: the absolute base directory · volume: its name · postgres: the server's container. */
  readonly target: string;
  /** files only: the globs below the base; exactly `**` for all of it. */
  readonly include?: readonly string[];
  /** files only: the globs left out. */
  readonly exclude?: readonly string[];
}

export interface ServiceView {
  readonly name: string;
  /** Services that must be healthy before this one starts. */
  readonly after: readonly string[];
  /** Does it have containers that a restore stops and starts? */
  readonly hasContainers: boolean;
  readonly sources: readonly SourceView[];
}

export type ScheduledTier = 'daily' | 'weekly' | 'monthly';

export interface StackView {
  readonly stack: string;
  readonly hostId: string;
  /** SHA-256 of the configuration file, hex: activities refuse a plan made from another one. */
  readonly configDigest: string;
  /** Absolute root of the backups. */
  readonly root: string;
  /** IANA name. */
  readonly timezone: string;
  /** How many whole sets each tier keeps. */
  readonly tiers: Readonly<Record<ScheduledTier, { readonly keep: number }>>;
  readonly services: readonly ServiceView[];
}

/** The services in the form that ordering takes. */
export function serviceOrder(
  stack: Pick<StackView, 'services'>,
): Record<string, { after: readonly string[] }> {
  return Object.fromEntries(stack.services.map(({ name, after }) => [name, { after }]));
}
