/** `dlv query` with evaluate: trains versions with many settings, and keeps the best. @see docs/dql.md */
import { UsageError } from '../../base/errors.js';
import { STUDY_WORKERS_MAX } from '../../base/limits.js';
import { parseStatement } from '../../pure/dql/parse.js';
import type { OpContext } from '../context.js';
import type { Repository } from '../repository.js';
import { runStudy } from '../study/run-study.js';
import type {
  StudyOptions,
  StudyPlan,
  StudyResult,
  StudyTrial,
  TrialCurve,
  TrialProgress,
} from '../study/study-result.js';

export { studyCurves } from '../study/study-curves.js';
export type { StudyOptions, StudyPlan, StudyResult, StudyTrial, TrialCurve, TrialProgress };

/**
 * Carries out an evaluate statement. Trials that ended in an earlier run are not run again, and a run that was stopped
 * is resumed.
 * @throws {UsageError} with line and column, or for a config or data that do not fit; {NotFoundError} {AbortedError}
 */
export async function study(
  repo: Repository,
  text: string,
  options: StudyOptions,
  context: OpContext,
): Promise<StudyResult> {
  const statement = parseStatement(text);
  if (statement.kind !== 'evaluate') {
    throw new UsageError(`${statement.kind} trains nothing: evaluate does`, {
      hint: "'dlv help dql' shows it",
    });
  }
  const { workers = 1 } = options;
  if (!(Number.isSafeInteger(workers) && workers > 0 && workers <= STUDY_WORKERS_MAX)) {
    throw new UsageError(
      `${workers} workers are not a whole number from 1 to ${STUDY_WORKERS_MAX}`,
    );
  }
  // 'explain' before a statement asks what it would do.
  const isAsked = statement.explain === true;
  const asked = isAsked ? { ...options, dryRun: true } : options;
  return runStudy(repo, { text, statement }, asked, context);
}
