/** A server's settings into a file of its dump's artifact, and out of it again. */
import { createReadStream } from 'node:fs';
import path from 'node:path';
import { Readable } from 'node:stream';
import type { ArtifactFile, SettingsInfo } from '../../format/manifest.js';
import { asBuffer } from '../client/bytes.js';
import { compressed, decompressed } from '../dump/compress.js';
import { OutputSet } from '../dump/output-file.js';
import { readSettings } from './read-settings.js';
import type { PostgresExec, ServerLogin } from '../client/exec.js';
import { serverFacts } from '../client/server.js';
import { packTar, unpackTar, type SettingsFile } from './settings-tar.js';

export const SETTINGS_FILE = 'server-settings.tar.zst';

export interface SavedSettings {
  readonly file: ArtifactFile;
  readonly info: SettingsInfo;
}

/**
 * @param options.destination The artifact's directory.
 * @param options.mounted As {@link readSettings} takes it.
 * @throws HoldfastError COMMAND_FAILED, POSTGRES_UNREACHABLE, LOGIN_REFUSED, DISK_FULL
 */
export async function saveSettings(
  pg: PostgresExec,
  login: ServerLogin,
  options: {
    readonly destination: string;
    readonly mounted: readonly string[];
    readonly compressionLevel: number;
  },
  signal: AbortSignal,
): Promise<SavedSettings> {
  const { maintenanceDatabase: database } = await serverFacts(pg, login, 'DUMP_FAILED', signal);
  const { mounted } = options;
  const settings = await readSettings(pg, login, { mounted, database }, signal);
  const { files, outside, libraries, places } = settings;
  const outputs = new OutputSet(options.destination);
  try {
    const output = outputs.open(SETTINGS_FILE);
    const tar = Readable.from([packTar(files)], { objectMode: false });
    await output.write(compressed(tar, options.compressionLevel, signal), () => undefined);
    await outputs.commit();
    return {
      file: {
        name: output.name,
        role: 'other',
        sizeBytes: output.sizeBytes,
        sha256: output.sha256,
        contentBytes: files.reduce((sum, { content }) => sum + content.length, 0),
        entries: files.length,
      },
      info: {
        file: output.name,
        files: files.map((one) => one.path),
        hba: path.posix.relative(places.dataDirectory, places.hba),
        ident: path.posix.relative(places.dataDirectory, places.ident),
        outside: [...outside],
        libraries: [...libraries],
      },
    };
  } catch (error) {
    await outputs.discard();
    throw error;
  }
}

/** @throws HoldfastError INTEGRITY */
export async function openSettings(
  directory: string,
  info: SettingsInfo,
  signal: AbortSignal,
): Promise<SettingsFile[]> {
  const source = createReadStream(path.join(directory, info.file));
  const chunks: Buffer[] = [];
  for await (const chunk of decompressed(source, info.file, signal)) chunks.push(asBuffer(chunk));
  return unpackTar(Buffer.concat(chunks));
}
