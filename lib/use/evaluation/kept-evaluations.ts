/** Evaluations that notes of a version hold, read back without their data sets. */
import type { Id } from '../../base/bytes/hash.js';
import { isUnreadable } from '../../base/errors.js';
import type { Preprocess } from '../../knowledge/inference/data/preprocess.js';
import { metricsNamed } from '../../pure/metrics/metrics.js';
import { exampleCount, NONE, type Outcomes } from '../../pure/metrics/outcomes.js';
import type { ReadAccess } from '../../storage/objects/access.js';
import { notesOf } from '../../storage/objects/tiers.js';
import type { OpContext } from '../context.js';
import { formatMoment } from '../history/versions.js';
import { EVALUATION_NOTE, unpackEvaluation } from './outcome-note.js';

/** An evaluation as a version tells of it. */
export interface KeptEvaluation {
  /** Id of its note. */
  note: Id;
  /** ISO 8601 with the zone of whoever made it. */
  time: string;
  /** Names of the files, as they were given. */
  data: string;
  labels: string;
  /** Path of the network in the version. */
  network: string;
  /** How numbers of the data were prepared; null: its note does not say. */
  preprocess: Preprocess | null;
  task: Outcomes['task'];
  examples: number;
  /** Name → value, of those that need no labels; 'dlv eval' on the same data has the others and intervals. */
  metrics: Record<string, number>;
}

const METRICS: Record<Outcomes['task'], readonly string[]> = {
  classes: ['accuracy', 'top5', 'loss', 'perplexity', 'ece'],
  values: ['mae', 'rmse'],
  tokens: ['perplexity', 'loss', 'accuracy', 'bits-per-byte'],
};

/** The evaluations of a version, the oldest first; one that cannot be read is told of and left out. */
export async function keptEvaluations(
  repo: ReadAccess,
  version: Id,
  { warn }: Pick<OpContext, 'warn'>,
): Promise<KeptEvaluation[]> {
  const found: { at: number; kept: KeptEvaluation }[] = [];
  for (const { kind, body, file, id, time, tzMinutes } of await notesOf(repo, version)) {
    if (kind !== EVALUATION_NOTE) continue;
    try {
      const { data, labels, network, preprocess, outcomes } = unpackEvaluation(body, file);
      const kept = {
        ...{ note: id, time: formatMoment(time, tzMinutes), data, labels, network },
        preprocess,
        ...{ task: outcomes.task, examples: exampleCount(outcomes), metrics: metricsOf(outcomes) },
      };
      found.push({ at: time, kept });
    } catch (error) {
      if (!isUnreadable(error)) throw error;
      warn(`an evaluation cannot be read: ${error.message}`);
    }
  }
  return found.sort((a, b) => a.at - b.at).map(({ kept }) => kept);
}

function metricsOf(outcomes: Outcomes): Record<string, number> {
  const { task } = outcomes;
  const names = METRICS[task].filter(
    (name) => task !== 'classes' || name !== 'top5' || outcomes.classes > 5,
  );
  const truth = rightOrNot(outcomes);
  const weights = new Uint32Array(exampleCount(outcomes)).fill(1);
  const values = metricsNamed(names, task).map(({ name, over }): [string, number] => [
    name,
    over(outcomes, truth)(weights),
  ]);
  return Object.fromEntries(values.filter(([, value]) => Number.isFinite(value)));
}

/**
 * Labels under which the same predictions are right: those that the notes do not hold. Among equal scores the
 * lowest class is predicted, so that a rank of 1 may be of another class: then there are none.
 */
function rightOrNot(outcomes: Outcomes): Uint32Array | null {
  if (outcomes.task !== 'classes' || outcomes.ties > 0) return null;
  const { predicted, rank } = outcomes;
  return predicted.map((guess, i) => (guess !== NONE && rank[i] === 1 ? guess : NONE - 1));
}
