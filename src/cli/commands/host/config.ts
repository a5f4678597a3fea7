/** `holdfast config check` and `holdfast config schema`. Need no Temporal. */
import type { Command } from 'commander';
import { z } from 'zod';
import type { Config } from '../../../format/config/schema.js';
import { HoldfastError } from '../../../base/errors.js';
import type { CommandHost } from '../../host/command-host.js';
import type { CliContext } from '../../host/context.js';
import type { ExitCode } from '../../output/exit.js';
import type { HostFinding } from '../../host/ports.js';
import { errorAsJson } from '../../output/report-error.js';
import { renderConfig, renderNotes, summarizeConfig } from '../../views/config-view.js';

const checkOptionsSchema = z.object({ host: z.boolean().default(false) });

const EXAMPLES = `
Examples:
  holdfast config check
  holdfast config check --host             also: is all of it on this host?
  holdfast config schema > holdfast.schema.json`;

export function addConfigCommand(program: Command, commands: CommandHost): void {
  const config = program
    .command('config')
    .description('check the configuration, or print its JSON Schema')
    .addHelpText('after', EXAMPLES);
  config
    .command('check')
    .description('check the configuration file and sum it up')
    .option('--host', 'also hold it against this host: is all there, is all covered?')
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
  const findings = options.host ? await findingsOf(context, config) : undefined;
  const errors = (findings ?? []).filter(({ severity }) => severity === 'error');
  const summary = summarizeConfig(config);
  const ok = errors.length === 0;
  if (context.options.json) {
    const refusal = ok ? {} : { error: errorAsJson(refused(config, errors)) };
    context.printJson({
      ok,
      ...summary,
      ...(findings === undefined ? {} : { findings }),
      ...refusal,
    });
    return ok ? 0 : 2;
  }
  if (ok) for (const line of renderConfig(summary, context.style)) context.say(line);
  const notes = (findings ?? []).filter(({ severity }) => severity === 'note');
  for (const line of renderNotes(notes, context.host.out.columns(), context.style)) {
    context.print(line);
  }
  if (!ok) throw refused(config, errors);
  return 0;
}

async function findingsOf(context: CliContext, config: Config): Promise<readonly HostFinding[]> {
  const stop = new AbortController();
  const unsubscribe = context.host.onSignal(() => {
    stop.abort(new HoldfastError('CANCELLED', 'interrupted'));
  });
  try {
    return await context.ports.hostProbe(config, stop.signal);
  } finally {
    unsubscribe();
  }
}

function refused(config: Config, errors: readonly HostFinding[]): HoldfastError {
  const problems = errors.map(
    ({ where, message, hint }) => `${where}: ${message}${hint === undefined ? '' : `; ${hint}`}`,
  );
  return new HoldfastError('SOURCE_MISSING', problems.join('\n'), {
    hint: 'correct the configuration, or bring these back before the next backup',
    facts: { file: config.file, problems },
  });
}

async function schema(context: CliContext): Promise<ExitCode> {
  context.print(JSON.stringify(await context.ports.configJsonSchema(), undefined, 2));
  return 0;
}
