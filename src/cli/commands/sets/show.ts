/** `holdfast show`: one backup set with all its artifacts. Needs no Temporal. */
import type { Command } from 'commander';
import { z } from 'zod';
import { isHoldfastError } from '../../../base/errors.js';
import { chooseAmongAll } from '../../../legacy/plan/choose-old-set.js';
import { chooseLooking } from '../../../store/catalogue/choose-whole.js';
import { diskUseOf } from '../../../store/catalogue/disk-use.js';
import { readDrills } from '../../../store/records/drills.js';
import { inspectCatalogue } from '../../../store/catalogue/inspect.js';
import type { OldBackup } from '../../../legacy/old-sets.js';
import { readPins } from '../../../store/catalogue/pins.js';
import { readVerification } from '../../../store/verify/verification.js';
import { readArtifactDetails } from '../../artifact-details.js';
import type { CommandHost } from '../../host/command-host.js';
import type { CliContext } from '../../host/context.js';
import type { ExitCode } from '../../output/exit.js';
import { checkSetName } from '../../options.js';
import { openOldBackups } from '../../old-backups.js';
import { openStore, rootOption } from '../../host/store.js';
import { oldBackupAsJson, renderOldSet } from '../../views/sets/old-view.js';
import { setName, storeFacts, summarizeSet } from '../../views/sets/set-rows.js';
import { summarizeDrills } from '../../views/runs/drill-view.js';
import { lastVerification, renderSet } from '../../views/sets/show-view.js';
import { summarizeVerification } from '../../views/runs/verify-view.js';

const optionsSchema = z.object({ root: z.string().optional() });

const EXAMPLES = `
Examples:
  holdfast show latest
  holdfast show 20241212_010000-daily
  holdfast show latest --json | jq '.artifacts[].path'`;

export function addShowCommand(program: Command, commands: CommandHost): void {
  program
    .command('show')
    .description('show one backup set: artifacts, sizes, checks, problems, how to restore it')
    .argument('<set>', 'id of the set, with or without its tier, or latest')
    .addOption(rootOption())
    .addHelpText('after', EXAMPLES)
    .action((set: string, options: unknown, command: Command) =>
      commands.run(command, (context) => show(context, set, optionsSchema.parse(options))),
    );
}

async function show(
  context: CliContext,
  name: string,
  options: z.output<typeof optionsSchema>,
): Promise<ExitCode> {
  checkSetName(name);
  const store = await openStore(context, options.root);
  const { root, sets } = store;
  const { backups } = await openOldBackups(context, store, options.root);
  const old = backups.map((backup) => backup.set);
  const { set, warnings } = await chooseLooking(root, sets, (unsound) =>
    chooseAmongAll(sets, old, name, undefined, { unsound, now: new Date() }),
  ).catch((error: unknown) => {
    // Where no set is whole the newest is shown as it is: what is wrong with it is what one looks for.
    if (!isHoldfastError(error) || error.code !== 'SET_NOT_FOUND') throw error;
    return chooseAmongAll(sets, old, name);
  });
  const nowMs = Date.now();
  const unimported = backups.find((backup) => backup.set === set);
  if (unimported !== undefined) return showOld(context, root, unimported);
  const [artifacts, { inspection }, record, drilled, pins] = await Promise.all([
    Promise.all(set.artifacts.map((artifact) => readArtifactDetails(root, artifact))),
    inspectCatalogue(root, sets),
    readVerification(root, set),
    readDrills(root),
    readPins(root),
  ]);
  const drills = drilled.get(setName(set)) ?? [];
  const lacks = inspection.lacksOf(set);
  const facts = storeFacts(set, {
    use: diskUseOf(sets, inspection).sets.get(setName(set)),
    lacks,
    verification: summarizeVerification(record),
    drill: summarizeDrills(drills),
    pin: pins.get(setName(set)),
  });
  const damage = record?.damage ?? [];
  if (context.options.json) {
    context.printJson({
      root,
      ...summarizeSet(set, nowMs),
      ...facts,
      damage,
      drills,
      configDigest: set.configDigest,
      warnings,
      restoreCommand: `holdfast restore ${setName(set)}`,
      artifacts: artifacts.map((details) => ({
        ...details.artifact,
        manifestState: details.manifestState,
        manifest: details.manifest ?? null,
        lastVerification: lastVerification(details) ?? null,
      })),
    });
  } else {
    for (const warning of warnings) context.warn(warning);
    const summary = { ...summarizeSet(set, nowMs), ...facts };
    const shown = { summary, artifacts, damage, drills, root };
    for (const line of renderSet(shown, context.host.out.columns(), nowMs, context.style)) {
      context.print(line);
    }
  }
  // Asked about a set that is not whole on disk, a script must not read "fine".
  const whole =
    lacks.length === 0 && artifacts.every(({ manifestState }) => manifestState === 'ok');
  return whole && damage.length === 0 ? 0 : 3;
}

/** Files of the old script: what is known of them without reading them. */
function showOld(context: CliContext, root: string, backup: OldBackup): ExitCode {
  const nowMs = Date.now();
  if (context.options.json) {
    const restoreCommand = `holdfast restore ${setName(backup)}`;
    context.printJson({ root, ...oldBackupAsJson(backup, nowMs), restoreCommand });
  } else {
    const columns = context.host.out.columns();
    for (const line of renderOldSet(backup, columns, nowMs, context.style)) context.print(line);
  }
  return backup.files.some(({ record }) => record?.outcome.type === 'refused') ? 3 : 0;
}
