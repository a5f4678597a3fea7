/** The help of every command and subcommand, as a terminal of the usual width shows it. */
import { describe, expect, test } from '@jest/globals';
import type { Command } from 'commander';
import { PassThrough } from 'node:stream';
import { CommandHost } from '../../../src/cli/host/command-host.js';
import type { CliHost } from '../../../src/cli/host/context.js';
import type { Ports } from '../../../src/cli/host/ports.js';
import { buildProgram } from '../../../src/cli/program.js';
import { displayWidth } from '../../../src/cli/render/text.js';

const COLUMNS = 80;
let written = '';
const output = {
  write: (text: string) => void (written += text),
  isTerminal: true,
  columns: () => COLUMNS,
  rows: () => 24,
  stream: new PassThrough(),
};
const host: CliHost = {
  out: output,
  err: output,
  stdin: new PassThrough(),
  env: {},
  ports: {} as Ports,
  onSignal: () => () => undefined,
  exitNow: () => undefined,
};

/** The command and everything below it, by what is typed to get there. */
function walk(command: Command, parents: readonly string[] = []): [string, Command][] {
  const words = [...parents, command.name()];
  return [[words.join(' '), command], ...command.commands.flatMap((below) => walk(below, words))];
}

function helpOf(command: Command): string[] {
  written = '';
  command.outputHelp();
  return written.split('\n');
}

const program = await buildProgram([], new CommandHost(host), host);
const commands = walk(program);

describe('help', () => {
  test('is looked at of the groups’ commands, too', () => {
    const names = commands.map(([name]) => name);
    expect(names).toEqual(
      expect.arrayContaining(['holdfast', 'holdfast prune', 'holdfast schedules trigger']),
    );
    // What stands below the options is looked at, too.
    expect(helpOf(program)).toContain('Exit codes:');
  });

  test.each(commands)(`%s --help fits ${COLUMNS} columns`, (_name, command) => {
    expect(helpOf(command).filter((line) => displayWidth(line) > COLUMNS)).toEqual([]);
  });

  test('has examples of every command but those that take next to nothing', () => {
    const without = program.commands.filter((command) => !helpOf(command).includes('Examples:'));
    expect(without.map((command) => command.name())).toEqual(['restores', 'unpin']);
  });
});
