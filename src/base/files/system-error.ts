/** What the system says of a file, as an error with a stable code, a reason and a way on. */
import { statfsSync } from 'node:fs';
import path from 'node:path';
import { getSystemErrorMap } from 'node:util';
import { HoldfastError, messageOf, systemCodeOf } from '../errors.js';

/**
 * The error for what a file operation failed of; undefined for whatever is none.
 * @param target what was written, where the error names a temporary file or nothing
 */
export function fromSystemError(error: unknown, target?: string): HoldfastError | undefined {
  const code = systemCodeOf(error);
  const syscall = fieldOf(error, 'syscall');
  const file = target ?? fieldOf(error, 'path');
  // Sockets and child processes have their own gateways, and fail without a path.
  if (code === undefined || syscall === undefined) return undefined;
  const where = file ?? `a file (${syscall})`;
  const facts = { reason: code, syscall, ...(file === undefined ? {} : { path: file }) };
  const options = { facts, cause: error };
  switch (code) {
    case 'ENOSPC': {
      const inodes = file !== undefined && areInodesUsedUp(file);
      return new HoldfastError(
        'DISK_FULL',
        inodes
          ? `no inodes left to write ${where}, though bytes may be free`
          : `no space left to write ${where}`,
        {
          ...options,
          hint: inodes
            ? 'remove small files from that disk (`df -i` counts them), or let an older set go'
            : 'free some space, or let an older set go (holdfast list shows their sizes)',
        },
      );
    }
    case 'EDQUOT':
      return new HoldfastError('DISK_FULL', `the quota is used up: ${where} can't be written`, {
        ...options,
        hint: 'raise the quota of the user or project, or let an older set go',
      });
    case 'EROFS':
      return new HoldfastError('READ_ONLY', `the file system of ${where} is read-only`, {
        ...options,
        hint: 'mount it writable; the kernel log (dmesg) tells whether an error of the disk made it so',
      });
    case 'EACCES':
    case 'EPERM':
      return new HoldfastError('NO_PERMISSION', `no permission for ${where} (${syscall})`, {
        ...options,
        hint: 'run as the user it belongs to, usually root; immutable files (lsattr) and network mounts refuse root, too',
      });
    case 'EMFILE':
    case 'ENFILE':
      return new HoldfastError('IO_FAILED', `too many files are open to open ${where}`, {
        ...options,
        hint: 'raise the limit (ulimit -n, LimitNOFILE=)',
      });
    default:
      if (file === undefined) return undefined;
      return new HoldfastError('IO_FAILED', `${where}: ${describe(error, code)} (${syscall})`, {
        ...options,
        hint: 'look at the disk, its mount and the kernel log (dmesg)',
      });
  }
}

/** `input/output error` for EIO. */
function describe(error: unknown, code: string): string {
  for (const [name, text] of getSystemErrorMap().values()) if (name === code) return text;
  return messageOf(error);
}

function fieldOf(error: unknown, name: 'syscall' | 'path'): string | undefined {
  if (typeof error !== 'object' || error === null) return undefined;
  const value: unknown = Reflect.get(error, name);
  return typeof value === 'string' ? value : undefined;
}

function areInodesUsedUp(file: string): boolean {
  try {
    const { files, ffree } = statfsSync(path.dirname(file));
    return files > 0 && ffree === 0;
  } catch {
    return false;
  }
}
