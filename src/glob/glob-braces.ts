/** `a{b,c}d` → `abd`, `acd`; nested braces too. Braces without a comma are plain characters. */
export function expandBraces(pattern: string): readonly string[] {
  let depth = 0;
  let bounds: number[] = [];
  for (let at = 0; at < pattern.length; at += 1) {
    switch (pattern.charAt(at)) {
      case '\\':
        at += 1;
        break;
      case '{':
        if (depth === 0) bounds = [at];
        depth += 1;
        break;
      case ',':
        if (depth === 1) bounds.push(at);
        break;
      case '}':
        if (depth === 0) break;
        depth -= 1;
        if (depth === 0 && bounds.length > 1) return alternatives(pattern, [...bounds, at]);
        break;
      default:
    }
  }
  return [pattern];
}

/** `bounds`: where the opening brace, the commas and the closing brace are. */
function alternatives(pattern: string, bounds: readonly number[]): readonly string[] {
  const before = pattern.slice(0, bounds[0]);
  const after = pattern.slice((bounds.at(-1) ?? 0) + 1);
  return bounds
    .slice(0, -1)
    .flatMap((bound, index) =>
      expandBraces(before + pattern.slice(bound + 1, bounds[index + 1]) + after),
    );
}
