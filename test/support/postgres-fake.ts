/** A server's client programs played from a script, for what no real server does on demand. */
import { Readable } from 'node:stream';
import type {
  PostgresCommandResult,
  PostgresExec,
  PostgresExecOptions,
} from '../../src/postgres/client/exec.js';
export type Player = (
  argv: readonly string[],
  options: PostgresExecOptions,
) => Partial<PostgresCommandResult> | Promise<Partial<PostgresCommandResult>>;

/** `play` answers each call; both ways of calling give its answer. */
export function fakeExec(play: Player): PostgresExec & { readonly calls: string[][] } {
  const calls: string[][] = [];
  const answer: PostgresExec['capture'] = async (argv, options) => {
    calls.push([...argv]);
    return { stdout: '', stderr: '', exitCode: 0, ...(await play(argv, options)) };
  };
  return {
    calls,
    capture: answer,
    stream: async (argv, options) => {
      const result = await answer(argv, options);
      return {
        stdout: Readable.from([Buffer.from(result.stdout)]),
        stderrTail: () => result.stderr,
        done: Promise.resolve({ exitCode: result.exitCode }),
      };
    },
  };
}

/** Answers the first question asked to every server. */
export function serverAnswer(changes: Record<string, unknown> = {}): { stdout: string } {
  return {
    stdout: JSON.stringify({
      version: '15.18',
      versionNumber: 150018,
      superuser: true,
      inRecovery: false,
      bootstrapRole: 'postgres',
      ...changes,
    }),
  };
}
