/**
 * The structured log as lines for people: when, how bad, what, and the cause. What only machines want
 * (stacks, ids of tasks, the SDK's own labels) stays in the JSON that a pipe or `--log json` gets.
 */
import { z } from 'zod';
import { oneLine, wrap } from './text.js';
import type { Style } from './style.js';

const recordSchema = z.looseObject({
  level: z.string(),
  time: z.string(),
  msg: z.string().optional(),
});

/** Fields that say what it is about, in the order they are told. */
const TOLD = [
  'schedule',
  'service',
  'source',
  'activityType',
  'workflowId',
  'file',
  'channel',
  'attempt',
];
/** Fields that say why. */
const CAUSES = ['reason', 'error', 'err', 'cause'];
const INDENT = 2;

/** @param line one JSON object of the log @returns lines without newlines; as it is where it is none */
export function renderLogLine(line: string, columns: number, style: Style): string[] {
  const parsed = recordSchema.safeParse(jsonOf(line));
  if (!parsed.success) return [line.trimEnd()];
  const { level, time, msg = '', ...fields } = parsed.data;
  const about = TOLD.flatMap((name) => {
    const value = fields[name];
    if (typeof value !== 'string' && typeof value !== 'number') return [];
    return name === 'attempt' && value === 1 ? [] : [`${name} ${value}`];
  });
  const causes = CAUSES.flatMap((name) => causesOf(fields[name]));
  const text = oneLine(
    [
      `${msg}${about.length === 0 ? '' : ` (${about.join(', ')})`}`,
      ...causes.filter((cause, at) => causes.indexOf(cause) === at && !msg.includes(cause)),
    ].join(': '),
  );
  const label = LABELS[level] ?? level;
  const [first = '', ...rest] = wrap(
    `${clockOf(time)} ${label}${label === '' ? '' : ': '}${text}`,
    columns - INDENT,
  );
  const paint = level === 'warn' ? 'yellow' : level === 'info' ? undefined : 'red';
  const head =
    paint === undefined || label === '' ? first : first.replace(label, style.paint(paint, label));
  return [head, ...rest.map((one) => `${' '.repeat(INDENT)}${one}`)];
}

const LABELS: Readonly<Record<string, string>> = {
  info: '',
  debug: 'debug',
  warn: 'warning',
  error: 'error',
  fatal: 'error',
};

function jsonOf(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}

/** Messages of an error and of what caused it, without their stacks. */
function causesOf(value: unknown): string[] {
  if (typeof value === 'string') return [withoutStack(value)];
  if (typeof value !== 'object' || value === null) return [];
  const message: unknown = Reflect.get(value, 'message');
  const cause: unknown = Reflect.get(value, 'cause');
  return [...(typeof message === 'string' ? [withoutStack(message)] : []), ...causesOf(cause)];
}

/** pino puts the messages and stacks of causes behind those of the error. */
function withoutStack(text: string): string {
  return (text.split(/\n\s+at /, 1)[0] ?? '').replace(/\s+/g, ' ').trim();
}

function clockOf(time: string): string {
  const at = new Date(time);
  const two = (value: number): string => String(value).padStart(2, '0');
  return `${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}`;
}
