/** Names and labels of everything that a drill makes: what teardown finds it by. Pure. */
import { HoldfastError } from '../base/errors.js';
import { mapPath } from './mapping.js';

/** On every container, volume and network of a drill: its id. */
export const DRILL_LABEL = 'dev.holdfast.drill';

/** The root of the backups it works from: two stacks of one engine leave each other's drills alone. */
export const DRILL_ROOT_LABEL = 'dev.holdfast.drill-root';

/** The run it belongs to. */
export const DRILL_WORKFLOW_LABEL = 'dev.holdfast.drill-workflow';

/** The compose file a drill starts a service with, in the drill's copy of the service's home. */
export const DRILL_COMPOSE_FILE = '.holdfast-drill.compose.yml';

/** Says in a workspace whose it is: a directory without it is not removed. */
export const DRILL_MARKER_FILE = '.holdfast-drill';

const ID = /^drill-\d{8}_\d{6}-[0-9a-f]{4}$/;

/** `drill-20241212_010000-1a2b`. */
export function drillId(stamp: string, random: string): string {
  return `drill-${stamp}-${random.slice(0, 4)}`;
}

export function isDrillId(id: string): boolean {
  return ID.test(id);
}

/** What all names of a drill in Docker begin with. */
export function drillPrefix(id: string): string {
  if (!isDrillId(id)) throw new HoldfastError('INTERNAL', `${id} is not the id of a drill`);
  return `holdfast-${id}-`;
}

/** The drill's name for a container, volume, network or project. */
export function drillName(id: string, name: string): string {
  return `${drillPrefix(id)}${name}`;
}

/** The host's root as the drill sees it: `/pgdb` lies in `<workspace>/root/pgdb`. */
export function drillRoot(workspace: string): string {
  return `${workspace}/root`;
}

/** Is the absolute path below the directory, or the directory itself? Neither may hold `..`. */
export function isBelow(path: string, directory: string): boolean {
  return path === directory || path.startsWith(directory === '/' ? '/' : `${directory}/`);
}

/** Where a path of the host lies in the drill; one that is in the workspace already stays. */
export function drillPath(path: string, workspace: string): string {
  return isBelow(path, workspace) ? path : mapPath(path, { '/': drillRoot(workspace) });
}
