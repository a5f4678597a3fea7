/** Five-field cron lines, checked before a schedule is made of them: one that never fires is no backup. */
import { parseCron } from '../../base/time/cron.js';

/** What is wrong with a five-field cron line, in words; undefined where nothing is. */
export function cronProblem(line: string): string | undefined {
  if (line.split(' ').length !== 5) return 'needs five fields';
  const parsed = parseCron(line);
  return parsed.ok ? undefined : parsed.problem;
}
