/**
 * Asks a database what is in it so that a question which fails costs its own answer and nothing else:
 * not the other tables', not the transaction, and so not the dump that reads in its snapshot.
 *
 * Each table has a savepoint of its own. A count can fail because planning it evaluates an index
 * expression whose function names something without its schema: it is then planned once more with
 * the database's own search_path, and executed under the neutral one, which shapes the rows' text.
 * Rolling the savepoint back also frees the locks on the table's indexes, of which thousands of tables
 * would otherwise fill the server's lock table.
 */
import {
  LARGE_OBJECTS_SQL,
  SEQUENCES_SQL,
  SUMMARY_SQL,
  contentLineSchema,
  countSql,
  largeObjectsCondition,
  tablesSql,
  widePath,
  type ContentLine,
  type ContentScope,
  type DatabaseContent,
  type FoundTable,
  type Unanswered,
} from './content.js';
import { quoteLiteral } from '../client/server.js';
import type { PsqlSession } from '../client/session.js';

/** Tables asked about in one go: what is written to psql is held in memory until it is read. */
const TABLES_AT_ONCE = 200;
/** As it is, and with another search_path. */
const WAYS_OF_PLANNING = 2;
const LONGEST_REASON = 500;
/** What a decoder makes of bytes that are no UTF-8: in a database of encoding SQL_ASCII a name can be any. */
export const NOT_UTF8 = '\ufffd';

/**
 * Asks inside the session's open transaction.
 * @param onAnswer Told of each answer as it comes: of a large table only after a while.
 * @throws HoldfastError the session's failureCode where the catalogue itself can't be read or the
 *   connection is lost
 */
export async function askContent(
  session: PsqlSession,
  scope: ContentScope,
  onAnswer?: () => void,
): Promise<DatabaseContent> {
  const head = parse(await session.run(SUMMARY_SQL, onAnswer));
  const summary = head.find((line) => line.type === 'summary');
  const path = head.find((line) => line.type === 'path') ?? { own: '', schemas: [] };
  const lines: ContentLine[] = [];
  const ask = async (sql: readonly string[]): Promise<void> => {
    const script = ['\\set ON_ERROR_STOP 0', ...sql, '\\set ON_ERROR_STOP 1'].join('\n');
    lines.push(...parse(await session.run(script, onAnswer)));
  };
  if (scope.dumpedOnly !== true) await ask(guarded([SEQUENCES_SQL], reasonSql('', 'sequences')));
  const [isDigested] = await session.run(`select ${largeObjectsCondition(scope)};`);
  const asksLargeObjects = isDigested === 't' && summary !== undefined;
  if (asksLargeObjects) await ask(guarded([LARGE_OBJECTS_SQL], reasonSql('', 'large objects')));

  const found = parse(await session.run(tablesSql(scope), onAnswer)).flatMap((line) =>
    line.type === 'found' ? [line] : [],
  );
  const askable = found.filter(({ schema, table }) => !`${schema}${table}`.includes(NOT_UTF8));
  for (let at = 0; at < askable.length && scope.rows !== 'none'; at += TABLES_AT_ONCE) {
    const some = askable.slice(at, at + TABLES_AT_ONCE);
    await ask(some.flatMap((table) => tableQuestion(table, path)));
  }
  const answers = collect(lines);
  const tables = askable.map(({ schema, table, kind, extension, root }) => ({
    ...(answers.tables.get(keyOf(schema, table)) ?? {
      schema,
      table,
      kind,
      rows: null,
      ...(extension === undefined ? {} : { extension }),
    }),
    ...(root === undefined ? {} : { root }),
  }));
  const { largeObjectDigest } = answers;
  return {
    tables,
    sequences: answers.sequences,
    largeObjects: summary?.largeObjects ?? 0,
    extensions: summary?.extensions ?? [],
    ...(largeObjectDigest === undefined ? {} : { largeObjectDigest }),
    unanswered: [
      ...answers.unanswered.filter(({ subject }) =>
        ['sequences', 'large objects'].includes(subject),
      ),
      ...found.flatMap((table) => unansweredOf(table, scope, answers)),
    ],
  };
}

/** What is not known of a table though it was asked. */
function unansweredOf(found: FoundTable, { rows }: ContentScope, answers: Answers): Unanswered[] {
  if (rows === 'none') return [];
  const { schema, table, kind, columns } = found;
  const subject = `${schema}.${table}`;
  // Of what a dump does not hold, or computes anew, even the number of rows is only for comparing.
  const what = kind === 'table' ? 'rows' : 'digest';
  if (subject.includes(NOT_UTF8)) return [{ what, subject, reason: 'its name is not UTF-8' }];
  const answer = answers.tables.get(keyOf(schema, table));
  const reason = answers.reasons.get(keyOf(schema, table)) ?? 'the server gave no answer';
  if (answer === undefined) return [{ what, subject, reason }];
  if (columns !== undefined && answer.digest === undefined) {
    return [{ what: 'digest', subject, reason }];
  }
  return [];
}

