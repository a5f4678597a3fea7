/** The notification channels of the configuration: webhooks, mail, and pings of a dead-man switch. */
import { z } from 'zod';
import { absolutePathSchema as absolutePath, nameSchema as name } from './fields.js';

export const notificationStatusSchema = z.enum(['success', 'degraded', 'failed']);
/** What kind of run a message is about. */
export const runKindSchema = z.enum([
  'backup',
  'restore',
  'undo',
  'drill',
  'verify',
  'check',
  'prune',
]);

const environmentName = z
  .string()
  .regex(/^[A-Za-z_][A-Za-z0-9_]*$/, 'the name of an environment variable');

/** A value that may be a secret: written here, or where the worker finds it. */
export const secretValueSchema = z.union([
  z.string().min(1),
  z.strictObject({
    env: environmentName.describe('An environment variable of the worker that holds the value'),
    prefix: z.string().optional().describe('Put before the value: "Bearer "'),
  }),
  z.strictObject({
    file: absolutePath.describe('A file that holds the value'),
    prefix: z.string().optional().describe('Put before the value: "Bearer "'),
  }),
]);

const address = {
  url: z.url().optional(),
  urlFile: absolutePath.optional().describe('A file that holds the URL'),
  urlEnv: environmentName
    .optional()
    .describe('An environment variable of the worker that holds the URL'),
};
const headers = z
  .record(
    z.string().regex(/^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/, 'the name of an HTTP header'),
    secretValueSchema,
  )
  .default({});
const everyRun = z
  .array(runKindSchema)
  .min(1)
  .default([...runKindSchema.options])
  .describe('Which runs it is told of');
const everyStatus = z
  .array(notificationStatusSchema)
  .min(1)
  .default(['success', 'degraded', 'failed'])
  .describe('Which ends of runs it is told of');

export const webhookChannelSchema = z.strictObject({
  type: z.literal('webhook'),
  name: name.optional(),
  ...address,
  on: everyStatus,
  runs: everyRun,
  method: z.enum(['POST', 'PUT', 'PATCH']).default('POST'),
  headers: headers.describe('Further headers; values may come from the environment or a file'),
  body: z
    .unknown()
    .optional()
    .describe(
      'What is sent instead of {status, message, timestamp}: any JSON value, or text. In its texts {{status}}, {{title}}, {{message}}, {{timestamp}}, {{stack}}, {{host}} and {{run}} are replaced',
    ),
});

export const emailChannelSchema = z.strictObject({
  type: z.literal('email'),
  name: name.optional(),
  on: everyStatus,
  runs: everyRun,
  host: z.string().min(1).describe('The mail server'),
  port: z
    .number()
    .int()
    .min(1)
    .max(65535)
    .optional()
    .describe('587 by default; 465 with security: tls, 25 with none'),
  security: z
    .enum(['starttls', 'tls', 'none'])
    .default('starttls')
    .describe('starttls: refuse to go on without it; tls: from the first byte; none: plain text'),
  caFile: absolutePath
    .optional()
    .describe(
      'Certificates (PEM) the mail server is checked against, for an authority of your own',
    ),
  user: z.string().min(1).optional(),
  passwordFile: absolutePath.optional().describe('A file that holds the password'),
  passwordEnv: environmentName
    .optional()
    .describe('An environment variable of the worker that holds the password'),
  from: z.string().min(3).describe('The sender: backup@example.org, or Holdfast <backup@…>'),
  to: z.array(z.string().min(3)).min(1).describe('The receivers'),
});

export const pingChannelSchema = z.strictObject({
  type: z.literal('ping'),
  name: name.optional(),
  ...address,
  start: secretValueSchema.optional().describe('Called when a run starts; <url>/start by default'),
  success: secretValueSchema.optional().describe('Called when a run went well; <url> by default'),
  failure: secretValueSchema.optional().describe('Called when it did not; <url>/fail by default'),
  degraded: z
    .enum(['success', 'failure'])
    .default('failure')
    .describe('Which of the two a degraded run calls'),
  on: everyStatus,
  runs: z
    .array(runKindSchema)
    .min(1)
    .default(['backup'])
    .describe('Which runs it watches: one kind for each check of the receiver'),
  method: z
    .enum(['GET', 'POST', 'HEAD'])
    .default('POST')
    .describe('POST carries the message; some receivers take GET only'),
  headers,
});

export const notificationSchema = z.discriminatedUnion('type', [
  webhookChannelSchema,
  emailChannelSchema,
  pingChannelSchema,
]);

export type NotificationConfig = z.output<typeof notificationSchema>;
export type WebhookChannel = z.output<typeof webhookChannelSchema>;
export type EmailChannel = z.output<typeof emailChannelSchema>;
export type PingChannel = z.output<typeof pingChannelSchema>;
export type SecretValue = z.output<typeof secretValueSchema>;
export type RunStatus = z.output<typeof notificationStatusSchema>;
export type RunKind = z.output<typeof runKindSchema>;
