/** The command line: its commands, the options common to all, and the one place errors end up in. */
import { Command, CommanderError } from 'commander';
import { HoldfastError } from '../base/errors.js';
import { CommandHost } from './host/command-host.js';
import { loadCommands } from './command-table.js';
import type { CliHost } from './host/context.js';
import type { ExitCode } from './output/exit.js';
import { DEFAULT_COLUMNS, type Output } from './output/output.js';
import { reportError } from './output/report-error.js';
import { holdfastVersion } from '../base/version.js';

const EXAMPLES = `
Examples:
  holdfast config check                    is the configuration right?
  holdfast up                              run Temporal and the worker here
  holdfast backup                          back everything up now
  holdfast list                            what there is
  holdfast browse latest --path 'etc/**'   what is in them
  holdfast restore --dry-run               what a restore would do
  holdfast restore                         do it
  holdfast undo                            and take it back
  holdfast verify                          are the backups still sound?
  holdfast drill                           prove it: restore beside the stack

Exit codes:
  0 done   1 failed   2 usage or configuration   3 done, but degraded
  130 interrupted

The configuration is --config, else HOLDFAST_CONFIG, else ./holdfast.yaml, else
/etc/holdfast/config.yaml. Temporal is found as the temporal command finds it:
TEMPORAL_ADDRESS and its profile file. HOLDFAST_DEBUG=1 tells where an error
came from.`;

/** Runs one command line. Never rejects: every error has been told when it settles. */
export async function runCli(argv: readonly string[], host: CliHost): Promise<ExitCode> {
  // Errors are told before the options are parsed, too.
  const json = argv.includes('--json');
  const color = !argv.includes('--no-color');
  const commands = new CommandHost(host);
  const program = await buildProgram(argv, commands, host);
  try {
    await program.parseAsync([...argv], { from: 'user' });
    return commands.exitCode;
  } catch (error) {
    if (error instanceof CommanderError && wantedHelp(error)) return 0;
    return reportError(
      error instanceof CommanderError
        ? usageError(
            error,
            argv,
            program.commands.map((command) => command.name()),
          )
        : error,
      host,
      {
        json,
        color,
      },
    );
  }
}

/**
 * The program with the commands the line may name (see command-table.ts); all of them for an empty
 * one. Nothing is run by that.
 */
export async function buildProgram(
  argv: readonly string[],
  commands: CommandHost,
  host: CliHost,
): Promise<Command> {
  const program = new Command('holdfast')
    .description(
      'Durable backup and ordered, reversible restore of Docker, PostgreSQL and ML stacks.',
    )
    .version(holdfastVersion(), '-V, --version')
    .option('-c, --config <file>', 'the configuration file')
    .option('--json', 'write JSON: one document, or one event a line')
    .option('-q, --quiet', 'write only what was asked for, and errors')
    .option('--no-color', 'no colours (also with NO_COLOR set)')
    .configureHelp({ showGlobalOptions: true })
    .showSuggestionAfterError()
    .exitOverride()
    .configureOutput({
      writeOut: (text) => host.out.write(text),
      writeErr: (text) => host.err.write(text),
      // Told once, by us.
      outputError: () => undefined,
      getOutHelpWidth: () => helpWidth(host.out),
      getErrHelpWidth: () => helpWidth(host.err),
    })
    .addHelpText('after', EXAMPLES);
  for (const add of await loadCommands(argv)) add(program, commands);
  return program;
}

/** Prose: into a file it is wrapped, too. */
function helpWidth(output: Output): number {
  return output.isTerminal ? output.columns() : DEFAULT_COLUMNS;
}

function wantedHelp(error: CommanderError): boolean {
  return error.exitCode === 0;
}

function usageError(
  error: CommanderError,
  argv: readonly string[],
  names: readonly string[],
): HoldfastError {
  if (error.code === 'commander.help') {
    // A group of commands without one of them; its help has been written.
    return new HoldfastError('USAGE', 'a command is missing', {
      hint: 'the help above lists them',
    });
  }
  // "error: unknown option '--x'\n(Did you mean --y?)"
  const [first = '', ...rest] = error.message.replace(/^error: /, '').split('\n');
  const suggestion = rest.join(' ').replace(/^\((.*)\)$/, '$1');
  const command = argv.find((word) => names.includes(word)) ?? '';
  const help = `\`holdfast ${command === '' ? '' : `${command} `}--help\` shows what there is`;
  return new HoldfastError('USAGE', first, {
    hint: suggestion === '' ? help : `${suggestion} ${help}`,
    facts: { commanderCode: error.code },
  });
}
