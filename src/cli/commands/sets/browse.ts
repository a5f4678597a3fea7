/** `holdfast browse`: what is in a backup set, entry by entry, without unpacking it. Needs no Temporal. */
import type { Command } from 'commander';
import { z } from 'zod';
import { readIndex } from '../../../tree/index/index-reader.js';
import { pathFromJson } from '../../../base/files/byte-paths.js';
import { PathSelector } from '../../../glob/path-selector.js';
import { HoldfastError } from '../../../base/errors.js';
import type { SetArtifact } from '../../../format/manifest.js';
import { openArtifact } from '../../../store/catalogue/open-artifact.js';
import { chooseArtifacts, pathOption, sourceName, sourceOption } from '../../artifact-choice.js';
import type { CommandHost } from '../../host/command-host.js';
import type { CliContext } from '../../host/context.js';
import type { ExitCode } from '../../output/exit.js';
import { interruptible } from '../../host/interruptible.js';
import { LineStream } from '../../output/line-stream.js';
import { chooseImported } from '../../old-backups.js';
import { checkSetName, serviceOption } from '../../options.js';
import { openStore, rootOption } from '../../host/store.js';
import {
  renderDatabases,
  renderEntry,
  renderLongEntry,
  rowsOf,
} from '../../views/sets/entry-view.js';
import { setName } from '../../views/sets/set-rows.js';

const optionsSchema = z.object({
  service: z.array(z.string()).optional(),
  source: z.array(z.string()).optional(),
  path: z.array(z.string()).default([]),
  long: z.boolean().default(false),
  root: z.string().optional(),
});
type Options = z.output<typeof optionsSchema>;

const EXAMPLES = `
Examples:
  holdfast browse latest                   every entry of every source
  holdfast browse latest --source configs --long
  holdfast browse latest --path '**/*.yaml' | head
  holdfast browse latest --json | jq -r 'select(.entry.sizeBytes > 1e9)'

A pattern is one of the configuration's: * within a name, ** over directories,
{a,b}; a directory means all below it. In a name, a line break is shown as \\n,
a backslash as \\\\, and a byte that is not UTF-8 as \\xff; ? matches any of them.
Sources of PostgreSQL show their databases, with --long their tables.`;

export function addBrowseCommand(program: Command, commands: CommandHost): void {
  program
    .command('browse')
    .description('list what a backup set holds, without unpacking it')
    .argument('[set]', 'id of the set, with or without its tier, or latest', 'latest')
    .addOption(serviceOption())
    .addOption(sourceOption('only this source (repeat it)'))
    .addOption(pathOption('only what the pattern matches (repeat it)'))
    .option('-l, --long', 'with mode, owner, size, time and link target')
    .addOption(rootOption())
    .addHelpText('after', EXAMPLES)
    .action((set: string, options: unknown, command: Command) =>
      commands.run(command, (context) => browse(context, set, optionsSchema.parse(options))),
    );
}

async function browse(context: CliContext, name: string, options: Options): Promise<ExitCode> {
  checkSetName(name);
  const store = await openStore(context, options.root);
  const { root } = store;
  const wanted = { root: options.root, name };
  const { set, warnings } = await chooseImported(context, store, wanted, options.service);
  for (const warning of warnings) context.warn(warning);
  const artifacts = withPaths(chooseArtifacts(set, options), options);
  const lines = new LineStream(context.host.out);
  const selector = options.path.length === 0 ? undefined : new PathSelector(options.path);
  const total = await interruptible(context, async (signal) => {
    let shown = 0;
    for (const [index, artifact] of artifacts.entries()) {
      // Never leaves half of what was printed behind when the next artifact turns out damaged.
      const printed = await browseArtifact(
        { context, root, signal, lines, options, selector },
        {
          artifact,
          heading: artifacts.length > 1,
          first: index === 0,
        },
      ).finally(() => lines.flush());
      shown += printed ?? 0;
      if (printed === undefined) return undefined;
    }
    return shown;
  });
  if (total === undefined) return 0;
  context.emit({
    type: 'result',
    command: 'browse',
    exitCode: 0,
    set: setName(set),
    shown: total,
    unmatched: selector?.unmatched ?? [],
  });
  for (const pattern of selector?.unmatched ?? []) {
    if (!context.options.json) context.warn(`nothing matches ${pattern}`);
  }
  return 0;
}

/** Patterns are about paths, which databases have none of. */
function withPaths(artifacts: readonly SetArtifact[], options: Options): readonly SetArtifact[] {
  if (options.path.length === 0) return artifacts;
  const trees = artifacts.filter(({ kind }) => kind !== 'postgres');
  if (trees.length > 0 || artifacts.length === 0) return trees;
  throw new HoldfastError('USAGE', 'a PostgreSQL source has no paths to match', {
    hint: 'leave --path out to see its databases',
  });
}

interface Browsing {
  readonly context: CliContext;
  readonly root: string;
  readonly signal: AbortSignal;
  readonly lines: LineStream;
  readonly options: Options;
  readonly selector: PathSelector | undefined;
}

/** @returns entries or databases shown; undefined when the reader has gone away */
async function browseArtifact(
  { context, root, signal, lines, options, selector }: Browsing,
  { artifact, heading, first }: { artifact: SetArtifact; heading: boolean; first: boolean },
): Promise<number | undefined> {
  const { json } = context.options;
  const { directory, manifest } = await openArtifact(root, artifact);
  const { service, source, kind } = artifact;
  if (heading && !json) {
    const title = context.style.paint('bold', `${sourceName(artifact)}:`);
    if (!(await lines.line(first ? title : `\n${title}`))) return undefined;
  }
  if (kind === 'postgres') {
    const { postgres } = manifest;
    if (postgres === undefined) return 0;
    const output = json
      ? postgres.databases.map((database) =>
          JSON.stringify({ type: 'database', service, source, rows: rowsOf(database), database }),
        )
      : renderDatabases(postgres, options.long);
    for (const line of output) if (!(await lines.line(line))) return undefined;
    return postgres.databases.length;
  }
  let shown = 0;
  for await (const entry of readIndex(directory, { signal, report: () => undefined }, manifest)) {
    const path = entry.path === '.' ? '' : pathFromJson(entry.path);
    if (selector !== undefined && !selector.selects(path)) continue;
    shown += 1;
    const line = json
      ? JSON.stringify({ type: 'entry', service, source, entry })
      : options.long
        ? renderLongEntry(entry)
        : renderEntry(entry);
    if (!(await lines.line(line))) return undefined;
  }
  return shown;
}
