/** `dlv eval`: how well versions do on a data set, and whether they differ. */
import type { Id } from '../../base/bytes/hash.js';
import { UsageError } from '../../base/errors.js';
import type { Preprocess } from '../../knowledge/inference/data/preprocess.js';
import type { RunOptions } from '../../knowledge/inference/messages.js';
import type { BatchTiming } from '../../knowledge/inference/run-network.js';
import { type Comparison, compareOutcomes } from '../../pure/metrics/compare.js';
import { measure } from '../../pure/metrics/measure.js';
import { metricsNamed } from '../../pure/metrics/metrics.js';
import { NONE, type Outcomes, type ScoreKind } from '../../pure/metrics/outcomes.js';
import { type CalibrationBin, calibrationBins, confusion } from '../../pure/metrics/reliability.js';
import { holm, type Interval } from '../../pure/metrics/statistics.js';
import { registerReader } from '../../storage/repo/processes/readers.js';
import type { Snapshot } from '../../storage/repo/version/file-page.js';
import type { OpContext } from '../context.js';
import { checkCounts } from '../evaluation/check-counts.js';
import { chooseWeights } from '../evaluation/choose-weights.js';
import { type EvaluatedVersion, evaluateVersion } from '../evaluation/evaluate-version.js';
import { type DataOptions, openData } from '../evaluation/open-data.js';
import { isElsewhere, networkFor } from '../evaluation/place-network.js';
import { resolveId } from '../history/lines/resolve.js';
import type { AcceptTier } from '../history/tier-gate.js';
import { type CalledVersion, Describer } from '../history/versions.js';
import type { Repository } from '../repository.js';

export type { DataOptions };

const DEFAULT_BATCH = 64;
const DEFAULT_METRICS = {
  classes: ['accuracy', 'loss'],
  values: ['mae', 'rmse'],
  tokens: ['perplexity', 'accuracy'],
} as const;
/** Below this adjusted p, two versions are said to differ. */
const LEVEL = 0.05;

export interface EvalOptions extends AcceptTier, DataOptions {
  /** Versions; the first is the baseline of comparisons. */
  revisions: readonly string[];
  /** accuracy, top5, macro-f1, micro-f1, auc, loss, perplexity, ece; mae, rmse. */
  metrics?: readonly string[];
  /** Path in the versions, or `rev:path` for the network of another one; default: the only one. */
  network?: string;
  /**
   * Path of a checkpoint in each version, whose weights are put in the network; default with `rev:path`: the only
   * one, or the one whose path is in all versions.
   */
  weights?: string;
  output?: string;
  /**
   * 'classes', 'values', or 'tokens' for a language model; default: by labels and outputs, and 'tokens' for texts
   * without labels.
   */
  task?: Outcomes['task'];
  /** What outputs are: 'logits' (default) or 'probabilities'. */
  scores?: ScoreKind;
  batch?: number;
  threads?: number;
  optimization?: RunOptions['optimization'];
  /** Of the bootstrap; default 0. */
  seed?: number;
  /** Keeps outcomes as notes; default true. */
  record?: boolean;
  /** Runs again what notes already say. */
  rerun?: boolean;
  /** Sizes of batches whose time and memory are measured by themselves. */
  timed?: readonly number[];
}

/** A metric of a version; null where it is not defined. */
export interface EvalMetric {
  name: string;
  direction: 'max' | 'min';
  value: number | null;
  /** 95 %. */
  interval: Interval | null;
  /** Why it is not defined; null where it is. */
  why: string | null;
}

/** How well a version did. */
export interface EvalVersion extends CalledVersion {
  /** Path of its network. */
  network: string;
  /** Path of the checkpoint whose weights were put in the network; null if the network kept its own. */
  weights: string | null;
  metrics: EvalMetric[];
  /** Milliseconds of one batch (median), and examples of it. */
  latency: { milliseconds: number; batch: number };
  /** Of batches that were timed by themselves: median, slowest, passes, and bytes that the process took. */
  timings: BatchTiming[];
  /** Confidence and accuracy of 15 bins of equal numbers of examples; null for numbers. */
  calibration: CalibrationBin[] | null;
  /** Examples by true class (rows) and predicted class; null for numbers and for more than 40 classes. */
  confusion: number[][] | null;
  runtime: { name: string; version: string; threads: number; optimization: string };
  /** Examples in which another class has the score of the truth; null for numbers. */
  ties: number | null;
  /** Examples whose scores are not finite: they count as wrong. */
  notFinite: number;
  /** True if outcomes were kept by an earlier run. */
  known: boolean;
  /** Id of the note with the outcomes, or null. */
  note: string | null;
}

/** A version against the first one. */
export interface EvalComparison extends Comparison {
  version: string;
  baseline: string;
  /** Adjusted for the number of versions that are compared (Holm). */
  adjustedP: number | null;
  /** True if the adjusted p is below 0.05. */
  differs: boolean;
}

export interface EvalResult {
  data: {
    path: string;
    labels: string;
    /** Of a language model windows of texts, with the tokens that are predicted in all. */
    examples: number;
    tokens: number | null;
    sha256: string;
    preprocess: Preprocess;
  };
  task: Outcomes['task'];
  /** Names of the classes in order, where they are known. */
  classes: string[] | null;
  versions: EvalVersion[];
  comparisons: EvalComparison[];
  seed: number;
  seconds: number;
}

/**
 * Evaluates versions on a data set.
 * @throws {UsageError} if data, labels and networks do not fit; {InferenceError} {NotFoundError} {IoError}
 */
