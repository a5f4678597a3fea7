/** Which of a container's mounts holds the server's data directory. */
import path from 'node:path';

/** A mount as the engine reports it in a container's inspection. */
export interface ContainerMount {
  readonly type: string;
  /** Name of the volume, for a mount of type `volume`. */
  readonly volume?: string | undefined;
  /** Path on the host, for a mount of type `bind`. */
  readonly source?: string | undefined;
  /** Path in the container. */
  readonly destination: string;
}

export type DataLocation =
  /** `path`: the data directory on the host, which may be below the mounted directory. */
  | { readonly type: 'bind'; readonly path: string }
  /** `subpath`: the data directory inside the volume; empty when it is the volume itself. */
  | { readonly type: 'volume'; readonly name: string; readonly subpath: string }
  | { readonly type: 'unknown' };

/**
 * The data directory that a server is told in its arguments, the last one where there are several, as
 * it takes them: `-c data_directory=` goes before `-D`, which may lead to the configuration alone.
 */
export function dataDirectoryIn(args: readonly string[]): string | undefined {
  let configured: string | undefined;
  let directory: string | undefined;
  args.forEach((argument, at) => {
    const next = args[at + 1];
    const setting = /^(?:--|-c ?)?data[_-]directory=(.+)$/.exec(argument)?.[1];
    if (setting !== undefined) configured = setting;
    else if (argument === '-D' || argument === '--pgdata') directory = next ?? directory;
    else directory = /^(?:-D|--pgdata=)(.+)$/.exec(argument)?.[1] ?? directory;
  });
  return configured ?? directory;
}

/**
 * The mount that holds `pgdata`: the one with the longest destination that is the directory or above
 * it, as the kernel resolves nested mounts.
 * @param pgdata The server's `data_directory`, absolute, in the container.
 */
export function dataLocation(mounts: readonly ContainerMount[], pgdata: string): DataLocation {
  const wanted = path.posix.normalize(pgdata).replace(/(.)\/+$/, '$1');
  let best: { mount: ContainerMount; subpath: string } | undefined;
  for (const mount of mounts) {
    const at = path.posix.normalize(mount.destination).replace(/(.)\/+$/, '$1');
    const subpath = path.posix.relative(at, wanted);
    if (subpath === '..' || subpath.startsWith('../')) continue;
    if (best === undefined || subpath.length < best.subpath.length) best = { mount, subpath };
  }
  if (best === undefined) return { type: 'unknown' };
  const { mount, subpath } = best;
  if (mount.type === 'bind' && mount.source !== undefined) {
    return { type: 'bind', path: path.posix.join(mount.source, subpath) };
  }
  if (mount.type === 'volume' && mount.volume !== undefined && mount.volume !== '') {
    return { type: 'volume', name: mount.volume, subpath };
  }
  return { type: 'unknown' };
}
