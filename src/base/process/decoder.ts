/** Which program decompresses a file, by the end of its name. */

/** The command and its arguments, to which files or `-` are added; undefined for what is not compressed. */
export function decoderFor(name: string): readonly [string, ...string[]] | undefined {
  if (name.endsWith('.zst')) return ['zstd', '-q', '-d', '-c'];
  // Without -q: trailing garbage is told by the exit code either way, and what gzip says is wanted then.
  if (name.endsWith('.gz')) return ['gzip', '-d', '-c'];
  return undefined;
}
