/** The survey of a host, without its databases: programs, directories, patterns, helper images, gates. */
import { access, constants, opendir, readdir, realpath, stat } from 'node:fs/promises';
import path from 'node:path';
import { compileGlobs, type Glob } from '../../src/glob/glob.js';
import { filesBase } from '../../src/format/config/artifacts.js';
import type { Config } from '../../src/format/config/schema.js';
import { detectCompose } from '../../src/docker/compose/detect-compose.js';
import { composeFiles } from '../../src/docker/compose/compose.js';
import type { Engine } from '../../src/docker/engine/engine.js';
import { volumeTrouble } from '../../src/docker/volumes/volume-needs.js';
import { isHoldfastError, systemCodeOf } from '../../src/base/errors.js';
import type { InventoryVolume } from '../../src/format/inventory.js';
import type { SurveyFinding } from '../../src/plan/backup/stack-survey.js';
import { pathExists } from '../../src/base/files/durable.js';
import { runCommand } from '../../src/base/process/process.js';
import type { Findings } from './survey-gates.js';

/** A tree may hold millions of entries: what is not found among the first of them is left open. */
const MOST_ENTRIES = 20_000;

/** The programs that read and write archives, and compose where a restore would need it. */
export async function programFindings(config: Config): Findings {
  const findings: SurveyFinding[] = [];
  const missing = (message: string, fix: string, at: readonly string[]): void => {
    findings.push({ severity: 'error', code: 'program', path: at, message, fix });
  };
  const search = process.env['PATH'] ?? '';
  for (const program of ['tar', 'zstd']) {
    const answer = await runCommand(program, ['--version'], { timeoutMs: 10_000 }).catch(
      () => undefined,
    );
    if (answer === undefined) {
      missing(`there is no ${program} on PATH (${search})`, `install ${program}`, []);
    } else if (program === 'tar' && !answer.stdout.includes('GNU tar')) {
      const first = answer.stdout.split('\n')[0] ?? '';
      missing(`tar is not GNU tar but ${first}`, 'put GNU tar first on PATH', []);
    }
  }
  const composed = Object.entries(config.services).find(([, { compose }]) => compose !== undefined);
  if (composed !== undefined) {
    await detectCompose().catch((error: unknown) => {
      if (!isHoldfastError(error)) throw error;
      const message = `${error.message}: a restore could not start anything`;
      missing(message, error.hint ?? '', ['services', composed[0], 'compose']);
    });
  }
  return findings;
}

/** Can backups be written where they are to be? */
export async function rootFindings({ backups: { root } }: Config): Findings {
  const finding = (message: string, fix: string): SurveyFinding[] => [
    { severity: 'error', code: 'root', path: ['backups', 'root'], message, fix },
  ];
  try {
    const found = await stat(root);
    if (!found.isDirectory()) return finding(`${root} is not a directory`, 'name a directory');
    await access(root, constants.R_OK | constants.W_OK | constants.X_OK);
    return [];
  } catch (error) {
    const code = systemCodeOf(error) ?? 'unknown error';
    switch (code) {
      case 'ENOENT':
      case 'ENOTDIR':
        return finding(
          `the directory of the backups, ${root}, is not there`,
          `mount the disk it is on, or make it: mkdir -p ${root}`,
        );
      case 'EROFS':
        return finding(`the disk of the backups, ${root}, is read-only`, 'mount it for writing');
      case 'EACCES':
      case 'EPERM':
        return finding(
          `${root} can't be written by this user (uid ${process.getuid?.() ?? '?'})`,
          'run as root, or give this user the directory',
        );
      default:
        return finding(`${root} can't be used: ${code}`, 'look at its disk');
    }
  }
}

