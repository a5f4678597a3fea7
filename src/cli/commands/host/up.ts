/** `holdfast up`: everything on one machine: Temporal's dev server unless one answers, and the worker. */
import type { Command } from 'commander';
import { z } from 'zod';
import type { Config } from '../../../format/config/schema.js';
import type { CommandHost } from '../../host/command-host.js';
import type { CliContext } from '../../host/context.js';
import type { ExitCode } from '../../output/exit.js';
import { logFormatSchema, logOption, portOption, type LogFormat } from '../../options.js';
import { DEFAULT_PORT, startUnlessAnswering } from '../../host/dev-temporal.js';
import type { DevServer } from '../../host/ports.js';
import { count } from '../../../base/words.js';
import { logSink, stopOnSignals } from '../../host/service-signals.js';

const optionsSchema = z.object({
  dbFile: z.string().optional(),
  port: z.number().optional(),
  uiPort: z.number().optional(),
  log: logFormatSchema.optional(),
});
type Options = z.output<typeof optionsSchema>;

const EXAMPLES = `
Examples:
  holdfast up                              Temporal, web UI and worker
  holdfast up --port 7300 --ui-port 8300
  holdfast up --db-file /var/lib/holdfast/temporal.db

A Temporal that already answers is used as it is. The database file holds the
histories of runs only; losing it loses no backup.`;

export function addUpCommand(program: Command, commands: CommandHost): void {
  program
    .command('up')
    .description('run everything on this machine: Temporal, its web UI, the worker')
    .option('--db-file <file>', "where Temporal's dev server keeps its state")
    .addOption(portOption('--port <port>', `port of Temporal (default: ${DEFAULT_PORT})`))
    .addOption(portOption('--ui-port <port>', 'port of the web UI (default: port + 1000)'))
    .addOption(logOption())
    .addHelpText('after', EXAMPLES)
    .action((options: unknown, command: Command) =>
      commands.run(command, (context) => up(context, optionsSchema.parse(options))),
    );
}

async function up(context: CliContext, options: Options): Promise<ExitCode> {
  const config = await context.loadConfig();
  if (options.port !== undefined) {
    context.host.env['TEMPORAL_ADDRESS'] = `127.0.0.1:${options.port}`;
  }
  const address = await context.ports.temporalAddress();
  const stop = stopOnSignals(context, 'stopping: the worker first, then Temporal');
  let server: DevServer | undefined;
  try {
    server = await startUnlessAnswering(context, { ...options, signal: stop.signal }, address);
    if (stop.signal.aborted) return 0;
    announce(context, config, server, address);
    await serve(context, config, server, { signal: stop.signal, log: options.log });
    return 0;
  } finally {
    await server?.stop();
    stop.dispose();
  }
}

/** Runs the worker until the signal fires, or until the server ends by itself. */
async function serve(
  context: CliContext,
  config: Config,
  server: DevServer | undefined,
  { signal, log }: { readonly signal: AbortSignal; readonly log: LogFormat | undefined },
): Promise<void> {
  const lost = new AbortController();
  const working = context.ports.runWorker(config, {
    signal: AbortSignal.any([signal, lost.signal]),
    log: logSink(context, log),
    onReady: () => {
      context.emit({ type: 'ready', stack: config.stack, host: config.hostId });
      context.say('the worker is ready; Ctrl-C stops everything');
    },
  });
  if (server === undefined) return working;
  const serverEnded = server.done.then(
    () => undefined,
    (error: unknown) => {
      lost.abort();
      throw error;
    },
  );
  // The server only ends by itself in an accident; after an orderly stop the worker ends first.
  await Promise.race([working, serverEnded.then(() => working)]);
}

function announce(
  context: CliContext,
  config: Config,
  server: DevServer | undefined,
  address: string,
): void {
  const { style } = context;
  const temporal = server?.address ?? address;
  const sources = Object.values(config.services).flatMap(({ sources: all }) => Object.keys(all));
  context.emit({
    type: 'up',
    temporal,
    startedHere: server !== undefined,
    uiUrl: server?.uiUrl ?? null,
    stack: config.stack,
    host: config.hostId,
    root: config.backups.root,
  });
  const label = (text: string): string => style.paint('dim', text.padEnd(10));
  context.say(
    `${label('Temporal')}${temporal}${server === undefined ? ' (was running already)' : ''}`,
  );
  if (server !== undefined) context.say(`${label('Web UI')}${server.uiUrl}`);
  context.say(
    `${label('Stack')}${config.stack} on ${config.hostId}: ` +
      `${count(Object.keys(config.services).length, 'service')}, ${count(sources.length, 'source')}, ` +
      `backups in ${config.backups.root}`,
  );
  if (temporal !== `127.0.0.1:${DEFAULT_PORT}`) {
    context.say(`${label('Use it')}export TEMPORAL_ADDRESS=${temporal}`);
  }
}
