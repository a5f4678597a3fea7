/** `holdfast worker`: does the work of this host for a Temporal that runs elsewhere. */
import type { Command } from 'commander';
import { z } from 'zod';
import type { CommandHost } from '../../host/command-host.js';
import type { CliContext } from '../../host/context.js';
import type { ExitCode } from '../../output/exit.js';
import { logFormatSchema, logOption, type LogFormat } from '../../options.js';
import { logSink, stopOnSignals } from '../../host/service-signals.js';

const EXAMPLES = `
Examples:
  holdfast worker
  TEMPORAL_ADDRESS=temporal:7233 holdfast worker

SIGTERM and Ctrl-C end it: running activities get time to finish, then are
cancelled and taken up again by the next worker. A second signal ends it now.`;

export function addWorkerCommand(program: Command, commands: CommandHost): void {
  program
    .command('worker')
    .description('run the worker of this host, with a Temporal that runs elsewhere')
    .addHelpText('after', EXAMPLES)
    .addOption(logOption())
    .action((options: unknown, command: Command) =>
      commands.run(command, (context) => worker(context, optionsSchema.parse(options).log)),
    );
}

const optionsSchema = z.object({ log: logFormatSchema.optional() });

async function worker(context: CliContext, log: LogFormat | undefined): Promise<ExitCode> {
  const config = await context.loadConfig();
  const address = await context.ports.temporalAddress();
  const stop = stopOnSignals(context, 'stopping: running activities get time to finish');
  try {
    await context.ports.runWorker(config, {
      signal: stop.signal,
      log: logSink(context, log),
      onReady: () => {
        context.emit({ type: 'ready', stack: config.stack, host: config.hostId, address });
        context.say(`worker of ${config.stack} on ${config.hostId} is ready, Temporal ${address}`);
      },
    });
    return 0;
  } finally {
    stop.dispose();
  }
}
