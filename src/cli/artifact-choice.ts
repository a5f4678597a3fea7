/** Which artifacts of a set are meant: options, and what they choose. */
import { InvalidArgumentError, Option } from 'commander';
import { globProblem } from '../format/config/glob.js';
import { HoldfastError } from '../base/errors.js';
import { requireKnown } from '../plan/shared/order.js';
import type { SetArtifact, SetFile } from '../format/manifest.js';
import { setName } from './views/sets/set-rows.js';

export interface ArtifactFilter {
  readonly service?: readonly string[] | undefined;
  readonly source?: readonly string[] | undefined;
}

export function sourceOption(description: string): Option {
  return new Option('--source <name>', description).argParser(
    (value: string, previous: readonly string[] | undefined) => [
      ...new Set([...(previous ?? []), value]),
    ],
  );
}

export function pathOption(description: string): Option {
  return new Option('--path <glob>', description).argParser(
    (value: string, previous: readonly string[] | undefined) => {
      const problem = value === '' ? 'is empty' : globProblem(value);
      if (problem !== undefined) {
        throw new InvalidArgumentError(
          `The pattern ${problem}; it is relative to the source, as \`holdfast browse\` shows it.`,
        );
      }
      return [...new Set([...(previous ?? []), value])];
    },
  );
}

/** `pgdb/configs`. */
export function sourceName({ service, source }: Pick<SetArtifact, 'service' | 'source'>): string {
  return `${service}/${source}`;
}

/** Is the artifact meant by `name`: a source's name, or service/source as all output writes it? */
function isNamed(artifact: SetArtifact, name: string): boolean {
  return artifact.source === name || sourceName(artifact) === name;
}

/**
 * The artifacts of a set that are meant, in its order; all of them without a filter.
 * @throws HoldfastError UNKNOWN_SERVICE, UNKNOWN_SOURCE naming what the set holds
 */
export function chooseArtifacts(set: SetFile, filter: ArtifactFilter): readonly SetArtifact[] {
  requireKnown([...new Set(set.artifacts.map(({ service }) => service))], filter.service ?? []);
  const ofServices = set.artifacts.filter(
    ({ service }) => filter.service === undefined || filter.service.includes(service),
  );
  const missing = (filter.source ?? []).filter((name) =>
    ofServices.every((artifact) => !isNamed(artifact, name)),
  );
  if (missing.length > 0) {
    throw new HoldfastError(
      'UNKNOWN_SOURCE',
      `set ${setName(set)} has no source ${missing.join(', ')}`,
      {
        hint: `It has ${ofServices.map(sourceName).join(', ')}.`,
        facts: { missing, known: ofServices.map(sourceName) },
      },
    );
  }
  return ofServices.filter(
    (artifact) =>
      filter.source === undefined || filter.source.some((name) => isNamed(artifact, name)),
  );
}

/** @throws HoldfastError as {@link chooseArtifacts}; USAGE where several are meant */
export function chooseOneArtifact(set: SetFile, filter: ArtifactFilter): SetArtifact {
  const chosen = chooseArtifacts(set, filter);
  const [first] = chosen;
  if (first !== undefined && chosen.length === 1) return first;
  const names = chosen.map(sourceName);
  throw new HoldfastError(
    'USAGE',
    chosen.length === 0
      ? `set ${setName(set)} holds nothing`
      : `set ${setName(set)} has several sources that could be meant: ${names.join(', ')}`,
    { hint: 'name one with --source, and its service with --service', facts: { sources: names } },
  );
}
