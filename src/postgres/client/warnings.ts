/** What client programs write to standard error although they succeed. */

/** The warnings, a line each, without the program's name; hints and details belong to them. */
export function warningsOf(stderr: string): string[] {
  return stderr
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => /(^|: )(warning|WARNING|hint|HINT|detail|DETAIL):/.test(line))
    .slice(0, 100);
}

/** The first line that reports an error, whatever the exit status says. */
export function errorLineOf(stderr: string): string | undefined {
  return stderr
    .split('\n')
    .map((line) => line.trim())
    .find((line) => /(^|: )(error|ERROR|FATAL|PANIC):/.test(line));
}
