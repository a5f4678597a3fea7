/** Joins commander's actions to ours: parsed options in, an exit code out. */
import type { Command } from 'commander';
import { z } from 'zod';
import { CliContext, type CliHost } from './context.js';
import type { ExitCode } from '../output/exit.js';

const globalOptionsSchema = z.object({
  config: z.string().optional(),
  json: z.boolean().default(false),
  quiet: z.boolean().default(false),
  color: z.boolean().default(true),
});

export class CommandHost {
  exitCode: ExitCode = 0;

  constructor(readonly host: CliHost) {}

  /** Runs a command's work with the options that were given anywhere on the command line. */
  async run(command: Command, work: (context: CliContext) => Promise<ExitCode>): Promise<void> {
    const options = globalOptionsSchema.parse(command.optsWithGlobals());
    this.exitCode = await work(new CliContext(this.host, options));
  }
}
