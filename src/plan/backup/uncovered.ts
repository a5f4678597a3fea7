/** Data that no source covers, in words. Pure. */
import type { Uncovered } from '../../format/manifest.js';

/** One thing that is not saved, for people: what it is and who uses it. */
export function nameUncovered({ kind, name, usedBy }: Uncovered): string {
  const used = usedBy.length === 0 ? '' : ` (used by ${usedBy.join(', ')})`;
  switch (kind) {
    case 'volume':
      return `the volume ${name}${used}`;
    case 'directory':
      return `${name}${used}`;
    case 'database':
      return `the database server ${name}`;
  }
}

export function describeUncovered(uncovered: Uncovered, partly: boolean): string {
  return `${nameUncovered(uncovered)} is ${partly ? 'only partly' : 'not'} backed up`;
}

/** A source that would take what is uncovered, as a line of the configuration. */
export function fixUncovered({ service, kind, name }: Uncovered): string {
  switch (kind) {
    case 'volume':
      return `add to services.${service}.sources: { kind: volume, volume: ${name} }`;
    case 'directory':
      return `add to services.${service}.sources: { kind: files, base: ${name} }; a file: its directory, with include`;
    case 'database':
      return `add to services.${service}.sources: { kind: postgres, container: ${name} }`;
  }
}
