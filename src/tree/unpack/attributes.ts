/** Ownership and modes over a whole tree: `chown -R` and `chmod -R` that know files from directories. */
import { chmod, lchown, lstat, readdir } from 'node:fs/promises';
import { absoluteBytes, pathFromBuffer, type BytePath } from '../../base/files/byte-paths.js';

export interface TreeAttributes {
  readonly owner?: { readonly uid: number; readonly gid: number };
  /** Permission bits with setuid, setgid and sticky. */
  readonly directoryMode?: number;
  readonly fileMode?: number;
}

/** Applies to the root and everything below; links get the owner only, since they have no mode. */
export async function applyAttributes(root: string, attributes: TreeAttributes): Promise<void> {
  await applyBelow(root, '', attributes);
}

async function applyBelow(root: string, path: BytePath, attributes: TreeAttributes): Promise<void> {
  const target = absoluteBytes(root, path);
  const found = await lstat(target);
  // The owner first: changing it clears setuid and setgid.
  if (attributes.owner !== undefined) {
    await lchown(target, attributes.owner.uid, attributes.owner.gid);
  }
  if (found.isDirectory()) {
    if (attributes.directoryMode !== undefined) await chmod(target, attributes.directoryMode);
    for (const name of await readdir(target, { encoding: 'buffer' })) {
      const child = pathFromBuffer(name);
      await applyBelow(root, path === '' ? child : `${path}/${child}`, attributes);
    }
  } else if (found.isFile() && attributes.fileMode !== undefined) {
    await chmod(target, attributes.fileMode);
  }
}