interface Answers extends Pick<DatabaseContent, 'sequences' | 'unanswered' | 'largeObjectDigest'> {
  readonly tables: ReadonlyMap<string, DatabaseContent['tables'][number]>;
  readonly reasons: ReadonlyMap<string, string>;
}

function collect(lines: readonly ContentLine[]): Answers {
  const tables = new Map<string, DatabaseContent['tables'][number]>();
  const reasons = new Map<string, string>();
  const sequences: DatabaseContent['sequences'][number][] = [];
  const unanswered: Unanswered[] = [];
  let largeObjectDigest: string | undefined;
  for (const line of lines) {
    switch (line.type) {
      case 'table': {
        const { schema, table, kind, rows, digest, extension } = line;
        tables.set(keyOf(schema, table), {
          schema,
          table,
          kind,
          rows,
          ...(digest === undefined ? {} : { digest }),
          ...(extension === undefined ? {} : { extension }),
        });
        break;
      }
      case 'sequence': {
        const { schema, sequence, lastValue } = line;
        sequences.push({ schema, sequence, lastValue });
        break;
      }
      case 'reason': {
        const reason = line.reason.slice(0, LONGEST_REASON);
        reasons.set(keyOf(line.schema, line.table), reason);
        if (line.schema === '') {
          const what = line.table === 'sequences' ? 'sequences' : 'digest';
          unanswered.push({ what, subject: line.table, reason });
        }
        break;
      }
      case 'large-objects':
        largeObjectDigest = line.digest;
        break;
      case 'found':
      case 'path':
      case 'summary':
        break;
    }
  }
  return {
    tables,
    reasons,
    sequences,
    unanswered,
    ...(largeObjectDigest === undefined ? {} : { largeObjectDigest }),
  };
}

/** psql input for one table: the best answer there is, and why it is not a better one. */
function tableQuestion(
  found: FoundTable,
  path: { readonly own: string; readonly schemas: readonly string[] },
): string[] {
  const wide = widePath(path, found.schema);
  const wanted = found.columns === undefined ? [false] : [true, false];
  const attempts = wanted.flatMap((withDigest) => {
    const sql = countSql(found, withDigest);
    return [`${sql};`, plannedWith(wide, sql)];
  });
  // Without a digest where one was wanted is an answer, but the reason is told.
  return guarded(attempts, reasonSql(found.schema, found.table), WAYS_OF_PLANNING);
}

/**
 * A cursor is planned when it is declared, and executed when it is read. One query of several
 * statements, so that what failed first is what is told. No parallel workers: where they could not be
 * had (a container's small /dev/shm), the second attempt must not need them.
 */
function plannedWith(path: string, sql: string): string {
  return [
    `set local max_parallel_workers_per_gather = 0`,
    `select pg_catalog.set_config('search_path', ${quoteLiteral(path)}, true)`,
    `declare holdfast_question no scroll cursor for ${sql}`,
    `set local search_path = pg_catalog`,
    `fetch all from holdfast_question;`,
  ].join('\\; ');
}

/**
 * Attempts one after the other, each only when those before failed, inside a savepoint that is rolled
 * back in the end.
 * @param full So many of the attempts give all that is wanted; after these the first one's error is told.
 */
function guarded(attempts: readonly string[], reason: string, full = attempts.length): string[] {
  const lines = ['savepoint holdfast_question;', `\\set holdfast_reason ''`];
  const [first = '', ...others] = attempts;
  lines.push(first, '\\if :ERROR', '\\set holdfast_reason :LAST_ERROR_MESSAGE', BACK);
  let open = 1;
  for (const [at, attempt] of others.entries()) {
    if (at + 1 === full) lines.push(reason);
    lines.push(attempt, '\\if :ERROR', BACK);
    open += 1;
  }
  if (attempts.length === full) lines.push(reason);
  lines.push(...Array.from({ length: open }, () => '\\endif'), BACK);
  lines.push('release savepoint holdfast_question;');
  return lines;
}

const BACK = 'rollback to savepoint holdfast_question;';

function reasonSql(schema: string, table: string): string {
  return `select jsonb_build_object('type', 'reason', 'schema', ${quoteLiteral(schema)}::text,
    'table', ${quoteLiteral(table)}::text, 'reason', :'holdfast_reason'::text);`;
}

/** Of the lines those that are answers of ours: some versions of psql also show what set_config gives. */
function parse(lines: readonly string[]): ContentLine[] {
  return lines
    .filter((text) => text.startsWith('{'))
    .map((text) => contentLineSchema.parse(JSON.parse(text)));
}

function keyOf(schema: string, table: string): string {
  return JSON.stringify([schema, table]);
}
