/** Lines of `SHA256SUMS` as `sha256sum` writes and reads them. */

/** Names with a backslash or line break are escaped, which a leading backslash tells. */
export function checksumLine(name: string, sha256: string): string {
  if (!/[\\\n\r]/.test(name)) return `${sha256}  ${name}\n`;
  const escaped = name.replace(/\\/g, '\\\\').replace(/\n/g, '\\n').replace(/\r/g, '\\r');
  return `\\${sha256}  ${escaped}\n`;
}

/** Name → hash; lines that are not of the format are left out. */
export function parseChecksums(text: string): ReadonlyMap<string, string> {
  const sums = new Map<string, string>();
  for (const line of text.split('\n')) {
    const match = /^(\\?)([0-9a-f]{64}) [ *](.+)$/.exec(line);
    if (match === null) continue;
    const [, escaped, sha256 = '', name = ''] = match;
    sums.set(escaped === '' ? name : unescape(name), sha256);
  }
  return sums;
}

function unescape(name: string): string {
  return name.replace(/\\(.)/g, (_, character: string) =>
    character === 'n' ? '\n' : character === 'r' ? '\r' : character,
  );
}
