/** What a verification found, for people and for `--json`. Pure. */
import { formatBytes, count } from '../../../base/words.js';
import type {
  VerificationOutcome,
  VerificationRecord,
} from '../../../store/verify/verification.js';
import type { Style } from '../../render/style.js';
import { oneLine } from '../../render/text.js';
import { formatAge } from '../../render/words.js';
import { setName } from '../sets/set-rows.js';
import type { VerificationSummary } from '../sets/set-facts.js';

/** One line for a set, and some for each damaged file. */
export function renderOutcome(
  outcome: VerificationOutcome,
  root: string,
  style: Style,
): readonly string[] {
  const { set, damage, files, bytes, unfinished = [], notes = [] } = outcome;
  const left = unfinished.length === 0 ? '' : `, ${count(unfinished.length, 'artifact')} left`;
  const read = `${count(files, 'file')}, ${formatBytes(bytes)} read${left}`;
  const remarks = notes.map((text) => `  ${style.paint('yellow', oneLine(text))}`);
  if (damage.length === 0) {
    return [`${setName(set)}  ${style.paint('green', 'ok')}  ${read}`, ...remarks];
  }
  return [
    ...remarks,
    `${setName(set)}  ${style.paint('red', `${damage.length} damaged`)}  ${read}`,
    ...damage.flatMap(({ service, source, artifact, file, expected, actual, names }) => [
      `  ${service}/${source}  ${style.paint('red', oneLine(file))}  ` +
        `expected ${shortHash(expected)}, found ${oneLine(shortHash(actual))}`,
      `    ${root}/${artifact}${file === '.' ? '' : `/${oneLine(file)}`}`,
      ...alsoIn(
        names.map((name) => setName(name.set)),
        setName(set),
      ),
    ]),
  ];
}

function alsoIn(sets: readonly string[], own: string): string[] {
  const others = [...new Set(sets)].filter((name) => name !== own);
  return others.length === 0 ? [] : [`    the same file in ${others.join(', ')}`];
}

/** Hashes are long, and their beginning tells them apart; `--json` has them whole. */
function shortHash(text: string): string {
  return text.replace(/\b([0-9a-f]{12})[0-9a-f]{52}\b/g, '$1…');
}

export function outcomeAsJson({
  set,
  at,
  level,
  files,
  bytes,
  damage,
  unfinished = [],
  notes = [],
}: VerificationOutcome): Record<string, unknown> {
  return {
    id: set.id,
    tier: set.tier,
    at,
    level,
    ok: damage.length === 0,
    files,
    bytes,
    unfinished: [...unfinished],
    notes: [...notes],
    damage: damage.map(({ names, ...found }) => ({
      ...found,
      sets: [...new Set(names.map((name) => setName(name.set)))],
      names: names.map(({ set: { id, tier }, artifact, file }) => ({
        set: setName({ id, tier }),
        artifact,
        file,
      })),
    })),
  };
}

export function summarizeVerification(
  record: VerificationRecord | undefined,
): VerificationSummary | null {
  if (record === undefined || (record.last === null && record.damage.length === 0)) return null;
  return {
    at: record.last?.at ?? null,
    level: record.last?.level ?? null,
    ok: record.damage.length === 0,
    damagedFiles: record.damage.length,
  };
}

/** `ok 3d`, `damaged`, `-`: for a column. */
export function shortVerification(
  summary: VerificationSummary | null | undefined,
  nowMs: number,
  style: Style,
): string {
  if (summary === null || summary === undefined) return '-';
  if (!summary.ok) return style.paint('red', 'damaged');
  return summary.at === null ? '-' : `ok ${formatAge(nowMs - Date.parse(summary.at))}`;
}

/** A sentence for a page: `hashes compared 3h ago: ok`. */
export function describeVerification(
  summary: VerificationSummary | null,
  nowMs: number,
  style: Style,
): string {
  if (summary === null) return 'not since it was written; `holdfast verify` does it';
  const damage = style.paint('red', count(summary.damagedFiles, 'damaged file'));
  if (summary.at === null || summary.level === null) {
    return `not itself, but it shares ${damage} with a set that was`;
  }
  const what = summary.level === 'hashes' ? 'hashes compared' : 'all decoded';
  const age = formatAge(nowMs - Date.parse(summary.at));
  return `${what} ${age} ago: ${summary.ok ? style.paint('green', 'ok') : damage}`;
}
