/** The JSON Schema of the configuration file: editors complete from it, messages suggest from it. */
import { z } from 'zod';
import { configSchema } from './schema.js';

export type JsonSchema = z.core.JSONSchema.BaseSchema;

/**
 * The schema of the file as it is written (before defaults), JSON Schema draft 7: the newest draft
 * that YAML language servers handle completely. Plain data.
 */
export function configJsonSchema(): JsonSchema {
  const { $schema, ...rest } = z.toJSONSchema(configSchema, { io: 'input', target: 'draft-7' });
  return {
    $schema,
    // A name, not an address: nothing is ever fetched from it.
    $id: 'urn:holdfast:config:1',
    title: 'Holdfast configuration',
    description: 'One stack: its services, what to save of each, and when.',
    ...rest,
  };
}
