/** What a client program's exit status and error output mean. */
import { HoldfastError, type ErrorCode, type ErrorFacts } from '../../base/errors.js';

/** Turns a client program's exit into the error that says what happened. */
export function clientError(
  program: string,
  result: { readonly exitCode: number; readonly stderr: string },
  code: ErrorCode,
  facts: ErrorFacts = {},
): HoldfastError {
  const { stderr, exitCode } = result;
  const allFacts = { program, exitCode, stderr: stderr.slice(-2000), ...facts };
  const where = typeof facts['database'] === 'string' ? ` (database ${facts['database']})` : '';
  const reason = reasonIn(stderr);
  if (/No space left on device|could not extend file|Disk quota exceeded/.test(stderr)) {
    return new HoldfastError('DISK_FULL', `${program}${where}: the server's disk is full`, {
      facts: allFacts,
    });
  }
  if (exitCode === 126 || exitCode === 127) {
    return new HoldfastError(code, `${program} can't be run in the server's container: ${reason}`, {
      facts: allFacts,
      hint: 'the container must hold the client programs of its server, as the official image does',
    });
  }
  if (/server version mismatch/.test(stderr)) {
    return new HoldfastError('VERSION_INCOMPATIBLE', `${program}${where}: ${reason}`, {
      facts: allFacts,
      hint: 'use the client programs of the server’s own version',
    });
  }
  if (isNoFreeConnection(stderr)) {
    return new HoldfastError('NO_FREE_CONNECTION', `${program}${where}: ${reason}`, {
      facts: allFacts,
      hint: 'raise max_connections, or find out who holds the connections (pg_stat_activity)',
    });
  }
  if (isLoginRefusal(stderr)) {
    return new HoldfastError('LOGIN_REFUSED', `${program}${where}: ${reason}`, {
      facts: allFacts,
      hint: 'correct "user" or "passwordFile" of the source, or the server’s pg_hba.conf',
    });
  }
  if (UNREACHABLE.test(stderr)) {
    return new HoldfastError('POSTGRES_UNREACHABLE', `${program}${where}: ${reason}`, {
      facts: allFacts,
    });
  }
  return new HoldfastError(
    code,
    `${program}${where} ended with exit code ${exitCode}${reason && `: ${reason}`}`,
    { facts: allFacts },
  );
}

const UNREACHABLE =
  /connection to server (at|on) .* failed|could not connect to server|server closed the connection unexpectedly|terminating connection due to administrator command|the database system is (starting up|shutting down|in recovery mode|not (yet )?accepting connections)/;

/**
 * Did the server refuse whoever asked, for a reason that waiting does not mend? Only a session that is
 * being opened is ended with FATAL by these; in a statement they are plain errors.
 */
export function isLoginRefusal(stderr: string): boolean {
  return REFUSED.test(stderr);
}

const REFUSED = new RegExp(
  [
    'FATAL: +(role ".*" (does not exist|is not permitted to log in)',
    'database ".*" does not exist',
    '.*authentication failed for user',
    'no pg_hba\\.conf entry for',
    'pg_hba\\.conf rejects connection',
    'permission denied for database',
    'permission denied to set parameter)',
  ].join('|') + '|fe_sendauth: no password supplied',
);

/** Are all connections taken that this session could have had? */
export function isNoFreeConnection(stderr: string): boolean {
  return /FATAL: +(sorry, too many clients already|remaining connection slots are reserved|too many connections for (role|database)|number of requested standby connections exceeds)/.test(
    stderr,
  );
}

/** The first error with what explains it, else the end of the output. */
function reasonIn(stderr: string): string {
  const lines = stderr
    .trim()
    .split('\n')
    .filter((line) => line.trim() !== '');
  const first = lines.findIndex((line) => /(^|: )(error|ERROR|FATAL|PANIC):/.test(line));
  return (first === -1 ? lines.slice(-3) : lines.slice(first, first + 3)).join(' | ');
}
