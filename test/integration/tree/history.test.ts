/** Any history of a tree: backed up after every chapter, every backup restores to its own chapter. */
import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import {
  closeSync,
  constants,
  chmodSync,
  chownSync,
  linkSync,
  lutimesSync,
  mkdirSync,
  openSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import path from 'node:path';
import { archiveTree, type ArchivedTree } from '../../../src/tree/pack/archive.js';
import { compareTrees } from '../../../src/tree/compare/compare.js';
import { extractTree } from '../../../src/tree/unpack/extract.js';
import { knownParts } from '../../../src/format/known-parts.js';
import { runCommand } from '../../../src/base/process/process.js';
import { disturbedReader } from './disturbed-reader.js';
import { quiet, temporaryDirectory } from './awkward-tree.js';

/** Few names, so that edits meet each other; awkward ones, since those are the ones that break. */
const NAMES = ['a', 'a.b', 'b', '-x', 'line\nbreak', 'é', 'deep', '\x01', ' '].map((name) =>
  Buffer.from(name),
);
NAMES.push(Buffer.from([0x66, 0xff, 0x80]));
const place = fc.array(fc.constantFrom(...NAMES), { minLength: 1, maxLength: 4 });
const size = fc.oneof(fc.constant(0), fc.integer({ min: 1, max: 200 }), fc.constant(70_000));

const edit = fc.oneof(
  fc.record({ kind: fc.constant('write' as const), at: place, size }),
  fc.record({ kind: fc.constant('append' as const), at: place, size }),
  fc.record({ kind: fc.constant('directory' as const), at: place }),
  fc.record({ kind: fc.constant('remove' as const), at: place }),
  fc.record({ kind: fc.constant('rename' as const), at: place, to: place }),
  fc.record({ kind: fc.constant('link' as const), at: place, to: place }),
  fc.record({ kind: fc.constant('symlink' as const), at: place, to: place }),
  fc.record({ kind: fc.constant('mode' as const), at: place, mode: fc.nat(0o7777) }),
  fc.record({ kind: fc.constant('owner' as const), at: place, id: fc.nat(70_000) }),
  fc.record({ kind: fc.constant('times' as const), at: place, time: fc.nat(2_000_000_000) }),
  fc.record({ kind: fc.constant('sparse' as const), at: place }),
  fc.record({ kind: fc.constant('attribute' as const), at: place, value: fc.nat(9) }),
  fc.record({ kind: fc.constant('fifo' as const), at: place }),
);
type Edit = typeof edit extends fc.Arbitrary<infer T> ? T : never;

function absolute(root: string, names: readonly Buffer[]): Buffer {
  return Buffer.concat([Buffer.from(root), ...names.flatMap((name) => [Buffer.from('/'), name])]);
}

/** Does it if it can be done: what it names may not be there. */
async function apply(root: string, what: Edit): Promise<void> {
  const at = absolute(root, what.at);
  try {
    switch (what.kind) {
      case 'write':
        mkdirSync(absolute(root, what.at.slice(0, -1)), { recursive: true });
        {
          put(at, 'w'.repeat(what.size), constants.O_TRUNC);
          return;
        }
      case 'append': {
        put(at, 'a'.repeat(what.size), constants.O_APPEND);
        return;
      }
      case 'directory':
        return void mkdirSync(at, { recursive: true });
      case 'remove': {
        rmSync(at, { recursive: true });
        return;
      }
      case 'rename': {
        renameSync(at, absolute(root, what.to));
        return;
      }
      case 'link': {
        linkSync(at, absolute(root, what.to));
        return;
      }
      case 'symlink': {
        symlinkSync(Buffer.concat([Buffer.from('../'), ...what.to]), at);
        return;
      }
      case 'mode': {
        chmodSync(at, what.mode);
        return;
      }
      case 'owner': {
        chownSync(at, what.id, what.id + 1);
        return;
      }
      case 'times': {
        lutimesSync(at, what.time, what.time);
        return;
      }
      case 'sparse': {
        truncateSync(at, 3_000_000);
        return;
      }
      case 'attribute':
        // As text the name must be one; the others keep theirs.
        await runCommand('setfattr', ['-h', '-n', 'user.x', '-v', `${what.value}`, String(at)]);
        return;
      case 'fifo':
        await runCommand('mkfifo', [String(at)]);
        return;
    }
  } catch {
    // Not there, a directory, or there already.
  }
}

/** Where a fifo is by now, a plain open would wait for a reader for ever, and the whole process with it. */
function put(at: Buffer, text: string, how: number): void {
  const { O_CREAT, O_NONBLOCK, O_WRONLY } = constants;
  const file = openSync(at, O_WRONLY | O_CREAT | O_NONBLOCK | how);
  try {
    writeSync(file, text);
  } finally {
    closeSync(file);
  }
}

interface Backup extends ArchivedTree {
  readonly directory: string;
  readonly copy: string;
}

test('every backup of a history restores to what was there then', async () => {
  let linked = 0;
  let disturbances = 0;
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.array(edit, { maxLength: 12 }), { minLength: 2, maxLength: 4 }),
      fc.array(edit, { minLength: 4, maxLength: 20 }),
      fc.constantFrom(1, 3_000, 1e9),
      fc.option(edit),
      async (chapters, beginning, partTargetBytes, disturbance) => {
        const base = await temporaryDirectory();
        try {
          const source = path.join(base.dir, 'source');
          mkdirSync(source);
          writeFileSync(path.join(source, 'always'), 'there');
          for (const what of beginning) await apply(source, what);
          const backups: Backup[] = [];
          for (const [number, chapter] of [[], ...chapters].entries()) {
            for (const what of chapter) await apply(source, what);
            const directory = path.join(base.dir, `artifact-${number}`);
            const copy = path.join(base.dir, `copy-${number}`);
            mkdirSync(directory);
            const before = backups.at(-1);
            let disturb = number === 1 ? disturbance : null;
            const { reader } = disturbedReader(source, (command) => {
              if (command !== 'tar' || disturb === null) return;
              disturbances += 1;
              const now = disturb;
              disturb = null;
              void apply(source, now);
            });
            const archived = await archiveTree(
              {
                spec: { root: source, include: ['**'], exclude: [], oneFileSystem: true },
                destination: directory,
                setId: String(number),
                reader,
                compressionLevel: 1,
                onChange: 'fail',
                allowEmpty: false,
                partTargetBytes,
                settleMs: 0,
                known: before === undefined ? [] : knownParts(before.directory, before.files),
              },
              quiet,
            );
            linked += archived.linked.parts;
            await runCommand('cp', ['-a', source, copy]);
            backups.push({ ...archived, directory, copy });
          }
          // From the last one on, each removed once it was restored: none needs another one.
          for (const { directory, copy, files } of backups.reverse()) {
            const target = `${directory}.restored`;
            mkdirSync(target);
            await extractTree({ artifactDirectory: directory, files, target }, quiet);
            expect(await compareTrees(copy, target, quiet)).toEqual([]);
            rmSync(directory, { recursive: true });
          }
        } finally {
          await base.remove();
        }
      },
    ),
    { numRuns: Number(process.env.HOLDFAST_HISTORIES ?? 15) },
  );
  // It must have been put to the test.
  expect(linked).toBeGreaterThan(0);
  expect(disturbances).toBeGreaterThan(0);
});
