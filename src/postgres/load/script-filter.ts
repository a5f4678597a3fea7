/** The few lines of a dump's script that must not reach psql. */
import { HoldfastError } from '../../base/errors.js';
import { SqlQuoting, quoteIdentifier, toLatin1 } from '../client/sql-text.js';

const NEWLINE = 0x0a;

/**
 * Passes a script of pg_dumpall through, without the CREATE ROLE of the one role that every new
 * cluster has already. Everything else stays: its ALTER ROLE sets the password.
 *
 * Of `globals` it also takes `\restrict` and `\unrestrict`, so that an older psql can load them, and
 * does their work: no other command of psql's may be in there. In a `cluster` script they stay, and
 * from the first `\connect`, where the roles end, bytes pass untouched.
 */
export class ScriptFilter {
  readonly #quoting = new SqlQuoting();
  readonly #unwanted: readonly string[];
  #held = Buffer.alloc(0);
  #passing = false;

  constructor(
    readonly kind: 'globals' | 'cluster',
    bootstrapRole: string,
  ) {
    this.#unwanted = [bootstrapRole, quoteIdentifier(bootstrapRole)].map(
      (role) => `CREATE ROLE ${toLatin1(role)};`,
    );
  }

  /** @throws HoldfastError RESTORE_FAILED for a psql command that has no place in globals. */
  push(chunk: Buffer): Buffer {
    if (this.#passing) return chunk;
    const all = this.#held.length === 0 ? chunk : Buffer.concat([this.#held, chunk]);
    const kept: Buffer[] = [];
    let start = 0;
    for (;;) {
      const end = all.indexOf(NEWLINE, start);
      if (end === -1) break;
      const verdict = this.#judge(all.toString('latin1', start, end));
      if (verdict === 'pass-all') {
        this.#passing = true;
        kept.push(all.subarray(start));
        this.#held = Buffer.alloc(0);
        return Buffer.concat(kept);
      }
      if (verdict === 'keep') kept.push(all.subarray(start, end + 1));
      start = end + 1;
    }
    this.#held = Buffer.from(all.subarray(start));
    return Buffer.concat(kept);
  }

  /** What is left when the script has ended. */
  end(): Buffer {
    const rest = this.#held;
    this.#held = Buffer.alloc(0);
    return rest;
  }

  #judge(line: string): 'keep' | 'drop' | 'pass-all' {
    if (this.#quoting.atStatementLevel) {
      if (line.startsWith('\\')) return this.#judgeCommand(line);
      if (this.#unwanted.includes(line)) return 'drop';
    }
    this.#quoting.push(line);
    return 'keep';
  }

  #judgeCommand(line: string): 'keep' | 'drop' | 'pass-all' {
    const isRestriction = /^\\(un)?restrict \w+$/.test(line);
    if (this.kind === 'cluster') return isRestriction ? 'keep' : 'pass-all';
    if (isRestriction) return 'drop';
    throw new HoldfastError('RESTORE_FAILED', 'the globals hold a command of psql’s', {
      facts: { line: line.slice(0, 200) },
      hint: 'no pg_dumpall writes such a line: look at who could have changed the file',
    });
  }
}
