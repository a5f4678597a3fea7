/** User and group names to numbers, by the system's own databases. */
import { HoldfastError } from '../errors.js';
import { runCommand } from '../process/process.js';

export interface Ownership {
  readonly uid: number;
  readonly gid: number;
}

/** The number of a user or group; undefined when the system knows no such name. */
export async function lookUpId(
  database: 'passwd' | 'group',
  nameOrNumber: string,
): Promise<number | undefined> {
  if (/^\d+$/.test(nameOrNumber)) return Number.parseInt(nameOrNumber, 10);
  const { exitCode, stdout } = await runCommand('getent', [database, nameOrNumber], {
    okExitCodes: [0, 2],
    timeoutMs: 10_000,
  });
  const id = stdout.split(':')[2];
  return exitCode === 0 && id !== undefined ? Number.parseInt(id, 10) : undefined;
}

/** `user:group` to numbers. @throws HoldfastError CONFIG_INVALID for a name the system does not know */
export async function lookUpOwner(owner: string): Promise<Ownership> {
  const [user = '', group = ''] = owner.split(':');
  const [uid, gid] = await Promise.all([lookUpId('passwd', user), lookUpId('group', group)]);
  if (uid === undefined || gid === undefined) {
    const missing = uid === undefined ? `user ${user}` : `group ${group}`;
    throw new HoldfastError('CONFIG_INVALID', `there is no ${missing} on this host`, {
      hint: 'use a name from /etc/passwd and /etc/group, or numbers',
      facts: { owner },
    });
  }
  return { uid, gid };
}
