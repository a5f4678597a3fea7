/**
 * One attempt at an artifact in a process of its own, for tests that kill it:
 *
 *   node archive-once.mjs <root of the store> <set id> <source> <attempt> <log>
 *
 * Each start of tar is a line in the log; the result is printed as JSON.
 */
/* global AbortController */
import { appendFileSync } from 'node:fs';
import { archiveTree } from '../../dist/src/tree/pack/archive.js';
import { readFinished } from '../../dist/src/tree/pack/finished-parts.js';
import { directReader } from '../../dist/src/tree/scan/reader.js';
import { beginAttempt, promoteAttempt } from '../../dist/src/store/write/attempts.js';

const [root, setId, source, attempt, log] = process.argv.slice(2);
const artifact = {
  setId,
  relativePath: `agent/daily/data/agent_${setId}`,
  attempt: Number(attempt),
};
const { directory, journal, earlier } = await beginAttempt(root, artifact);
const direct = directReader(source);
const reader = {
  ...direct,
  start: (command, args, options) => {
    if (command === 'tar') appendFileSync(log, `${attempt}\n`);
    return direct.start(command, args, options);
  },
};
const known = (
  await Promise.all(earlier.map((each) => readFinished(each.journal, each.directory)))
).flat();
const archived = await archiveTree(
  {
    spec: { root: source, include: ['**'], exclude: [], oneFileSystem: true },
    destination: directory,
    setId,
    reader,
    compressionLevel: 12,
    onChange: 'fail',
    allowEmpty: false,
    partTargetBytes: 1,
    journal,
    known,
    settleMs: 0,
  },
  { signal: new AbortController().signal, report: () => undefined },
);
await promoteAttempt(root, artifact);
process.stdout.write(
  JSON.stringify({
    files: archived.files,
    finishedBefore: new Set(known.map(({ file }) => file.state.fingerprint)).size,
  }),
);
