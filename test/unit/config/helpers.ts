import { checkConfig } from '../../../src/config/load.js';
import { formatProblem } from '../../../src/config/check/problems.js';
import type { Config } from '../../../src/format/config/schema.js';

export const FILE = 'holdfast.yaml';

/** A file with the given services and top-level extras, each as YAML text. */
export function fileWith(services: string, extras = '', backups = 'backups: {}'): string {
  const indented = services.replace(/^(?=.)/gm, '  ');
  return `version: 1\nstack: test\n${backups}\n${extras}\nservices:\n${indented}\n`;
}

/** The lines a person would read. */
export function problemsOf(text: string): string[] {
  const checked = checkConfig(text, FILE, 'host');
  return checked.ok ? [] : checked.problems.map((problem) => formatProblem(FILE, problem));
}

export function configOf(text: string): Config {
  const checked = checkConfig(text, FILE, 'host');
  if (!checked.ok) throw new Error(problemsOf(text).join('\n'));
  return checked.config;
}
