/** Some entries of an artifact, or all of it, into a directory of its own. */
import { pipeline } from 'node:stream/promises';
import { HoldfastError } from '../../base/errors.js';
import type { Work } from '../../base/progress.js';
import type { ArtifactManifest } from '../../format/manifest.js';
import { runCommand, startCommand, type RunningCommand } from '../../base/process/process.js';
import { extractTree } from './extract.js';
import { foreignPrefix, requireBelow } from './foreign.js';
import { normalize } from '../../tar/hostile.js';
import type { BytePath } from '../../base/files/byte-paths.js';
import type { Selection } from './select-entries.js';
import { stageDirectory, type Target } from '../swap/staging.js';
import { TarFilter, type Verdict } from '../../tar/filter.js';
import type { TarMember } from '../../tar/headers.js';

export interface ExtractToOptions {
  readonly artifactDirectory: string;
  readonly manifest: ArtifactManifest;
  /** Of this artifact; all of it without one. */
  readonly selection?: Selection | undefined;
  readonly target: Target;
  /** Owners are given away; only root can. By default whether this process is root. */
  readonly asRoot?: boolean;
}

export interface ExtractedTo {
  /** Entries unpacked; with a selection, without the directories that only lead to them. */
  readonly entries: number;
  /** Bytes of their content. */
  readonly bytes: number;
  /** Entries the index lists that no part holds: they vanished while the backup was read. */
  readonly vanished: number;
}

/**
 * Unpacks into a directory that is new or empty. Of the parts only those are read that hold something
 * of the selection; each is hashed and looked through as in a full restore. The target gets mode,
 * owner and times of the tree's root, parents theirs. A file whose first name is not selected is
 * written under the first of its names that is. On failure the target is as it was.
 * @throws HoldfastError as {@link extractTree}, USAGE when the target can't be written
 */
export async function extractTo(options: ExtractToOptions, work: Work): Promise<ExtractedTo> {
  const { manifest, selection, artifactDirectory } = options;
  const asRoot = options.asRoot ?? process.geteuid?.() === 0;
  const files = manifest.files.filter(
    ({ role, name }) => role === 'part' && (selection === undefined || selection.parts.has(name)),
  );
  const staged = await stageDirectory(options.target);
  const kept = { entries: 0 };
  const prefix = foreignPrefix(files);
  const below = (name: BytePath): BytePath =>
    prefix === undefined ? normalize(name) : requireBelow(name, prefix);
  let extractArguments: readonly string[] = [];
  try {
    const extracted = await extractTree(
      {
        artifactDirectory,
        files,
        target: staged.path,
        // A device beside what is wanted is no reason to refuse; the filter refuses one that is.
        allowDevices: selection !== undefined,
        startTar: (args, signal) => {
          extractArguments = asRoot ? args : args.map(asOrdinaryUser);
          const tar = startCommand('tar', extractArguments, {
            signal,
            openStdin: true,
            cwd: staged.path,
            env: { LC_ALL: 'C' },
          });
          if (selection === undefined) return tar;
          return filtered(tar, (member) => {
            const verdict = judge(member, selection, below);
            if (verdict.keep) kept.entries += 1;
            return verdict;
          });
        },
      },
      work,
    );
    const vanished =
      selection === undefined ? 0 : selection.entries + selection.parents.size - kept.entries;
    requireWhole(vanished, manifest);
    await runCommand('sync', ['-f', staged.path], { signal: work.signal });
    work.signal.throwIfAborted();
    await staged.commit(extractArguments);
    return {
      entries: selection === undefined ? extracted.entries : selection.entries - vanished,
      bytes: selection?.bytes ?? manifest.totals.contentBytes,
      vanished,
    };
  } catch (error) {
    await staged.discard();
    throw error;
  }
}

/** tar behind a filter, as one command. */
export function filtered(
  tar: RunningCommand,
  decide: (member: TarMember) => Verdict,
): RunningCommand {
  const filter = new TarFilter(decide);
  if (tar.stdin === null) throw new HoldfastError('INTERNAL', 'tar was started without an input');
  // A failure of either side ends the other, and is told by the command's own end or the filter's.
  pipeline(filter, tar.stdin).catch(() => undefined);
  return { ...tar, stdin: filter };
}

/**
 * Does a selection mean a member, and under which name?
 * @param below a name of the archive as a path of the tree
 */
export function judge(
  member: TarMember,
  selection: Selection,
  below: (name: BytePath) => BytePath,
): Verdict {
  const path = below(member.path);
  const { selects, parents, heirs } = selection;
  const heir = heirs.get(path);
  if (heir !== undefined) return { keep: true, path: `./${heir}` };
  if (!selects(path)) return { keep: member.flag === '5' && parents.has(path) };
  if (member.flag !== '1') return { keep: true };
  const holder = heirs.get(below(member.linkPath));
  if (holder === undefined) return { keep: true };
  // What its first name brought is there already under this name, or under another of the selected.
  return holder === path ? { keep: false } : { keep: true, linkPath: `./${holder}` };
}

/** Who is not root gets files of its own, and the attributes it may set. */
function asOrdinaryUser(argument: string): string {
  if (argument === '--same-owner') return '--no-same-owner';
  return argument === '--xattrs-include=*' ? '--xattrs-include=user.*' : argument;
}

function requireWhole(vanished: number, { consistency }: ArtifactManifest): void {
  if (vanished === 0 || (vanished > 0 && consistency.state === 'inconsistent')) return;
  throw new HoldfastError('RESTORE_FAILED', 'the parts do not hold what the index lists', {
    facts: { missing: vanished },
    hint: 'restore the whole source, or take another set',
  });
}
