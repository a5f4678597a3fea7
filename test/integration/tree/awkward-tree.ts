/** A tree with everything that backups get wrong. Needs root, as a restore of owners does. */
import {
  chmodSync,
  chownSync,
  closeSync,
  linkSync,
  lutimesSync,
  mkdirSync,
  openSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { runCommand } from '../../../src/base/process/process.js';
import type { Work } from '../../../src/base/progress.js';

export const quiet: Work = { signal: new AbortController().signal, report: () => undefined };

/** A temporary directory and its removal. */
export async function temporaryDirectory(): Promise<{ dir: string; remove: () => Promise<void> }> {
  const dir = await mkdtemp(path.join(tmpdir(), 'holdfast-test-'));
  return { dir, remove: () => rm(dir, { recursive: true, force: true }) };
}

export async function makeAwkwardTree(root: string): Promise<void> {
  mkdirSync(root, { recursive: true });
  const at = (...names: string[]): string => path.join(root, ...names);
  const bytes = (name: Buffer): Buffer => Buffer.concat([Buffer.from(`${root}/`), name]);

  writeFileSync(at('plain.txt'), 'hello\n');
  writeFileSync(at('empty'), '');
  for (const name of [
    '-rf',
    '--checkpoint-action=exec=sh',
    '-C',
    '@file',
    '*',
    '?',
    '[a]',
    'a\\b',
  ]) {
    writeFileSync(at(name), name);
  }
  writeFileSync(at('line\nbreak'), 'newline in the name');
  writeFileSync(at('tab\tand "quotes" and \'quotes\''), 'x');
  writeFileSync(at(' leading and trailing '), 'x');
  writeFileSync(at('\\012'), 'looks escaped');
  writeFileSync(at('naïve-名前-🙂'), 'utf-8');
  writeFileSync(bytes(Buffer.from([0x66, 0xff, 0xfe, 0x80])), 'not utf-8');
  writeFileSync(bytes(Buffer.from([0xe9])), 'latin1');
  mkdirSync(bytes(Buffer.from([0x64, 0xf0, 0x0a])));
  writeFileSync(bytes(Buffer.from([0x64, 0xf0, 0x0a, 0x2f, 0x78])), 'in a strange directory');
  writeFileSync(at('n'.repeat(255)), 'longest name');
  const deep = at(...Array.from({ length: 18 }, (_, index) => `${'d'.repeat(200)}${index}`));
  mkdirSync(deep, { recursive: true });
  writeFileSync(path.join(deep, 'deepest'), 'deep');

  // Order of names: a.b sorts between a and a/x byte by byte.
  mkdirSync(at('a'));
  writeFileSync(at('a', 'x'), '1');
  writeFileSync(at('a.b'), '2');

  mkdirSync(at('links', 'far'), { recursive: true });
  writeFileSync(at('links', 'first'), 'shared content');
  linkSync(at('links', 'first'), at('links', 'second'));
  linkSync(at('links', 'first'), at('zz-hard-link-elsewhere'));
  mkdirSync(at('zz-later'));
  linkSync(at('links', 'first'), at('zz-later', 'link-into-a-closed-directory'));
  chownSync(at('zz-later'), 999, 998);
  chmodSync(at('zz-later'), 0o500);
  utimesSync(at('zz-later'), 1_300_000_000, 1_300_000_000.5);
  symlinkSync('nowhere', at('links', 'dangling'));
  symlinkSync('/etc/hostname', at('links', 'absolute'));
  symlinkSync('../../outside', at('links', 'outside'));
  symlinkSync('../links/first', at('links', 'far', 'relative'));
  symlinkSync('.', at('links', 'loop'));
  symlinkSync('x'.repeat(300), at('links', 'long-target'));
  symlinkSync('line\nbreak', at('links', 'newline-target'));
  linkSync(at('links', 'dangling'), at('links', 'dangling-again'));
  lutimesSync(at('links', 'dangling'), 1_500_000_000.25, 1_500_000_000.25);

  mkdirSync(at('empty-directory'));
  mkdirSync(at('cache'));
  writeFileSync(at('cache', 'CACHEDIR.TAG'), 'Signature: 8a477f597d28d172789f06886806bc55');
  writeFileSync(at('cache', 'model.bin'), 'must be kept');

  const sparse = openSync(at('sparse'), 'w');
  writeSync(sparse, 'start', 0);
  writeSync(sparse, 'middle', 40 * 1024 * 1024);
  writeSync(sparse, 'end', 100 * 1024 * 1024);
  closeSync(sparse);
  const hole = openSync(at('all-hole'), 'w');
  writeSync(hole, '', 0);
  closeSync(hole);
  await runCommand('truncate', ['-s', '10M', at('all-hole')]);
  await runCommand('mkfifo', [at('fifo')]);
  await runCommand('setfattr', ['-n', 'user.note', '-v', 'kept', at('plain.txt')]);
  await runCommand('setfattr', ['-n', 'user.binary', '-v', '0x00ff0a', at('a')]);
  await runCommand('setfattr', ['-n', 'trusted.note', '-v', 'root only', at('empty')]);
  await runCommand('setfacl', ['-m', 'u:1234:rw,g:4321:r', at('a.b')]);
  mkdirSync(at('acl-default'));
  await runCommand('setfacl', ['-m', 'u:1234:rwx', '-d', '-m', 'u:1234:rwx', at('acl-default')]);
  writeFileSync(at('acl-default', 'inherits'), 'x');
  writeFileSync(at('acl-default', 'plain'), 'x');
  await runCommand('setfacl', ['-b', at('acl-default', 'plain')]);

  const modes: [string, number][] = [
    ['none', 0o000],
    ['setuid', 0o4755],
    ['setgid', 0o2755],
    ['odd', 0o417],
    ['read-only', 0o444],
  ];
  for (const [name, mode] of modes) {
    writeFileSync(at(`mode-${name}`), name);
    chownSync(at(`mode-${name}`), 70_000 + mode, 4_000_000);
    chmodSync(at(`mode-${name}`), mode);
  }
  for (const [name, mode] of [
    ['sticky', 0o1777],
    ['setgid', 0o2775],
    ['closed', 0o000],
    ['ro', 0o555],
  ] as const) {
    mkdirSync(at(`directory-${name}`));
    writeFileSync(at(`directory-${name}`, 'inside'), name);
    chownSync(at(`directory-${name}`), 999, 998);
    chmodSync(at(`directory-${name}`), mode);
    utimesSync(at(`directory-${name}`), 1_400_000_000, 1_400_000_000.125);
  }
  await runCommand('touch', ['-d', '2001-02-03 04:05:06.123456789 UTC', at('plain.txt'), at('a')]);
  await runCommand('touch', ['-d', '1969-12-31 23:59:58.25 UTC', at('empty')]);
  await runCommand('touch', ['-d', '2101-02-03 04:05:06.5 UTC', at('a.b')]);
  chownSync(root, 4242, 4343);
  chmodSync(root, 0o2750);
  await runCommand('touch', ['-d', '2011-02-03 04:05:06.987654321 UTC', root]);
}
