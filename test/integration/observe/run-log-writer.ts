/** A writer of the run log, to be started several times: file, name, number of lines. */
import { RunLog } from '../../../src/observe/run-log.js';

const [file, name, count] = process.argv.slice(2);
const log = new RunLog(file ?? '');
for (let index = 0; index < Number(count); index += 1) {
  await log.write(`writer ${name} line ${index} ${'x'.repeat(index % 200)}`);
}
