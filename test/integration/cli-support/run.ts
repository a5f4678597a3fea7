/** Runs a TypeScript file of this repository as a real child process. */
import { fileURLToPath } from 'node:url';
import {
  runCommand,
  type CommandOptions,
  type CommandResult,
} from '../../../src/base/process/process.js';

const register = new URL('./register.mjs', import.meta.url).href;
const root = fileURLToPath(new URL('../../../', import.meta.url));

export const cliMain = `${root}src/cli/main.ts`;

/** Arguments of `node` that run a TypeScript file. */
export function nodeArgs(file: string, args: readonly string[]): string[] {
  return ['--import', register, '--disable-warning=ExperimentalWarning', file, ...args];
}

export async function runTypeScript(
  file: string,
  args: readonly string[],
  options: CommandOptions = {},
): Promise<CommandResult> {
  return runCommand(process.execPath, nodeArgs(file, args), {
    timeoutMs: 60_000,
    okExitCodes: [0, 1, 2, 3, 130],
    ...options,
    // Jest's own NODE_OPTIONS are not the program's.
    env: { NODE_OPTIONS: '', ...options.env },
  });
}