/** Homes and bases that are no directories, compose files that no glob finds, patterns without a match. */
export async function treeFindings(config: Config): Findings {
  const findings: SurveyFinding[] = [];
  for (const [service, settings] of Object.entries(config.services)) {
    const where = ['services', service];
    const { home, compose } = settings;
    if (home !== undefined && compose !== undefined && (await pathExists(home))) {
      await composeFiles(home, compose.files).catch((error: unknown) => {
        // Files that are named and missing are told by the check of names.
        const literal = compose.files.some((file) => !/[*?[{!]/.test(file));
        if (!isHoldfastError(error) || literal) return;
        const at = [...where, 'compose', 'files'];
        const fix = error.hint ?? '';
        findings.push({
          severity: 'error',
          code: 'compose-files',
          path: at,
          message: error.message,
          fix,
        });
      });
    }
    for (const [key, source] of Object.entries(settings.sources)) {
      if (source.kind !== 'files') continue;
      const base = filesBase(settings, source);
      if (base === undefined || !(await pathExists(base))) continue;
      const at = [...where, 'sources', key];
      const kind = await kindOf(base);
      if (kind instanceof Error) {
        findings.push({
          severity: 'error',
          code: 'not-there',
          path: at,
          message: `${base} can't be opened: ${reasonFor(kind)}`,
          fix: 'mend the link or the mount, or correct the base',
        });
        continue;
      }
      if (kind !== 'directory') {
        findings.push({
          severity: 'error',
          code: 'not-a-directory',
          path: at,
          message: `${base} is not a directory`,
          fix: `base: ${path.dirname(base)}, include: [${path.basename(base)}]`,
        });
        continue;
      }
      findings.push(...(await patternFindings(at, base, source.include, source.allowEmpty)));
    }
  }
  return findings;
}

/** With links followed; or why it can't be looked at (a link that leads nowhere, a dead mount). */
async function kindOf(place: string): Promise<'directory' | 'other' | Error> {
  try {
    return (await stat(place)).isDirectory() ? 'directory' : 'other';
  } catch (error) {
    if (systemCodeOf(error) === undefined || !(error instanceof Error)) throw error;
    return error;
  }
}

function reasonFor(error: Error): string {
  const code = systemCodeOf(error);
  return code === 'ENOENT' ? 'it is a link that leads nowhere' : (code ?? error.message);
}

/**
 * What a pattern names by itself and what is not there is missing; a pattern with wildcards may well
 * match nothing today, but not all of a source's patterns.
 */
async function patternFindings(
  where: readonly string[],
  base: string,
  include: readonly string[],
  allowEmpty: boolean,
): Findings {
  const unmatched: { readonly index: number; readonly literal: boolean }[] = [];
  for (const [index, pattern] of include.entries()) {
    const globs = compileGlobs([pattern]);
    if (await anyMatches(base, globs)) continue;
    unmatched.push({ index, literal: globs.every(({ literal }) => literal) });
  }
  const all = unmatched.length === include.length && !allowEmpty;
  return unmatched.map(({ index, literal }) => ({
    severity: literal || all ? 'error' : 'note',
    code: all ? 'empty' : 'matches-nothing',
    path: [...where, 'include', index],
    message: `"${include[index] ?? ''}" matches nothing in ${base}${all ? ': the source is empty' : ''}`,
    fix: all
      ? 'correct the pattern; it is relative to the base. allowEmpty: true, where nothing is right'
      : 'correct the pattern, which is relative to the base, or remove it',
  }));
}

/** @returns true also where it could not be found out within bounds */
async function anyMatches(base: string, globs: readonly Glob[]): Promise<boolean> {
  for (const glob of globs) {
    if (glob.literal) {
      if (await pathExists(path.join(base, glob.fixedPrefix))) return true;
      continue;
    }
    if (!(await pathExists(path.join(base, glob.fixedPrefix)))) continue;
    const budget = { left: MOST_ENTRIES };
    if (await matchBelow(base, glob.fixedPrefix, glob, budget)) return true;
  }
  return false;
}

async function matchBelow(
  base: string,
  below: string,
  glob: Glob,
  budget: { left: number },
): Promise<boolean> {
  const directories: string[] = [];
  try {
    for await (const entry of await opendir(path.join(base, below))) {
      const name = below === '' ? entry.name : `${below}/${entry.name}`;
      if (glob.matches(name)) return true;
      budget.left -= 1;
      if (budget.left < 0) return true;
      if (entry.isDirectory() && glob.mayMatchBelow(name)) directories.push(name);
    }
  } catch (error) {
    // Not ours to read: then we can't tell. A file has nothing below it, and what is gone neither.
    return !['ENOENT', 'ENOTDIR'].includes(systemCodeOf(error) ?? '');
  }
  for (const directory of directories) {
    if (await matchBelow(base, directory, glob, budget)) return true;
  }
  return false;
}

/** Volumes of which nothing can be read or restored as the host is now. */
export async function volumeFindings(
  config: Config,
  engine: Engine,
  volumes: readonly InventoryVolume[],
): Findings {
  const findings: SurveyFinding[] = [];
  const byName = new Map(volumes.map((volume) => [volume.name, volume]));
  for (const [service, { sources }] of Object.entries(config.services)) {
    for (const [key, source] of Object.entries(sources)) {
      const volume = source.kind === 'volume' ? byName.get(source.volume) : undefined;
      if (volume === undefined) continue;
      const path = ['services', service, 'sources', key, 'volume'];
      const trouble = await volumeTrouble(engine, volume, { mount: true });
      if (trouble !== undefined) findings.push({ severity: 'error', path, ...trouble });
    }
  }
  return findings;
}

/** With all links followed; as it is where it is not there. */
export async function realPath(target: string): Promise<string> {
  return realpath(target).catch(() => target);
}

/** Is there anything in it that could be lost? What can't be looked at counts as data. */
export async function holdsData(place: string): Promise<boolean> {
  try {
    const found = await stat(place);
    if (found.isDirectory()) return (await readdir(place)).length > 0;
    // Sockets and devices are the host's.
    return found.isFile() && found.size > 0;
  } catch (error) {
    return systemCodeOf(error) !== 'ENOENT';
  }
}
