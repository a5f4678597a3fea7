/** `holdfast check`: are the backups there, young, whole? Reads the disk itself; made for monitoring. */
import type { Command } from 'commander';
import { z } from 'zod';
import { stoppedDirectory } from '../../../../activities/shared/places.js';
import { toCheckPolicy } from '../../../config/check/check-policy.js';
import { gatherCheckFacts } from '../../../../activities/check/check-facts.js';
import type { Severity } from '../../../plan/check/check-facts.js';
import { checkBackups, worstOf } from '../../../plan/check/check.js';
import { acceptStore } from '../../../store/write/known-store.js';
import type { CommandHost } from '../../host/command-host.js';
import type { CliContext } from '../../host/context.js';
import type { ExitCode } from '../../output/exit.js';
import { renderFindings } from '../../views/runs/check-view.js';

const optionsSchema = z.object({ acceptStore: z.boolean().default(false) });

const EXAMPLES = `
Examples:
  holdfast check                           what is right and what is not
  holdfast check --quiet || mail …         from cron: only what needs attention
  holdfast check --json | jq '.findings[] | select(.severity != "ok")'

The disk is looked at directly, and Temporal is asked about its schedules where
it answers. The scheduled check (schedules.check) does the same in a workflow,
and notifies.

A disk that is not mounted, and another one in its place, are told by a mark in
the store and what this host remembers of it. --accept-store makes it forget.

Exit codes:
  0 all is well   1 critical   2 usage or configuration   3 needs attention`;

export function addCheckCommand(program: Command, commands: CommandHost): void {
  program
    .command('check')
    .description('are the backups there, young, whole, and does the next one fit?')
    .option('--accept-store', 'what is at the root now is the right store, or none is left')
    .addHelpText('after', EXAMPLES)
    .action((options: unknown, command: Command) =>
      commands.run(command, (context) => check(context, optionsSchema.parse(options))),
    );
}

async function check(
  context: CliContext,
  { acceptStore: accept }: z.output<typeof optionsSchema>,
): Promise<ExitCode> {
  const config = await context.loadConfig();
  if (accept) await acceptStore(config.backups.root);
  const facts = await gatherCheckFacts(
    config,
    stoppedDirectory(config.backups.root),
    new Date(),
    (runs) => context.ports.askServer(config.stack, runs),
  );
  const findings = checkBackups(facts, toCheckPolicy(config));
  const worst = worstOf(findings);
  const exitCode = exitCodeOf(worst);
  if (context.options.json) {
    context.printJson({ stack: config.stack, worst, exitCode, findings });
    return exitCode;
  }
  // With --quiet what needs attention is what was asked for.
  const shown = context.options.quiet
    ? findings.filter(({ severity }) => severity !== 'ok')
    : findings;
  const { out } = context.host;
  const columns = out.isTerminal ? out.columns() : undefined;
  for (const line of renderFindings(shown, context.style, columns)) context.print(line);
  return exitCode;
}

function exitCodeOf(worst: Severity): ExitCode {
  switch (worst) {
    case 'ok':
      return 0;
    case 'warning':
      return 3;
    case 'critical':
      return 1;
  }
}
