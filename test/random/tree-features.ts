/** What trees are drawn from: each a piece of bash that makes it in the working directory. */

/**
 * `$1` is a word that the content holds, so that two states of a tree differ. Run again over its own
 * work, a piece makes the same things with another word.
 */
export const TREE_FEATURES = {
  spaces: `mkdir -p ' a  b '; printf %s "$1" > ' a  b / c '`,
  newline: `printf %s "$1" > $'line\\nbreak'; mkdir -p $'dir\\n'; printf %s "$1" > $'dir\\n/\\n'`,
  unicode: `printf %s "$1" > 'naïve-名前-🙂'; printf %s "$1" > $'e\\u0301 decomposed'`,
  notUtf8: `printf %s "$1" > $'\\xff\\xfe bytes'; mkdir -p $'latin-\\xe9'; printf %s "$1" > $'latin-\\xe9/x'`,
  leadingDash: `printf %s "$1" > ./-rf; mkdir -p ./--exclude=x; printf %s "$1" > ./--exclude=x/--`,
  dashes: `mkdir -p a--b/c__d; printf %s "$1" > a--b/c__d/x--y; printf %s "$1" > a__b`,
  globs: `printf %s "$1" > '[a]*?'; printf %s "$1" > '{b,c}'; printf %s "$1" > '!d'; printf %s "$1" > 'e\\f'`,
  quotes: `printf %s "$1" > "quo\\"te's"; printf %s "$1" > '$(touch x)\`y\`;&|'`,
  reserved: `mkdir -p .holdfast-mine; printf %s "$1" > .holdfast-mine/x; printf %s "$1" > manifest.json; printf %s "$1" > SHA256SUMS`,
  longName: `printf %s "$1" > "$(printf 'n%.0s' {1..255})"`,
  deep: `d=$(printf 'd%.0s/' {1..60}); mkdir -p "$d"; printf %s "$1" > "$d/bottom"`,
  many: `mkdir -p many; for i in {1..300}; do printf '%s %s' "$i" "$1" > "many/$i"; done`,
  symlinks: `ln -sfn "to $1" dangling; ln -sfn . loop; ln -sfn /etc/hostname absolute; ln -sfn $'\\xff' odd-target`,
  hardLinks: `printf %s "$1" > first; ln -f first second; mkdir -p zz; ln -f first zz/third; chmod 500 zz`,
  sparse: `rm -f sparse; truncate -s 8M sparse; printf %s "$1" | dd of=sparse bs=1 seek=4000000 conv=notrunc status=none; truncate -s 1M all-hole`,
  emptyDirectory: `mkdir -p empty/er; chmod 1777 empty/er; printf %s "$1" > empty-beside`,
  emptyFile: `: > empty-file; printf %s "$1" > empty-not`,
  xattrs: `printf %s "$1" > noted; setfattr -n user.note -v "$1" noted; setfattr -n trusted.bin -v 0x00ff0a noted; mkdir -p noted-dir; setfattr -n user.d -v x noted-dir`,
  acls: `printf %s "$1" > ruled; setfacl -m u:1234:rw,g:4321:r ruled; mkdir -p ruled-dir; setfacl -d -m u:1234:rwx ruled-dir`,
  capability: `printf %s "$1" > capable; setcap cap_net_raw+ep capable`,
  fifo: `rm -f pipe; mkfifo pipe; printf %s "$1" > pipe-beside`,
  owners: `printf %s "$1" > owned; chown 70:1234 owned; mkdir -p owned-dir; printf %s "$1" > owned-dir/x; chown 4000000:999 owned-dir; chmod 2750 owned-dir`,
  modes: `printf %s "$1" > setuid; chmod 4755 setuid; printf %s "$1" > none; chmod 000 none; mkdir -p shut; printf %s "$1" > shut/x; chmod 100 shut`,
  times: `printf %s "$1" > old; touch -d '1999-12-31 23:59:59.123456789' old; printf %s "$1" > future; touch -d '2040-01-01' future; mkdir -p old-dir; touch -d @0 old-dir`,
  binary: `head -c 300000 /dev/zero | openssl enc -aes-128-ctr -K 00 -iv 00 2>/dev/null > noise; printf %s "$1" >> noise`,
} as const;

export type TreeFeature = keyof typeof TREE_FEATURES;
