/** Versions of the programs that write archives, for the manifest: what wrote this, years later. */
import os from 'node:os';
import { holdfastVersion } from '../version.js';
import { runCommand } from './process.js';

let cached: Promise<Record<string, string>> | undefined;

/** Names and versions of Holdfast, Node, tar, zstd and the operating system's release. */
export async function toolVersions(): Promise<Record<string, string>> {
  cached ??= collect();
  return cached;
}

async function collect(): Promise<Record<string, string>> {
  return {
    holdfast: holdfastVersion(),
    node: process.version,
    os: `${os.type()} ${os.release()}`,
    tar: await firstLine('tar', ['--version']),
    zstd: await firstLine('zstd', ['--version']),
  };
}

async function firstLine(command: string, args: readonly string[]): Promise<string> {
  const { stdout } = await runCommand(command, args, { timeoutMs: 10_000 });
  return stdout.split('\n')[0]?.trim() ?? '';
}
