/** What the survey of the host means for a backup: what refuses it, and what the set has to say. */
import { Context } from '@temporalio/activity';
import { formatPath } from '../../src/config/check/problems.js';
import { HoldfastError, isHoldfastError, messageOf } from '../../src/base/errors.js';
import type { SurveyFinding } from '../../src/plan/backup/stack-survey.js';
import type { Problem, Uncovered } from '../../src/format/manifest.js';
import type { ActivityDependencies } from '../shared/runtime.js';
import { surveyStack } from '../survey/stack-survey.js';

export interface BackupSurvey {
  /** What the configuration names of the scope's services, or for all, and is not there. */
  readonly missing: readonly SurveyFinding[];
  /** What a restore of the set will stumble over, and what was to be in it and is nowhere. */
  readonly problems: readonly Problem[];
  /** Absent where it could not be looked for. */
  readonly uncovered?: readonly Uncovered[];
}

/**
 * Findings that no source tells by failing itself: an empty one does, and so does a dump that can't
 * log in.
 */
function isProblem({ severity, code, path }: SurveyFinding): boolean {
  if (severity !== 'error') return false;
  switch (code) {
    case 'project':
    case 'compose-files':
    case 'saves-itself':
    case 'matches-nothing':
      return true;
    case 'login':
    case 'not-a-server':
      return path[2] === 'health';
    default:
      return false;
  }
}

/**
 * Its own questions fail only themselves: a backup is not refused because something of it could not
 * be looked at.
 * @throws HoldfastError DOCKER_UNREACHABLE; PROGRAM_MISSING where nothing could be written
 */
export async function surveyForBackup(
  { config, engine }: ActivityDependencies,
  scope: 'all' | readonly string[],
): Promise<BackupSurvey> {
  const { cancellationSignal } = Context.current();
  try {
    const { findings, uncovered } = await surveyStack(config, engine, cancellationSignal);
    const inScope = (service: unknown): boolean =>
      scope === 'all' || (typeof service === 'string' && scope.includes(service));
    const mine = findings.filter(({ path }) => path[0] !== 'services' || inScope(path[1]));
    const programs = mine.filter(({ code, path }) => code === 'program' && path.length === 0);
    if (programs.length > 0) throw programMissing(programs);
    return {
      missing: mine.filter(({ code, path }) => code === 'not-there' && !path.includes('databases')),
      problems: mine.filter(isProblem).map(toProblem),
      uncovered: uncovered.filter(({ service }) => inScope(service)),
    };
  } catch (error) {
    cancellationSignal.throwIfAborted();
    const known = isHoldfastError(error) ? error.code : undefined;
    if (known === 'DOCKER_UNREACHABLE' || known === 'PROGRAM_MISSING') throw error;
    const message = `the host could not be looked over before the backup: ${messageOf(error)}`;
    return {
      missing: [],
      problems: [{ service: '', source: '', code: known ?? 'SURVEY_FAILED', message }],
    };
  }
}

function programMissing(programs: readonly SurveyFinding[]): HoldfastError {
  return new HoldfastError('PROGRAM_MISSING', programs.map(({ message }) => message).join('; '), {
    hint: `${programs.map(({ fix }) => fix).join('; ')}; the worker has the PATH it was started with`,
    facts: { problems: programs.map(({ message }) => message) },
  });
}

function toProblem({ path, message, fix }: SurveyFinding): Problem {
  const [, service, part, key] = path;
  return {
    service: typeof service === 'string' ? service : '',
    source: part === 'sources' && typeof key === 'string' ? key : '',
    code: 'CONFIG_INVALID',
    message: `${formatPath(path)}: ${message}${fix === '' ? '' : `; ${fix}`}`,
  };
}
