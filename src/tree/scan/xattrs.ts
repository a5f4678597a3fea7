/** Extended attributes (with the ACLs, which are kept as such) of a whole tree, by `getfattr`. */
import { startCommand } from '../../base/process/process.js';
import type { BytePath } from '../../base/files/byte-paths.js';

/**
 * Path relative to `root` → its attributes as sorted `name=0xhex` lines; entries without any are absent.
 * @throws HoldfastError COMMAND_FAILED
 */
export async function readXattrs(
  root: string,
  signal: AbortSignal,
): Promise<ReadonlyMap<BytePath, string>> {
  const running = startCommand(
    'getfattr',
    ['--recursive', '--physical', '--no-dereference', '--dump', '--match=-', '--encoding=hex', '.'],
    { cwd: root, signal, env: { LC_ALL: 'C' } },
  );
  // Not as UTF-8: names are bytes.
  const chunks: string[] = [];
  running.stdout.on('data', (chunk: Buffer) => chunks.push(chunk.toString('latin1')));
  await running.done;
  const attributes = new Map<BytePath, string>();
  for (const block of chunks.join('').split('\n\n')) {
    const [head = '', ...lines] = block.split('\n').filter((line) => line !== '');
    if (!head.startsWith('# file: ')) continue;
    const name = unescapeOctal(head.slice('# file: '.length));
    attributes.set(name === '.' ? '' : name.replace(/^\.\//, ''), lines.sort().join('\n'));
  }
  return attributes;
}

/** getfattr writes newlines and backslashes as `\ooo`, all other bytes as they are. */
function unescapeOctal(text: string): BytePath {
  return text.replace(/\\([0-7]{3})/g, (_, digits: string) =>
    String.fromCharCode(Number.parseInt(digits, 8)),
  );
}
