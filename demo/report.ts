/** The demo's checks: each compares something expected with something found, and is kept. */
import { isDeepStrictEqual } from 'node:util';

export interface Check {
  readonly group: string;
  readonly name: string;
  readonly ok: boolean;
  readonly expected: unknown;
  readonly actual: unknown;
}

export class Checks {
  readonly all: Check[] = [];

  constructor(private readonly print: (line: string) => void) {}

  /** Equal, deeply. What is long is shortened on the screen, never in the report. */
  equal(group: string, name: string, actual: unknown, expected: unknown): void {
    this.#add({ group, name, ok: isDeepStrictEqual(actual, expected), expected, actual });
  }

  /** Within a range, both ends included; for what is written to while it is saved. */
  between(group: string, name: string, actual: number, low: number, high: number): void {
    this.#add({
      group,
      name,
      ok: actual >= low && actual <= high,
      expected: `${low} to ${high}`,
      actual,
    });
  }

  get failed(): Check[] {
    return this.all.filter(({ ok }) => !ok);
  }

  #add(check: Check): void {
    this.all.push(check);
    this.print(`  ${check.ok ? '✔' : '✖'} ${check.name}: ${brief(check.actual)}`);
    if (!check.ok) this.print(`      expected ${brief(check.expected, 400)}`);
  }
}

function brief(value: unknown, length = 100): string {
  const text = typeof value === 'string' ? value : JSON.stringify(value);
  return text.length <= length ? text : `${text.slice(0, length)}…`;
}
