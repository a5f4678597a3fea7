/** Which sets have a very file: later sets link the parts that did not change. */
import { setFileName } from '../layout.js';
import { listFiles, type FileIdentity } from '../write/artifact-files.js';
import type { SetArtifact, SetFile } from '../../format/manifest.js';

export interface FileName {
  readonly set: Pick<SetFile, 'id' | 'tier'>;
  /** Directory of the artifact, relative to the root. */
  readonly artifact: string;
  readonly file: string;
}

/** Looks each artifact's files up once. */
export class Sharing {
  readonly #files = new Map<string, Promise<ReadonlyMap<FileIdentity, string>>>();

  constructor(
    readonly root: string,
    readonly sets: readonly SetFile[],
  ) {}

  /**
   * All names of a file of an artifact in the catalogue, its own among them: in artifacts of the same
   * service and source, which is what a backup shares between, and in sets that name the same artifact.
   */
  async namesOf(
    { service, source, path }: Pick<SetArtifact, 'service' | 'source' | 'path'>,
    file: { readonly file: string; readonly identity?: FileIdentity | undefined },
  ): Promise<readonly FileName[]> {
    const names: FileName[] = [];
    for (const set of this.sets) {
      for (const other of set.artifacts) {
        if (other.service !== service || other.source !== source) continue;
        if (other.path === path) {
          names.push({ set, artifact: path, file: file.file });
        } else if (file.identity !== undefined) {
          const found = (await this.#filesOf(other.path)).get(file.identity);
          if (found !== undefined) names.push({ set, artifact: other.path, file: found });
        }
      }
    }
    return names.sort((left, right) => (setFileName(left.set) < setFileName(right.set) ? -1 : 1));
  }

  #filesOf(artifact: string): Promise<ReadonlyMap<FileIdentity, string>> {
    let files = this.#files.get(artifact);
    if (files === undefined) {
      files = listFiles(this.root, artifact).then(
        (list) => new Map(list.map(({ identity, name }) => [identity, name])),
        // One that can't be looked at has its own verification to say so.
        () => new Map<FileIdentity, string>(),
      );
      this.#files.set(artifact, files);
    }
    return files;
  }
}
