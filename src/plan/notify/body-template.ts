/** The body of a templated webhook: placeholders in the texts of any JSON value. Pure. */

export const PLACEHOLDERS = [
  'status',
  'title',
  'message',
  'timestamp',
  'stack',
  'host',
  'run',
] as const;
export type Placeholder = (typeof PLACEHOLDERS)[number];
export type TemplateValues = Readonly<Record<Placeholder, string>>;

export type JsonValue =
  string | number | boolean | null | readonly JsonValue[] | { readonly [key: string]: JsonValue };

const PATTERN = /\{\{\s*([^{}]*?)\s*\}\}/g;

function isPlaceholder(name: string): name is Placeholder {
  return PLACEHOLDERS.some((known) => known === name);
}

/**
 * The template with every `{{name}}` in its texts replaced; keys, numbers and structure stay. What
 * is put in is never looked at again, so a message that holds `{{host}}` stays as it is.
 */
export function fillTemplate(template: JsonValue, values: TemplateValues): JsonValue {
  if (typeof template === 'string') {
    return template.replace(PATTERN, (whole, name: string) =>
      isPlaceholder(name) ? values[name] : whole,
    );
  }
  if (typeof template !== 'object' || template === null) return template;
  if (isList(template)) return template.map((item) => fillTemplate(item, values));
  return Object.fromEntries(
    Object.entries(template).map(([key, item]) => [key, fillTemplate(item, values)]),
  );
}

/**
 * How the body goes out: JSON, whose own writer escapes what was put in, or, where the template is
 * nothing but a text, that text.
 */
export function encodeTemplate(
  template: JsonValue,
  values: TemplateValues,
): { readonly contentType: string; readonly body: string } {
  const filled = fillTemplate(template, values);
  return typeof filled === 'string'
    ? { contentType: 'text/plain; charset=utf-8', body: filled }
    : { contentType: 'application/json', body: JSON.stringify(filled) };
}

/** Names between double braces that are no placeholder, each once. */
export function unknownPlaceholders(template: unknown): readonly string[] {
  const texts: string[] = [];
  const collect = (value: unknown): void => {
    if (typeof value === 'string') texts.push(value);
    else if (typeof value === 'object' && value !== null) Object.values(value).forEach(collect);
  };
  collect(template);
  const names = texts.flatMap((text) => [...text.matchAll(PATTERN)].map(([, name]) => name ?? ''));
  return [...new Set(names.filter((name) => !isPlaceholder(name)))];
}

function isList(value: object): value is readonly JsonValue[] {
  return Array.isArray(value);
}
