/**
 * Which container a published port leads to: a drill publishes none, so a gate that asks
 * `127.0.0.1:3000` is asked of the container behind it. Pure.
 */
import { z } from 'zod';
import type { PortEntry } from './drill-compose-schema.js';

export const publishedPortSchema = z.object({
  /** Compose service. */
  service: z.string(),
  /** On the host. */
  published: z.number(),
  /** In the container. */
  target: z.number(),
  protocol: z.string(),
});

export type PublishedPort = z.output<typeof publishedPortSchema>;

/** The fixed host ports of a service; those the engine chooses are nobody's to ask. */
export function publishedPorts(service: string, entries: readonly PortEntry[]): PublishedPort[] {
  return entries.flatMap((entry) => {
    if (typeof entry === 'number') return [];
    if (typeof entry === 'string') return shortPorts(service, entry);
    const { target, published, protocol } = entry;
    const range = numbers(String(published ?? ''));
    return range.map((port, at) => ({
      service,
      published: port,
      target: target + (range.length > 1 ? at : 0),
      protocol: protocol ?? 'tcp',
    }));
  });
}

/** `[ip:]published:target[/protocol]`, both may be ranges of the same length. */
function shortPorts(service: string, text: string): PublishedPort[] {
  const [address = '', protocol = 'tcp'] = text.split('/');
  // An IPv6 address has colons of its own, in brackets.
  const parts = address.replace(/^\[[^\]]*\]:/, '').split(':');
  if (parts.length < 2) return [];
  const targets = numbers(parts.at(-1) ?? '');
  const published = numbers(parts.at(-2) ?? '');
  return published.flatMap((port, at) => {
    const target = targets[at] ?? targets[0];
    return target === undefined ? [] : [{ service, published: port, target, protocol }];
  });
}

function numbers(text: string): number[] {
  const [, first = '', last = first] = /^(\d+)(?:-(\d+))?$/.exec(text.trim()) ?? [];
  if (first === '') return [];
  const count = Number(last) - Number(first) + 1;
  return Array.from({ length: Math.max(0, count) }, (_, at) => Number(first) + at);
}

/** The container port behind a host port. */
export function portBehind(
  published: number,
  ports: readonly PublishedPort[],
): PublishedPort | undefined {
  return ports.find((one) => one.published === published && one.protocol === 'tcp');
}
