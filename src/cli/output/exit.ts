/** How the program ends. */

/** 0 done · 1 failed · 2 usage or configuration · 3 done but degraded · 130 interrupted */
export type ExitCode = 0 | 1 | 2 | 3 | 130;

/** The exit code of a backup run's own status. */
export function exitCodeOfStatus(status: 'success' | 'degraded' | 'failed'): ExitCode {
  switch (status) {
    case 'success':
      return 0;
    case 'degraded':
      return 3;
    case 'failed':
      return 1;
  }
}
