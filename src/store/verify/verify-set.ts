/** Verifying whole sets: each file once, each damage with every set that has it. */
import type { Work } from '../../base/progress.js';
import { findDamage, type KnownFiles, type LookInside } from './find-damage.js';
import { resolveInside } from '../layout.js';
import type { ReadContent } from './read-content.js';
import type { SetFile } from '../../format/manifest.js';
import { Sharing } from '../catalogue/sharing.js';
import type { FoundDamage, VerificationOutcome } from './verification.js';
import type { VerifyLevel } from './verify.js';

export interface SetVerifierOptions {
  /** What was read before in the same run, also by other verifiers. */
  readonly known?: KnownFiles | undefined;
  readonly lookInside?: LookInside | undefined;
}

/** Between two artifacts of a set. */
export interface VerifyPart {
  /** Artifacts that need not be read: an earlier run did. */
  readonly done?: ReadonlySet<string>;
  /** Has the time been used up? Asked before each artifact but the first. */
  readonly enough?: () => boolean;
}

/** One run over sets of a catalogue; what it has read once it does not read again. */
export class SetVerifier {
  readonly #known: KnownFiles;
  readonly #sharing: Sharing;
  /** Bytes read so far. */
  bytes = 0;

  /** @param sets all of the catalogue, not only those that are verified */
  constructor(
    readonly root: string,
    sets: readonly SetFile[],
    readonly level: VerifyLevel,
    readonly options: SetVerifierOptions = {},
  ) {
    this.#known = options.known ?? new Map<string, ReadContent>();
    this.#sharing = new Sharing(root, sets);
  }

  /**
   * Verifies the artifacts of a set; damage is in the outcome, and what time was left for.
   * @throws HoldfastError STORE_UNSAFE, or the signal's reason
   */
  async verify(set: SetFile, work: Work, part: VerifyPart = {}): Promise<VerificationOutcome> {
    const damage: FoundDamage[] = [];
    const sound = new Set<string>();
    let files = 0;
    let bytes = 0;
    const notes: string[] = [];
    const artifacts: string[] = [];
    const unfinished: string[] = [];
    for (const artifact of set.artifacts) {
      if (part.done?.has(artifact.path) === true) continue;
      if (artifacts.length > 0 && (unfinished.length > 0 || part.enough?.() === true)) {
        unfinished.push(artifact.path);
        continue;
      }
      artifacts.push(artifact.path);
      const directory = await resolveInside(this.root, artifact.path);
      const report = await findDamage(
        directory,
        {
          manifestSha256: artifact.manifestSha256,
          level: this.level,
          known: this.#known,
          lookInside: this.options.lookInside,
        },
        {
          signal: work.signal,
          report: (progress) => {
            work.report({ ...progress, bytes: this.bytes + bytes + progress.bytes });
          },
        },
      );
      files += report.files;
      bytes += report.bytes;
      notes.push(...report.notes.map((text) => `${artifact.service}/${artifact.source}: ${text}`));
      for (const identity of report.sound) sound.add(identity);
      for (const finding of report.findings) {
        const { service, source, path } = artifact;
        const names = await this.#sharing.namesOf(artifact, finding);
        damage.push({ ...finding, service, source, artifact: path, names });
      }
    }
    this.bytes += bytes;
    return {
      set,
      at: new Date().toISOString(),
      level: this.level,
      files,
      bytes,
      artifacts,
      unfinished,
      damage,
      sound,
      notes,
    };
  }
}