export async function evaluate(
  repo: Repository,
  options: EvalOptions,
  context: OpContext,
): Promise<EvalResult> {
  const started = performance.now();
  const { seed = 0, batch = DEFAULT_BATCH, threads = 1, scores = 'logits' } = options;
  checkCounts({ batch, threads, limit: options.limit ?? 1 });
  for (const size of options.timed ?? []) checkCounts({ 'batch to time': size });
  if (options.revisions.length === 0) throw new UsageError('no version given');
  const ids: Id[] = [];
  for (const revision of options.revisions) {
    const id = await resolveId(repo, revision);
    if (!ids.includes(id)) ids.push(id);
  }
  const snapshots = await weightsToFit(repo, ids, options, context);
  const { set, preprocess } = await openData(options, context);
  const names = {
    data: options.data ?? options.module ?? '',
    labels:
      options.labels ??
      options.module ??
      (set.windows === null ? `folders of ${options.data ?? ''}` : NEXT_TOKENS),
  };
  const reader = await registerReader(repo.layout, repo.store.generation);
  try {
    const plan = {
      ...options,
      ...names,
      snapshots,
      set,
      preprocess,
      scores,
      batch,
      options: { threads, optimization: options.optimization ?? 'all' },
      record: options.record !== false,
      rerun: options.rerun === true,
      timed: options.timed ?? [],
    };
    const found: EvaluatedVersion[] = [];
    for (const id of ids) found.push(await evaluateVersion(repo, id, plan, context));
    const task = oneTask(found);
    const truth = task === 'classes' ? Uint32Array.from(set.truth) : null;
    const basis = { truth, examples: set.examples, seed };
    const metrics = metricsNamed(options.metrics ?? DEFAULT_METRICS[task], task);
    const describer = new Describer(repo);
    const versions: EvalVersion[] = [];
    for (const [i, one] of found.entries()) {
      versions.push({
        ...(await describer.called(ids[i] as Id)),
        ...described(one, truth),
        metrics: metrics.map((metric) => ({
          name: metric.name,
          direction: metric.direction,
          ...measure(metric, one.outcomes, basis),
        })),
      });
    }
    const [first, ...others] = found.map(({ outcomes }, i) => ({ outcomes, id: ids[i] as string }));
    const comparisons = metrics.flatMap((metric): EvalComparison[] => {
      if (first === undefined) return [];
      const each = others.map(({ outcomes }) =>
        compareOutcomes(metric, [first.outcomes, outcomes], basis),
      );
      const adjusted = holm(each.map(({ p }) => p ?? 1));
      return each.map((one, i) => ({
        version: others[i]?.id ?? '',
        baseline: first.id,
        ...one,
        adjustedP: one.p === null ? null : (adjusted[i] ?? null),
        differs: one.p !== null && (adjusted[i] ?? 1) < LEVEL,
      }));
    });
    return {
      data: {
        path: names.data,
        labels: names.labels,
        examples: set.examples,
        tokens: set.windows?.predicted ?? null,
        sha256: set.sha256,
        preprocess,
      },
      task,
      classes: set.classes === null ? null : [...set.classes],
      versions,
      comparisons,
      seed,
      seconds: (performance.now() - started) / 1000,
    };
  } finally {
    await set.close();
    await reader.close();
  }
}

/** The weights that are put in a network; null where each network keeps its own. */
async function weightsToFit(
  repo: Repository,
  ids: readonly Id[],
  { network, weights }: EvalOptions,
  context: OpContext,
): Promise<Map<Id, Snapshot> | null> {
  if (weights === undefined && !isElsewhere(network)) return null;
  const networkOf = async (version: Id) =>
    (await networkFor(repo, version, network, context)).entry;
  return chooseWeights(repo, ids, { networkOf, weights }, context);
}

/** What stands for labels of a language model. */
const NEXT_TOKENS = 'the next tokens';

/** @throws {UsageError} if some versions give classes and others numbers. */
function oneTask(found: readonly EvaluatedVersion[]): Outcomes['task'] {
  const tasks = new Set(found.map(({ outcomes }) => outcomes.task));
  const classes = new Set(
    found.map(({ outcomes }) => (outcomes.task === 'classes' ? outcomes.classes : 0)),
  );
  const [task = 'classes'] = tasks;
  if (tasks.size < 2 && classes.size < 2) return task;
  throw new UsageError('the versions do not predict the same', {
    hint: 'evaluate them one by one, or name the output: --output',
  });
}

function described(
  one: EvaluatedVersion,
  truth: Uint32Array | null,
): Omit<EvalVersion, keyof CalledVersion | 'metrics'> {
  const { outcomes, latency, batch, threads, optimization } = one;
  const isClasses = outcomes.task === 'classes';
  const isOdd = (value: number): boolean => !Number.isFinite(value);
  const wrong = isClasses
    ? outcomes.predicted.filter((guess) => guess === NONE)
    : (outcomes.task === 'tokens' ? outcomes.loss : outcomes.absolute).filter(isOdd);
  return {
    network: one.network,
    weights: one.weights,
    latency: { milliseconds: latency, batch },
    timings: one.timings,
    calibration: calibrationBins(outcomes, truth),
    confusion: confusion(outcomes, truth),
    runtime: { name: 'onnxruntime-node', version: one.runtime, threads, optimization },
    ties: isClasses ? outcomes.ties : null,
    notFinite: wrong.length,
    known: one.isKnown,
    note: one.note,
  };
}
