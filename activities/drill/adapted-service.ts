/** What a drill made of a service, on disk: read by whatever comes after it. */
import { mkdir, readdir } from 'node:fs/promises';
import path from 'node:path';
import { z } from 'zod';
import { withProjects } from '../../src/docker/compose/project.js';
import { remapConfig } from '../../src/config/remap.js';
import type { Config } from '../../src/format/config/schema.js';
import { type DrillCompose } from '../../src/docker/drill/drill-compose.js';
import { publishedPortSchema } from '../../src/docker/drill/drill-ports.js';
import { HoldfastError } from '../../src/base/errors.js';
import type { NotTried } from '../../src/format/drill-result.js';
import { readRestoreRecord } from '../../src/store/records/restore-record.js';
import { readTextIfExists } from '../../src/base/files/durable.js';
import { writePrivately } from './drill.js';
import { type ActivityDependencies } from '../shared/runtime.js';

/** What was adapted, kept in the workspace for the gates. */
const adaptedSchema = z.object({
  project: z.string(),
  started: z.array(z.string()),
  notStarted: z.array(z.object({ service: z.string(), reason: z.string() })),
  ports: z.array(publishedPortSchema),
});

export type Adapted = z.output<typeof adaptedSchema>;

export interface GateOutcome {
  readonly waitedMs: number;
  /** What each gate saw, in words. */
  readonly checks: readonly string[];
  readonly notTried: readonly NotTried[];
}

export async function drillOf(
  { config, engine }: ActivityDependencies,
  restoreId: string,
): Promise<{ workspace: string; real: Config; mapped: Config; workflowId: string }> {
  const record = await readRestoreRecord(config.backups.root, restoreId);
  if (record?.drill === undefined || record.map === undefined) {
    throw new HoldfastError('RESTORE_FAILED', `the drill ${restoreId} was torn down meanwhile`);
  }
  const { workspace } = record.drill;
  const real = await withProjects(engine, config, record.projects);
  return { workspace, real, mapped: remapConfig(real, record.map), workflowId: record.workflowId };
}

function adaptedFile(workspace: string, service: string): string {
  return path.join(workspace, 'adapted', `${service}.json`);
}

export async function writeAdapted(
  workspace: string,
  service: string,
  adapted: DrillCompose & { readonly project: string },
): Promise<void> {
  const file = adaptedFile(workspace, service);
  await mkdir(path.dirname(file), { recursive: true });
  const { project, started, notStarted, ports } = adapted;
  await writePrivately(file, JSON.stringify({ project, started, notStarted, ports }));
}

export async function readAdapted(workspace: string): Promise<Map<string, Adapted>> {
  const directory = path.join(workspace, 'adapted');
  const all = new Map<string, Adapted>();
  for (const name of await readdir(directory).catch(() => [])) {
    const text = await readTextIfExists(path.join(directory, name));
    if (text === undefined) continue;
    all.set(name.replace(/\.json$/, ''), adaptedSchema.parse(JSON.parse(text)));
  }
  return all;
}
