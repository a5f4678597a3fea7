/** The program as it is, but with runs that need no Temporal. */
import { streamOutput } from '../../../src/cli/output/output.js';
import { runCli } from '../../../src/cli/program.js';
import { realPorts } from '../../../src/cli/host/wiring.js';
import { fakeRuns } from './fake-runs.js';

process.exitCode = await runCli(process.argv.slice(2), {
  out: streamOutput(process.stdout),
  err: streamOutput(process.stderr),
  stdin: process.stdin,
  env: process.env,
  ports: { ...realPorts, connectRuns: () => Promise.resolve(fakeRuns(process.env)) },
  onSignal: (handler) => {
    process.on('SIGINT', handler).on('SIGTERM', handler);
    return () => void process.off('SIGINT', handler).off('SIGTERM', handler);
  },
  exitNow: (code) => process.exit(code),
});
