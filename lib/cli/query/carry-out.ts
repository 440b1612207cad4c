/** Statements of DQL that make versions, carried out: slice, construct, evaluate. */
import { UsageError } from '../../base/errors.js';
import type { ConstructionResult } from '../../use/ops/construct.js';
import type { StudyPlan } from '../../use/ops/study.js';
import { type HtmlFlag, writePage } from '../pages/write-page.js';
import type { Run } from '../run.js';

export interface QueryFlags {
  file?: string;
  named?: string;
  save?: string;
  list?: boolean;
  delete?: string;
  explain?: boolean;
  md?: boolean;
  csv?: boolean;
  html?: HtmlFlag;
  dryRun?: boolean;
  model?: string;
  branch?: string;
  workers?: number;
  executor?: string;
}

/** Carries out a slice or a construct. */
export async function makeVersions(
  run: Run,
  text: string,
  kind: 'slice' | 'construct',
  { explain, md, csv, html, dryRun, model, branch }: QueryFlags,
): Promise<ConstructionResult> {
  for (const [flag, given] of Object.entries({ explain, md, csv, html })) {
    if (given) throw new UsageError(`--${flag} is for select: a ${kind} makes versions`);
  }
  const { construct } = await import('../../use/ops/construct.js');
  const options = {
    ...(model === undefined ? {} : { model }),
    ...(branch === undefined ? {} : { branch }),
    dryRun: dryRun === true,
  };
  return run.repository((repo) => construct(repo, text, options, run.context));
}

/** Carries out an evaluate. */
export async function runStudy(
  run: Run,
  text: string,
  { explain, md, csv, html, branch, dryRun, model, workers, executor }: QueryFlags,
): Promise<number> {
  for (const [flag, given] of Object.entries({ md, csv, branch })) {
    if (given) throw new UsageError(`--${flag} is not for evaluate, which trains versions`);
  }
  const { study, studyCurves } = await import('../../use/ops/study.js');
  const { printStudy } = await import('../output/versions/study-report.js');
  const { watchStudy } = await import('../output/versions/study-live.js');
  const { end, ...watch } = watchStudy(run.ui, run.showsProgress);
  const options = {
    ...watch,
    ...(model === undefined ? {} : { model }),
    ...(workers === undefined ? {} : { workers }),
    ...(executor === undefined ? {} : { executor: executor as StudyPlan['executor'] }),
    dryRun: dryRun === true || explain === true,
  };
  const result = await run
    .repository((repo) => study(repo, text, options, run.context))
    .finally(end);
  if (html !== undefined && !result.dryRun) {
    const curves = await run.repository((repo) => studyCurves(repo, result, run.context));
    const { studyPage } = await import('../pages/study-page.js');
    const reported = { statement: text, result, curves };
    await writePage(run, { verb: 'query', flag: html }, (origin) => studyPage(reported, origin));
  }
  run.answer(result, (ui) => printStudy(ui, result));
  return result.dryRun || result.kept.length > 0 ? 0 : 1;
}
