/** The order services start and stop in, from what each comes `after`. Pure. */
import { HoldfastError } from '../../base/errors.js';
import { own } from '../../base/own.js';

/** Services by name, in the order of the configuration. `after` names no one unknown. */
export type ServiceOrder = Readonly<Record<string, { readonly after: readonly string[] }>>;

function afterOf(services: ServiceOrder, name: string): readonly string[] {
  return own(services, name)?.after ?? [];
}

/**
 * Every cycle of `after` once, as `[a, b, a]`: a comes after b, b after a. Empty when the
 * services can be ordered.
 */
export function findCycles(services: ServiceOrder): string[][] {
  const cycles: string[][] = [];
  const finished = new Set<string>();
  const visit = (name: string, trail: readonly string[]): void => {
    const start = trail.indexOf(name);
    if (start >= 0) {
      cycles.push([...trail.slice(start), name]);
      return;
    }
    if (finished.has(name)) return;
    for (const next of afterOf(services, name)) visit(next, [...trail, name]);
    finished.add(name);
  };
  for (const name of Object.keys(services)) visit(name, []);
  return cycles;
}

/** UNKNOWN_SERVICE naming every unknown one and what there is; silent when all are known. */
export function requireKnown(known: readonly string[], wanted: readonly string[]): void {
  const unknown = [...new Set(wanted)].filter((name) => !known.includes(name));
  if (unknown.length === 0) return;
  throw new HoldfastError(
    'UNKNOWN_SERVICE',
    `unknown ${unknown.length === 1 ? 'service' : 'services'}: ${unknown.join(', ')}`,
    { hint: `Known services: ${known.join(', ')}.`, facts: { unknown, known } },
  );
}

/**
 * Layers of services: everything a service comes after is in an earlier layer, also by way of
 * services that are not selected. Within a layer, the order of the configuration.
 *
 * @throws UNKNOWN_SERVICE for a selection that is not in `services`; CONFIG_INVALID for a cycle.
 */
export function stagesOf(services: ServiceOrder, selection?: readonly string[]): string[][] {
  const names = Object.keys(services);
  requireKnown(names, selection ?? []);
  const [cycle] = findCycles(services);
  if (cycle !== undefined) {
    throw new HoldfastError('CONFIG_INVALID', `services wait for each other: ${cycle.join(' → ')}`);
  }
  const selected = new Set(selection ?? names);
  const layers = new Map<string, number>();
  /** The first layer in which something that comes after `name` may be. */
  const layerAfter = (name: string): number => {
    let layer = layers.get(name);
    if (layer === undefined) {
      layer = Math.max(0, ...afterOf(services, name).map(layerAfter));
      layers.set(name, layer);
    }
    return selected.has(name) ? layer + 1 : layer;
  };
  const stages: string[][] = [];
  for (const name of names) {
    if (!selected.has(name)) continue;
    const index = layerAfter(name) - 1;
    while (stages.length <= index) stages.push([]);
    stages[index]?.push(name);
  }
  return stages;
}

/** Everything that directly or indirectly comes after one of `names`, without them; config order. */
export function dependentsOf(services: ServiceOrder, names: readonly string[]): string[] {
  const reached = new Set(names);
  const all = Object.keys(services);
  let grown = true;
  while (grown) {
    grown = false;
    for (const name of all) {
      if (reached.has(name)) continue;
      if (afterOf(services, name).some((before) => reached.has(before))) {
        reached.add(name);
        grown = true;
      }
    }
  }
  return all.filter((name) => reached.has(name) && !names.includes(name));
}

/** The given services in the order they are stopped: the exact reverse of the order they start in. */
export function stopOrder(services: ServiceOrder, names: readonly string[]): string[] {
  return stagesOf(services, names).flat().reverse();
}
