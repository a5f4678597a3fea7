/** `holdfast restore … --to DIR`: one source, or some of its files, beside the live ones. No Temporal. */
import { realpath } from 'node:fs/promises';
import path from 'node:path';
import { selectEntries, type Selection } from '../../../tree/unpack/select-entries.js';
import { extractTo, type ExtractedTo } from '../../../tree/unpack/select-extract.js';
import { inspectTarget, stageDirectory, type Target } from '../../../tree/swap/staging.js';
import { covers } from '../../../format/config/glob.js';
import { HoldfastError } from '../../../base/errors.js';
import { formatBytes } from '../../../base/words.js';
import type { Work } from '../../../base/progress.js';
import { copyFiles } from '../../../store/write/copy-files.js';
import type { ArtifactManifest, SetArtifact } from '../../../format/manifest.js';
import { openArtifact } from '../../../store/catalogue/open-artifact.js';
import { chooseOneArtifact, sourceName } from '../../artifact-choice.js';
import type { CliContext } from '../../host/context.js';
import type { ExitCode } from '../../output/exit.js';
import { interruptible } from '../../host/interruptible.js';
import { chooseImported } from '../../old-backups.js';
import { localProgress } from '../../progress/local-progress.js';
import { formatCount } from '../../render/words.js';
import { openStore } from '../../host/store.js';
import { setName } from '../../views/sets/set-rows.js';

export interface RestoreToOptions {
  readonly to: string;
  readonly service?: readonly string[] | undefined;
  readonly source?: readonly string[] | undefined;
  readonly path?: readonly string[] | undefined;
  readonly root?: string | undefined;
}

export async function restoreTo(
  context: CliContext,
  name: string,
  options: RestoreToOptions,
): Promise<ExitCode> {
  const store = await openStore(context, options.root);
  const { root } = store;
  const wanted = { root: options.root, name };
  const { set, warnings } = await chooseImported(context, store, wanted, options.service);
  for (const warning of warnings) context.warn(warning);
  const artifact = chooseOneArtifact(set, options);
  const target = await inspectTarget(options.to);
  const { directory, manifest } = await openArtifact(root, artifact);
  await refuseLivePlace(target, manifest, root);
  const progress = localProgress(context);
  progress.subject(sourceName(artifact));
  const done = await interruptible(context, async (signal) => {
    const work: Work = { signal, report: progress.report };
    try {
      if (artifact.kind === 'postgres') {
        return await copyDumps({ directory, manifest, target, options, work });
      }
      const selection = await select({ directory, manifest, options, work, name: setName(set) });
      return await extractTo({ artifactDirectory: directory, manifest, selection, target }, work);
    } finally {
      progress.clear();
    }
  });
  if (done.vanished > 0) {
    context.warn(
      `${formatCount(done.vanished)} of the entries vanished while the backup was read: it has no content of them`,
    );
  }
  tell(context, artifact, target, done, setName(set));
  return 0;
}

function tell(
  context: CliContext,
  artifact: SetArtifact,
  target: Target,
  { entries, bytes, vanished }: ExtractedTo,
  set: string,
): void {
  const { service, source } = artifact;
  const what = artifact.kind === 'postgres' ? 'files' : 'entries';
  context.say(
    `${sourceName(artifact)} of ${set}: ${formatCount(entries)} ${what}, ` +
      `${formatBytes(bytes)} in ${target.path}`,
  );
  context.emit({
    type: 'result',
    command: 'restore',
    exitCode: 0,
    set,
    service,
    source,
    entries,
    bytes,
    vanished,
    to: target.path,
  });
}

interface Selecting {
  readonly directory: string;
  readonly manifest: ArtifactManifest;
  readonly options: RestoreToOptions;
  readonly work: Work;
  readonly name: string;
}

/** Every pattern must match something: part of what was asked for is not called done. */
async function select(selecting: Selecting): Promise<Selection | undefined> {
  const { directory, manifest, options, work, name } = selecting;
  if (options.path === undefined) return undefined;
  const selection = await selectEntries(directory, manifest, options.path, work);
  if (selection.unmatched.length === 0) return selection;
  const { service, source } = manifest;
  throw new HoldfastError('USAGE', `nothing matches ${selection.unmatched.join(', ')}`, {
    facts: { patterns: selection.unmatched, service, source },
    hint: `\`holdfast browse ${name} --service ${service} --source ${source}\` shows what there is`,
  });
}

async function copyDumps(copying: {
  readonly directory: string;
  readonly manifest: ArtifactManifest;
  readonly target: Target;
  readonly options: RestoreToOptions;
  readonly work: Work;
}): Promise<ExtractedTo> {
  const { directory, manifest, target, options, work } = copying;
  if (options.path !== undefined) {
    throw new HoldfastError('USAGE', 'a PostgreSQL source has no paths to match', {
      hint: 'leave --path out: its dump files are copied, and RESTORE.md says how to load them',
    });
  }
  const staged = await stageDirectory(target);
  try {
    const bytes = await copyFiles(directory, manifest.files, staged.path, work);
    work.signal.throwIfAborted();
    await staged.commit();
    return { entries: manifest.files.length, bytes, vanished: 0 };
  } catch (error) {
    await staged.discard();
    throw error;
  }
}

/**
 * What is unpacked here is for looking at and picking from. The live place is for a restore with its
 * order, checks and way back; the backups' own directory is for backups.
 */
async function refuseLivePlace(
  { path: target }: Target,
  manifest: ArtifactManifest,
  root: string,
): Promise<void> {
  const { tree, postgres } = manifest;
  const live = tree !== undefined && isLive(target, await resolved(tree.root), tree.include);
  const data = postgres?.data;
  if (live || (data?.type === 'bind' && isBelow(target, await resolved(data.path)))) {
    throw new HoldfastError('USAGE', `${target} is where this source lives`, {
      facts: { path: target },
      hint: 'name a directory elsewhere, or restore the service without --to',
    });
  }
  if (isBelow(target, await resolved(root))) {
    throw new HoldfastError('USAGE', `${target} is among the backups`, {
      facts: { path: target },
      hint: 'name a directory elsewhere',
    });
  }
}

/** Without symlinks, as the target is; a directory that is gone stays what it was called. */
async function resolved(directory: string): Promise<string> {
  return realpath(directory).catch(() => directory);
}

function isLive(target: string, root: string, include: readonly string[]): boolean {
  if (!isBelow(target, root)) return false;
  const relative = path.relative(root, target);
  return relative === '' || covers(include, relative);
}

function isBelow(target: string, directory: string): boolean {
  const relative = path.relative(directory, target);
  return relative === '' || (!relative.startsWith('../') && relative !== '..');
}
