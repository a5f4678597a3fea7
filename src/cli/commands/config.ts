/** `holdfast config check` and `holdfast config schema`. Need no Temporal. */
import type { Command } from 'commander';
import { z } from 'zod';
import type { Config } from '../../config/schema.js';
import { HoldfastError } from '../../errors.js';
import type { CommandHost } from '../command-host.js';
import type { CliContext } from '../context.js';
import type { ExitCode } from '../exit.js';
import { renderConfig, summarizeConfig } from '../views/config-view.js';

const checkOptionsSchema = z.object({ host: z.boolean().default(false) });

const EXAMPLES = `
Examples:
  holdfast config check
  holdfast config check --host             also: are the sources there?
  holdfast config schema > holdfast.schema.json`;

export function addConfigCommand(program: Command, commands: CommandHost): void {
  const config = program
    .command('config')
    .description('check the configuration, or print its JSON Schema')
    .addHelpText('after', EXAMPLES);
  config
    .command('check')
    .description('check the configuration file and sum it up')
    .option('--host', 'also check that the sources exist on this host')
    .action((options: unknown, command: Command) =>
      commands.run(command, (context) => check(context, checkOptionsSchema.parse(options))),
    );
  config
    .command('schema')
    .description('print the JSON Schema of the configuration, for editors')
    .action((_options: unknown, command: Command) => commands.run(command, schema));
}

async function check(
  context: CliContext,
  options: z.output<typeof checkOptionsSchema>,
): Promise<ExitCode> {
  const config = await context.loadConfig();
  if (options.host) await checkHost(context, config);
  const summary = summarizeConfig(config);
  if (context.options.json) context.printJson({ ok: true, ...summary });
  else for (const line of renderConfig(summary, context.style)) context.say(line);
  return 0;
}

/** @throws HoldfastError SOURCE_MISSING naming everything the host lacks */
async function checkHost(context: CliContext, config: Config): Promise<void> {
  const { ports } = context;
  const stop = new AbortController();
  const unsubscribe = context.host.onSignal(() => {
    stop.abort(new HoldfastError('CANCELLED', 'interrupted'));
  });
  try {
    const findings = await ports.hostProbe(config, stop.signal);
    if (findings.length === 0) return;
    const problems = findings.map(
      ({ where, message, hint }) => `${where}: ${message}${hint === undefined ? '' : `; ${hint}`}`,
    );
    throw new HoldfastError('SOURCE_MISSING', problems.join('\n'), {
      hint: 'correct the configuration, or bring these back before the next backup',
      facts: { file: config.file, problems },
    });
  } finally {
    unsubscribe();
  }
}

async function schema(context: CliContext): Promise<ExitCode> {
  context.print(JSON.stringify(await context.ports.configJsonSchema(), undefined, 2));
  return 0;
}
