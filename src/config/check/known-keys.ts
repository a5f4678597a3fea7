/** Which keys may stand at a place of the file, for "did you mean". */
import { configJsonSchema } from '../../format/config/json-schema.js';
import type { JsonSchema } from '../../format/config/json-schema.js';
import type { ConfigPath } from '../../format/config/config-path.js';
type Sub = JsonSchema | boolean | undefined;

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function child(value: unknown, segment: string | number): unknown {
  if (Array.isArray(value)) {
    const items: readonly unknown[] = value;
    return items[Number(segment)];
  }
  const key = String(segment);
  return isRecord(value) && Object.hasOwn(value, key) ? value[key] : undefined;
}

/** Of a union's branches those that the value can mean: by constant fields (`kind`, `type`), else all. */
function branches(schema: JsonSchema, value: unknown): readonly JsonSchema[] {
  const options = [...(schema.oneOf ?? []), ...(schema.anyOf ?? [])];
  if (options.length === 0) return [schema];
  const all = options.flatMap((option) => branches(option, value));
  return all.filter((option) =>
    Object.entries(option.properties ?? {}).every(
      ([key, property]) =>
        typeof property === 'boolean' ||
        property.const === undefined ||
        property.const === child(value, key),
    ),
  );
}

function step(schema: JsonSchema, segment: string | number): Sub {
  if (typeof segment === 'number') {
    return Array.isArray(schema.items) ? schema.items[segment] : schema.items;
  }
  const properties = schema.properties ?? {};
  return Object.hasOwn(properties, segment) ? properties[segment] : schema.additionalProperties;
}

/** Made once: a file with many mistakes asks for every one of them. */
let schemaOfFile: JsonSchema | undefined;

/** The keys that a map at `path` may have; `root` is the whole file as parsed from YAML. */
export function knownKeysAt(root: unknown, path: ConfigPath): string[] {
  let value = root;
  schemaOfFile ??= configJsonSchema();
  let schemas = branches(schemaOfFile, value);
  for (const segment of path) {
    value = child(value, segment);
    const here = value;
    schemas = schemas.flatMap((schema) => {
      const next = step(schema, segment);
      return next === undefined || typeof next === 'boolean' ? [] : branches(next, here);
    });
  }
  return [...new Set(schemas.flatMap((schema) => Object.keys(schema.properties ?? {})))];
}
