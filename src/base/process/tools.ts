/** Versions of the programs that write archives, for the manifest: what wrote this, years later. */
import { readFileSync } from 'node:fs';
import os from 'node:os';
import { z } from 'zod';
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

/** From the package this code belongs to, compiled or not. */
export function holdfastVersion(): string {
  const packageSchema = z.object({ name: z.literal('holdfast'), version: z.string() });
  for (const relative of ['../../package.json', '../../../package.json']) {
    try {
      const text = readFileSync(new URL(relative, import.meta.url), 'utf8');
      return packageSchema.parse(JSON.parse(text)).version;
    } catch {
      // not the level this file was compiled to
    }
  }
  return 'unknown';
}

async function firstLine(command: string, args: readonly string[]): Promise<string> {
  const { stdout } = await runCommand(command, args, { timeoutMs: 10_000 });
  return stdout.split('\n')[0]?.trim() ?? '';
}
