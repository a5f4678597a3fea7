/** Health checks as the configuration has them: what a service must pass before others start. */
import { z } from 'zod';
import { durationSchema, nameSchema as name } from './fields.js';

const gateCommon = {
  timeout: durationSchema
    .prefault('2m')
    .describe('How long the check may take to pass after the start'),
};

export const healthCheckSchema = z.discriminatedUnion('type', [
  z
    .strictObject({
      type: z.literal('containers'),
      ...gateCommon,
    })
    .describe(
      "All of the project's containers run, and are healthy where they have a health check",
    ),
  z.strictObject({ type: z.literal('container'), ...gateCommon, container: name }),
  z.strictObject({
    type: z.literal('http'),
    ...gateCommon,
    url: z.url(),
    status: z.number().int().default(200),
    contains: z.string().optional(),
  }),
  z.strictObject({
    type: z.literal('tcp'),
    ...gateCommon,
    host: z.string().default('127.0.0.1'),
    port: z.number().int().min(1).max(65535),
  }),
  z.strictObject({
    type: z.literal('sql'),
    ...gateCommon,
    container: name,
    user: z.string().default('postgres'),
    database: z.string().default('postgres'),
    query: z.string().min(1),
    expect: z.string().optional().describe('The first column of the first row'),
  }),
  z.strictObject({
    type: z.literal('command'),
    ...gateCommon,
    container: name,
    command: z.array(z.string()).min(1),
  }),
]);

export type HealthCheck = z.output<typeof healthCheckSchema>;
