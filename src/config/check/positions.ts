/** Where in the YAML text a value stands, so that every message names its line. */
import { LineCounter, isAlias, isMap, isScalar, isSeq, parseDocument } from 'yaml';
import type { Document, Node, Pair } from 'yaml';
import type { ConfigPath } from '../../format/config/config-path.js';

/** Both from 1, as editors count. */
export interface Position {
  readonly line: number;
  readonly column: number;
}

/**
 * Finds a path, or its key where `onKey` is set; a path that is not in the text is found at its
 * nearest ancestor that is.
 */
export type Locate = (path: ConfigPath, onKey?: boolean) => Position;

function offsetOf(node: unknown): number | undefined {
  if (isScalar(node) || isMap(node) || isSeq(node) || isAlias(node)) return node.range?.[0];
  return undefined;
}

function pairOf(items: readonly Pair[], key: string): Pair | undefined {
  return items.find((pair) => isScalar(pair.key) && String(pair.key.value) === key);
}

/** A scalar is named by itself, a map or list by its key: that is the line a reader looks for. */
function locateIn(document: Document, path: ConfigPath, onKey: boolean): number {
  let node: Node | null | undefined = document.contents;
  let offset = 0;
  for (const [depth, segment] of path.entries()) {
    const wantsKey = onKey && depth === path.length - 1;
    if (isAlias(node)) node = node.resolve(document);
    if (isMap<unknown, Node | null>(node)) {
      const pair = pairOf(node.items, String(segment));
      if (pair === undefined) return offset;
      const next: unknown = pair.value;
      offset = offsetOf(isScalar(next) && !wantsKey ? next : pair.key) ?? offset;
      node = isScalar(next) || isMap(next) || isSeq(next) || isAlias(next) ? next : null;
    } else if (isSeq<Node>(node)) {
      const next: Node | undefined = node.items[Number(segment)];
      if (next === undefined) return offset;
      offset = offsetOf(next) ?? offset;
      node = next;
    } else {
      return offset;
    }
  }
  return offset;
}

export interface ParsedYaml {
  readonly document: Document;
  readonly locate: Locate;
  /** Line and column of an offset in the text. */
  readonly at: (offset: number) => Position;
}

/** Parses without throwing; what is wrong is in `document.errors`. */
export function parseYaml(text: string): ParsedYaml {
  const lineCounter = new LineCounter();
  const document = parseDocument(text, { lineCounter, prettyErrors: false, merge: true });
  const at = (offset: number): Position => {
    const { line, col } = lineCounter.linePos(offset);
    return { line: Math.max(1, line), column: Math.max(1, col) };
  };
  return { document, at, locate: (path, onKey = false) => at(locateIn(document, path, onKey)) };
}
