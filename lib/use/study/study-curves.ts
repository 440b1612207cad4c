/** The curves of the trials of a study, as their versions keep them. */

import { readKnowledge } from '../../storage/repo/version/knowledge.js';
import { shortId } from '../../storage/repo/version/short-id.js';
import type { OpContext } from '../context.js';
import type { StoreAccess } from '../history/access.js';
import { readCurves } from '../history/curves.js';
import type { StudyResult, TrialCurve } from './study-result.js';

/** One for each trial that reported the metric of the study more than once. */
export async function studyCurves(
  repo: StoreAccess,
  { trials, metric }: StudyResult,
  { warn, signal }: OpContext,
): Promise<TrialCurve[]> {
  const found: TrialCurve[] = [];
  for (const { trial, version: id } of trials) {
    signal?.throwIfAborted();
    if (id === null) continue;
    const version = await repo.version(id);
    const knowledge = readKnowledge(version.extensions, `version ${shortId(id)}`);
    const of = { metrics: version.metrics, knowledge };
    const curves = await readCurves(repo, id, of, (message) => warn(message));
    const curve = curves.find(({ name }) => name === metric);
    if (curve === undefined) continue;
    const values = curve.values.map((value) => (typeof value === 'number' ? value : Number.NaN));
    found.push({ trial, steps: curve.steps, values });
  }
  return found;
}
