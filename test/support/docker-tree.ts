/** Trees that are hard to copy, and their fingerprints. */
import { runCommand } from '../../src/base/process/process.js';

/** Fills a directory with one of everything a copy may lose; `seed` makes it differ from others. */
export async function makeTree(directory: string, seed: string): Promise<void> {
  const script = `
    set -e
    cd "$1"
    find . -mindepth 1 -delete
    mkdir -p deep/er empty
    echo "content of $2" >file
    printf '%s' "$2" >'deep/er/spaces and
newlines'
    printf 'bytes' >"$(printf 'not-utf8-\\377')"
    ln file hard-link
    ln -s ../file deep/link
    ln -s /nowhere dangling
    truncate -s 6M sparse && printf x | dd of=sparse bs=1 seek=3000000 conv=notrunc status=none
    mkfifo pipe
    chown 70:1234 file && chmod 4750 deep
    setfattr -n user.holdfast -v "$2" file
    setfattr -n trusted.holdfast -v "$2" file
    touch -d '2001-02-03 04:05:06.789' file
    touch -h -d '2002-02-03 04:05:06' deep/link
    echo hidden >.hidden
    chown 999:998 . && chmod 2770 . && touch -d '2003-03-03 03:03:03.333' deep .
  `;
  await runCommand('bash', ['-c', script, 'bash', directory, seed]);
}

/**
 * Contents, modes, owners, times, links and attributes of a tree in one digest; not inodes, not
 * atime. Fails where the sparse file has lost its holes.
 */
export async function fingerprint(directory: string): Promise<string> {
  const script = `
    set -eo pipefail
    [ ! -e "$1/sparse" ] || [ "$(stat -c %b "$1/sparse")" -lt 100 ]
    tar -C "$1" --sort=name --numeric-owner --xattrs --xattrs-include='user.*' --xattrs-include='trusted.*' --acls \\
      --format=posix --pax-option='delete=atime,delete=ctime,exthdr.name=%d/%f' -c . | sha256sum`;
  const { stdout } = await runCommand('bash', ['-c', script, 'bash', directory]);
  return stdout.slice(0, 64);
}
