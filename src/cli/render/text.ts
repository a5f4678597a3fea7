/** Text measured and cut as a terminal shows it. */

// eslint-disable-next-line no-control-regex -- escape sequences are what is looked for
const ESCAPES = /\u001b\[[0-9;?]*[A-Za-z]/g;
// eslint-disable-next-line no-control-regex -- control characters are what is looked for
const CONTROLS = /[\u0000-\u001f\u007f-\u009f]+/g;
/** East Asian wide forms and emoji; a name or a database error may hold them. */
const WIDE =
  /[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6\u{1f300}-\u{1faff}]/u;
const ZERO_WIDTH = /\p{Mn}|[\u200b-\u200f]/u;

/** Columns the text takes on a terminal, escape sequences not counted. */
export function displayWidth(text: string): number {
  let width = 0;
  for (const character of text.replace(ESCAPES, '')) width += characterWidth(character);
  return width;
}

/** One line without control characters: what others wrote must not move our cursor. */
export function oneLine(text: string): string {
  return text.replace(ESCAPES, '').replace(CONTROLS, ' ').trim();
}

/** Cuts to a width, ending in the ellipsis where something was cut. Colours stay closed. */
export function truncate(text: string, width: number, ellipsis = '…'): string {
  if (displayWidth(text) <= width) return text;
  const room = Math.max(0, width - displayWidth(ellipsis));
  let used = 0;
  let kept = '';
  let coloured = false;
  // eslint-disable-next-line no-control-regex -- escape sequences are kept, and not counted
  for (const token of text.match(/\u001b\[[0-9;?]*[A-Za-z]|./gsu) ?? []) {
    if (token.startsWith('\u001b')) {
      kept += token;
      coloured = true;
      continue;
    }
    const next = characterWidth(token);
    if (used + next > room) break;
    kept += token;
    used += next;
  }
  return `${kept}${coloured ? '\u001b[0m' : ''}${width > 0 ? ellipsis.slice(0, width) : ''}`;
}

export function padEnd(text: string, width: number): string {
  return text + ' '.repeat(Math.max(0, width - displayWidth(text)));
}

export function padStart(text: string, width: number): string {
  return ' '.repeat(Math.max(0, width - displayWidth(text))) + text;
}

/** Words over as many lines as they need; a word wider than a line stays whole. */
export function wrap(text: string, width: number): string[] {
  const lines: string[] = [];
  for (const word of text.split(' ')) {
    const last = lines.at(-1);
    if (last !== undefined && displayWidth(last) + 1 + displayWidth(word) <= width) {
      lines[lines.length - 1] = `${last} ${word}`;
    } else {
      lines.push(word);
    }
  }
  return lines;
}

function characterWidth(character: string): number {
  if (ZERO_WIDTH.test(character)) return 0;
  return WIDE.test(character) ? 2 : 1;
}
