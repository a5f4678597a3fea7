#!/usr/bin/env node
/** The program: the real process around the command line. */
import type { CliHost } from './host/context.js';
import { messageOf } from '../base/errors.js';
import { streamOutput } from './output/output.js';
import { runCli } from './program.js';
import { reportError } from './output/report-error.js';
import { realPorts } from './host/wiring.js';

/** How long open handles (a connection that does not close) may keep the finished process alive. */
const LINGER_MS = 3_000;

const host: CliHost = {
  out: streamOutput(process.stdout),
  err: streamOutput(process.stderr),
  stdin: process.stdin,
  env: process.env,
  ports: realPorts,
  onSignal: (handler) => {
    process.on('SIGINT', handler).on('SIGTERM', handler);
    return () => void process.off('SIGINT', handler).off('SIGTERM', handler);
  },
  exitNow: (code) => process.exit(code),
};

/**
 * The Temporal client tries a call again by a timer that outlives its connection: when the server went
 * away just before the end, the timer throws into nobody's hands. The call was given up by then.
 */
const AFTER_CLOSE = 'Channel has been shut down';

process.on('uncaughtException', (error) => {
  if (messageOf(error) === AFTER_CLOSE) return;
  const json = process.argv.includes('--json');
  process.exit(reportError(error, host, { json, color: !process.argv.includes('--no-color') }));
});

process.exitCode = await runCli(process.argv.slice(2), host);
setTimeout(() => process.exit(), LINGER_MS).unref();
