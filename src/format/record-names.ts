/** Several names in one file name, so that different names never make the same file. Pure. */

/**
 * Names are joined as they are, as earlier versions did it, unless that could be read in two ways: in
 * a name that holds the separator, or ends with a piece of it, each of its characters is written `%XX`.
 */
export function joinNames(separator: '--' | '__', names: readonly string[]): string {
  const [character = ''] = separator;
  const escaped = `%${character.charCodeAt(0).toString(16).toUpperCase()}`;
  return names
    .map((name) =>
      name.includes(separator) || name.startsWith(character) || name.endsWith(character)
        ? name.replaceAll(character, escaped)
        : name,
    )
    .join(separator);
}

/** The names in a file name. Those of earlier versions may have more parts than names were joined. */
export function splitNames(separator: '--' | '__', text: string): string[] {
  return text.split(separator).map((part) => part.replaceAll('%2D', '-').replaceAll('%5F', '_'));
}
