/**
 * One attempt at unpacking in a process of its own, for tests that kill it:
 *
 *   node extract-once.mjs <artifact> <target> <journal>
 */
/* global AbortController */
import { canResume, extractTree } from '../../dist/src/tree/unpack/extract.js';
import { readArtifact } from '../../dist/src/store/write/artifact.js';

const [artifactDirectory, target, journal] = process.argv.slice(2);
const { files } = await readArtifact(artifactDirectory);
const options = { artifactDirectory, files, target, journal };
const resumed = await canResume(options);
await extractTree(options, { signal: new AbortController().signal, report: () => undefined });
process.stdout.write(JSON.stringify({ resumed }));
