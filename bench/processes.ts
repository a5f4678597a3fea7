/** What the kernel says about running processes, from /proc. */
import { readdirSync, readFileSync } from 'node:fs';

export type MemoryKind = 'pss' | 'rss';

/** A process and all its descendants, as far as they can be seen at this moment. */
export function familyOf(pid: number): number[] {
  const family = [pid];
  for (let at = 0; at < family.length; at += 1) {
    const parent = family[at]!;
    // Each thread has its own list of the children it started.
    for (const thread of namesIn(`/proc/${parent}/task`)) {
      const children = readIfThere(`/proc/${parent}/task/${thread}/children`) ?? '';
      for (const child of children.split(' ')) {
        if (child.trim() !== '') family.push(Number(child));
      }
    }
  }
  return family;
}

/**
 * Resident memory of a process in bytes: its share of what it has in common with others where the
 * kernel tells (`pss`), else all of it (`rss`, which counts shared pages once a process).
 */
export function memoryOf(pid: number, kind: MemoryKind): number {
  if (kind === 'pss')
    return kibibytes(readIfThere(`/proc/${pid}/smaps_rollup`), /^Pss: +(\d+) kB/m);
  return kibibytes(readIfThere(`/proc/${pid}/status`), /^VmRSS:\s+(\d+) kB/m);
}

/** Whether the kernel tells the share for processes of this user. */
export function memoryKind(): MemoryKind {
  return memoryOf(process.pid, 'pss') > 0 ? 'pss' : 'rss';
}

/** Processor time of all children this process has waited for, and of theirs. */
export function cpuOfEndedChildren(): { userSeconds: number; systemSeconds: number } {
  const stat = readFileSync('/proc/self/stat', 'latin1');
  // The name in parentheses may hold anything; what follows it is the third field.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return {
    userSeconds: Number(fields[CUTIME]) / CLOCK_TICKS,
    systemSeconds: Number(fields[CSTIME]) / CLOCK_TICKS,
  };
}

/** Fields 16 and 17 of proc(5), counted from the third. */
const CUTIME = 13;
const CSTIME = 14;
/** USER_HZ: 100 wherever Linux runs Node. */
const CLOCK_TICKS = 100;

function kibibytes(text: string | undefined, pattern: RegExp): number {
  return Number(text?.match(pattern)?.[1] ?? 0) * 1024;
}

function readIfThere(file: string): string | undefined {
  try {
    return readFileSync(file, 'latin1');
  } catch {
    return undefined; // ended meanwhile, or not for us to see
  }
}

function namesIn(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch {
    return [];
  }
}
