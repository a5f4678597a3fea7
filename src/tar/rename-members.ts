/** Arguments with which GNU tar takes a prefix off the names of members while it unpacks them. */
import { HoldfastError } from '../base/errors.js';

const DELIMITERS = [',', '|', '#', '!', '%', '@', '~'] as const;

/** GNU tar's arguments that take the prefix off names and targets of hard links. */
export function renameArguments(prefix: string | undefined): readonly string[] {
  return prefix === undefined || prefix === '' ? [] : [`--transform=${renameExpression(prefix)}`];
}

/** The sed-like expression itself, for instructions. Symlinks point where they point: `S`. */
export function renameExpression(prefix: string): string {
  const d = DELIMITERS.find((one) => !prefix.includes(one));
  if (d === undefined) {
    throw new HoldfastError('RESTORE_FAILED', `"${prefix}" can't be taken off names`, {
      facts: { prefix },
    });
  }
  const pattern = prefix.replace(/[\\.[\]*^$]/g, '\\$&');
  const s = (from: string, to: string, flags = ''): string => `s${d}${from}${d}${to}${d}${flags}`;
  return [
    'flags=rSh',
    // `a//b` and `a/./b` are `a/b`; a trailing slash is gone before tar comes to this.
    s('/\\(\\.\\?/\\)*', '/', 'g'),
    s('/\\.$', ''),
    s('^\\(\\./\\)*', ''),
    s(`^${pattern}$`, '.'),
    s(`^${pattern}/`, './'),
  ].join(';');
}
