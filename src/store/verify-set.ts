/** Verifying whole sets: each file once, each damage with every set that has it. */
import type { Work } from '../progress.js';
import { findDamage, type KnownFiles } from './find-damage.js';
import { resolveInside } from './layout.js';
import type { SetFile } from './manifest.js';
import { Sharing } from './sharing.js';
import type { FoundDamage, VerificationOutcome } from './verification.js';
import type { VerifyLevel } from './verify.js';

/** One run over sets of a catalogue; what it has read once it does not read again. */
export class SetVerifier {
  readonly #known: KnownFiles = new Map();
  readonly #sharing: Sharing;
  /** Bytes read so far. */
  bytes = 0;

  /** @param sets all of the catalogue, not only those that are verified */
  constructor(
    readonly root: string,
    sets: readonly SetFile[],
    readonly level: VerifyLevel,
  ) {
    this.#sharing = new Sharing(root, sets);
  }

  /**
   * Verifies every artifact of a set to its end; damage is in the outcome.
   * @throws HoldfastError STORE_UNSAFE, or the signal's reason
   */
  async verify(set: SetFile, work: Work): Promise<VerificationOutcome> {
    const damage: FoundDamage[] = [];
    const sound = new Set<string>();
    let files = 0;
    let bytes = 0;
    for (const artifact of set.artifacts) {
      const directory = await resolveInside(this.root, artifact.path);
      const report = await findDamage(
        directory,
        { manifestSha256: artifact.manifestSha256, level: this.level, known: this.#known },
        {
          signal: work.signal,
          report: (progress) => {
            work.report({ ...progress, bytes: this.bytes + bytes + progress.bytes });
          },
        },
      );
      files += report.files;
      bytes += report.bytes;
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
      artifacts: set.artifacts.map(({ path }) => path),
      damage,
      sound,
    };
  }
}
