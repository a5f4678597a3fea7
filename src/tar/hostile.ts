/**
 * Refuses archives that would write outside the directory they are unpacked into, or bring what no
 * backup of ours brings. GNU tar has defences of its own; this does not rely on them.
 */
import { HoldfastError } from '../base/errors.js';
import { pathToName, type BytePath } from '../base/files/byte-paths.js';
import type { TarMember } from './headers.js';

export interface HostileOptions {
  readonly allowDevices: boolean;
}

/**
 * Checks the members of one archive. They may come in any order and be unpacked in another: whichever
 * of a symlink and what would be written through it comes second is refused.
 */
export class HostileCheck {
  /** Places where the archive makes a symlink, or may: nothing may be written through them. */
  readonly #links = new Set<BytePath>();
  /** Targets of hard links: a symlink that comes to one later would make the link one, too. */
  readonly #targets = new Set<BytePath>();
  /** Directories that something lies in: none of them may turn out to be a symlink. */
  readonly #parents = new Set<BytePath>();

  constructor(readonly options: HostileOptions) {}

  /** @throws HoldfastError ARCHIVE_HOSTILE (facts: path, reason) */
  check(member: TarMember): void {
    for (const name of member.names) this.#checkName(name, name, 'its name');
    const path = normalize(member.path);
    if (this.#links.has(path)) throw hostile(member.path, 'replaces a symlink made before');
    switch (member.flag) {
      case '0':
      case '7':
      case 'S':
      case '5':
      case '6':
        return;
      case '1':
        for (const target of member.linkNames) {
          this.#checkName(target, member.path, 'the target of the hard link');
        }
        // A hard link to a symlink is a symlink too.
        if (this.#links.has(normalize(member.linkPath))) this.#addLink(path, member.path);
        else this.#targets.add(normalize(member.linkPath));
        return;
      case '2':
        // Where it points is data: a backup keeps absolute and dangling links. But nothing follows it.
        this.#addLink(path, member.path);
        return;
      case '3':
      case '4':
        if (this.options.allowDevices) return;
        throw hostile(member.path, 'is a device node');
      default:
        throw hostile(member.path, `is of the unknown type "${member.flag}"`);
    }
  }

  #addLink(path: BytePath, name: BytePath): void {
    if (this.#parents.has(path)) throw hostile(name, 'is a symlink that others lie below');
    if (this.#targets.has(path)) throw hostile(name, 'is a symlink that a hard link was made to');
    this.#links.add(path);
  }

  #checkName(name: BytePath, path: BytePath, what: string): void {
    if (name.startsWith('/')) throw hostile(path, `${what} is absolute`);
    const parts = name.split('/');
    if (parts.includes('..')) throw hostile(path, `${what} contains ".."`);
    if (name.includes('\0')) throw hostile(path, `${what} contains a NUL byte`);
    let parent = '';
    const names = parts.filter((part) => part !== '' && part !== '.');
    for (const part of names.slice(0, -1)) {
      parent = parent === '' ? part : `${parent}/${part}`;
      if (this.#links.has(parent)) throw hostile(path, `${what} leads through a symlink`);
      this.#parents.add(parent);
    }
  }
}

/** A member's name as a path below the root: `./a//b/` is `a/b`, `./` is `''`. */
export function normalize(name: BytePath): BytePath {
  return name
    .split('/')
    .filter((part) => part !== '' && part !== '.')
    .join('/');
}

function hostile(path: BytePath, reason: string): HoldfastError {
  return new HoldfastError(
    'ARCHIVE_HOSTILE',
    `refused to unpack: "${pathToName(path)}" ${reason}`,
    {
      facts: { path: pathToName(path), reason },
      hint: 'this archive was not written by Holdfast, or was changed since; do not restore from it',
    },
  );
}
