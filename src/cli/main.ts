#!/usr/bin/env node
/** The program: the real process around the command line. */
import type { CliHost } from './context.js';
import { streamOutput } from './output.js';
import { runCli } from './program.js';
import { realPorts } from './wiring.js';

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

process.exitCode = await runCli(process.argv.slice(2), host);
setTimeout(() => process.exit(), LINGER_MS).unref();
