#!/usr/bin/env bash
# awkward.sh DIR: files that backups are known to get wrong, into a new directory DIR.
# As root, for the foreign owners; an ordinary user gets all but those.
set -euo pipefail

dir=${1:?usage: awkward.sh DIR}
mkdir -p "$dir"
if [[ -n $(ls -A "$dir") ]]; then
  echo "awkward: $dir is not empty" >&2
  exit 1
fi
cd "$dir"
umask 022

# Sparse: data, a hole of 100 MB, data. Stored in full it blows up the backup, or the restored disk.
printf 'before the hole' >sparse.bin
truncate -s 100M sparse.bin
printf 'after the hole' >>sparse.bin
truncate -s 5M all-hole.bin

# Hard links, also from another directory, which may end up in another part of the archive.
mkdir -p links/one zz-last/two
printf 'one file, three names\n' >links/first
ln links/first links/one/second
ln links/first zz-last/two/third

# Names.
printf 'x' >$'new\nline'
printf 'x' >-rf
printf 'x' >'  spaces around  '
printf 'x' >$'not-utf8-\xff\xfe'
printf 'x' >'Привет, мир — ñ 漢字 🙂'
printf 'x' >$'e\xcc\x81-decomposed'
printf 'x' >$'\xc3\xa9-composed'
printf 'x' >'quote"s and '\''apostrophes'\'''
# shellcheck disable=SC2016
printf 'x' >'back\slash and $dollar *glob?'
printf 'x' >$'tab\tand\rreturn'
printf 'x' >"$(printf 'n%.0s' {1..255})"
deep=deep
for level in {1..60}; do deep+=/"level-$level-of-a-deep-path"; done
mkdir -p "$deep"
printf 'x' >"$deep/leaf"
: >empty-file

# Modes.
mkdir setgid sticky private
chmod 2775 setgid
chmod 1777 sticky
chmod 0700 private
printf 'nobody may read this\n' >mode-0000
chmod 0000 mode-0000
printf 'read only\n' >read-only
chmod 0444 read-only
printf '#!/bin/sh\n' >setuid
mkdir read-only-dir
printf 'x' >read-only-dir/file

# Owners that exist in no passwd file. (chown clears setuid: so mode afterwards.)
if [[ $(id -u) == 0 ]]; then
  printf 'x' >odd-owner
  chown 12345:54321 odd-owner setgid setuid
  chmod 2775 setgid
else
  echo 'awkward: not root, so without foreign owners' >&2
fi
chmod 4755 setuid

# Times: before most file systems' tools were written, with nanoseconds; and before the epoch.
printf 'x' >old
touch -d '2001-02-03 04:05:06.123456789 UTC' old
printf 'x' >before-epoch
touch -d '1969-07-20 20:17:40.000000001 UTC' before-epoch

# Links and other types.
ln -s nowhere/at/all dangling
ln -s /etc/hostname absolute
ln -s links to-directory
ln -s "$(printf 't%.0s' {1..150})" long-target
ln -s $'target\nwith newline' odd-target
mkdir empty-directory
mkfifo fifo

# Extended attributes and ACLs, of files and of a directory (with a default ACL).
printf 'x' >with-xattr
setfattr -n user.holdfast -v 'a value' with-xattr
setfattr -n user.binary -v 0x00ff00 with-xattr
printf 'x' >with-acl
setfacl -m u:12345:rw,g:54321:r with-acl
mkdir acl-directory
setfacl -m d:u:12345:rwx acl-directory

# Last: what a directory holds changes its time.
chmod 0555 read-only-dir
touch -d '2010-10-10 10:10:10.101010101 UTC' empty-directory setgid
touch -h -d '2011-11-11 11:11:11.111111111 UTC' dangling
