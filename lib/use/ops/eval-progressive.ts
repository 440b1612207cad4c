/** `dlv eval --progressive`: the answers of a version's network from as few planes of its weights as possible. */
import { UsageError } from '../../base/errors.js';
import { fedShape, type Preprocess } from '../../knowledge/inference/data/preprocess.js';
import type { RunOptions } from '../../knowledge/inference/messages.js';
import { type CascadeResult, runCascade } from '../../knowledge/progressive/cascade.js';
import type { Goal } from '../../knowledge/progressive/patience.js';
import { parseDecision } from '../../pure/bounds/decisions.js';
import { registerReader } from '../../storage/repo/processes/readers.js';
import type { OpContext } from '../context.js';
import { checkCounts } from '../evaluation/check-counts.js';
import { type DataOptions, openData } from '../evaluation/open-data.js';
import { openPlanes } from '../evaluation/open-planes.js';
import { type ProgressiveNumbers, reported } from '../evaluation/progressive-report.js';
import { resolveId } from '../history/lines/resolve.js';
import type { AcceptTier } from '../history/tier-gate.js';
import { type CalledVersion, Describer } from '../history/versions.js';
import type { Repository } from '../repository.js';

export type { ProgressiveLayer, ProgressiveStage } from '../evaluation/progressive-report.js';

const DEFAULT_BATCH = 64;
/** Multiplications that bounds of one example may take beyond the cheap ones. */
const DEFAULT_EFFORT = 2e9;
/** Softmax rounds: below such a difference of scores two probabilities may be equal. */
const SOFTMAX_MARGIN = 1e-4;

export interface ProgressiveOptions extends AcceptTier, DataOptions {
  revision: string;
  /** Path in the version; default: the only network. */
  network?: string;
  output?: string;
  /** `top1` (default), `top5`, `order3`, `above:0.5`, `within:0.01`. */
  decide?: string;
  /** 'certified' (default): answers that are proven; 'approximate': those that are `margin` from another. */
  guarantee?: 'certified' | 'approximate';
  /** 'bytes' (default): as few as possible; 'time': no proof takes longer than reading what is left. */
  goal?: Goal;
  /** Least distance of scores from another decision; default 0. */
  margin?: number;
  batch?: number;
  threads?: number;
  /** Multiplications for each example that tighter bounds may take; default 2e9. */
  effort?: number;
  /** Reads all weights in the end and compares every answer; default false. */
  check?: boolean;
}

export interface ProgressiveResult extends CalledVersion, ProgressiveNumbers {
  network: string;
  data: { path: string; labels: string; examples: number; sha256: string; preprocess: Preprocess };
  decision: string;
  guarantee: 'certified' | 'approximate';
  goal: Goal;
  margin: number;
  /** What certified answers equal: the run of all weights by this runtime. */
  reference: {
    name: string;
    version: string;
    threads: number;
    optimization: string;
    batch: number;
  };
  /** Why no answer was certified from a part of the weights; null where bounds were computed. */
  unbounded: string | null;
  /** Why a first part of the network was read whole and run as it is; null: none was. */
  whole: string | null;
  /** By example: the answer, the stage that made it final, and how; null: it has none, since the run was interrupted. */
  answers: CascadeResult['answers'];
  seconds: number;
}

/**
 * Answers examples from leading planes. Interrupted after some answers were final, it gives those.
 * @throws {UsageError} if data, labels and network do not fit; {InferenceError} {NotFoundError} {PromisedError}
 */
export async function evaluateProgressively(
  repo: Repository,
  options: ProgressiveOptions,
  context: OpContext,
): Promise<ProgressiveResult> {
  const started = performance.now();
  const { batch = DEFAULT_BATCH, threads = 1, margin = 0, guarantee = 'certified' } = options;
  const { effort = DEFAULT_EFFORT, goal = 'bytes' } = options;
  checkCounts({ batch, threads, limit: options.limit ?? 1 });
  if (!(margin >= 0)) throw new UsageError(`the margin is ${margin}, not a number from 0`);
  const decision = parseDecision(options.decide ?? 'top1');
  const version = await resolveId(repo, options.revision);
  const { set, preprocess } = await openData(options, context);
  const reader = await registerReader(repo.layout, repo.store.generation);
  try {
    const example = set.named === null ? fedShape(set.data.shape.slice(1), preprocess) : null;
    const { network, output, acceptTier } = options;
    const asked = { network, output, acceptTier, decision, example };
    const found = await openPlanes(repo, version, asked, context);
    try {
      const { source, analysis, unbounded, label } = found;
      let told = 0;
      context.progress.start(`answering with ${label}`, set.examples, 'examples');
      // Where a part is run as it is, the reference is run in the same way, so that its values are the same.
      const isPinned = analysis?.prefix != null;
      const run: RunOptions = isPinned
        ? { threads: 1, optimization: 'disabled' }
        : { threads, optimization: 'all' };
      const result = await runCascade({
        label,
        folder: found.folder,
        source,
        analysis,
        set,
        preprocess,
        decision,
        ...(options.output === undefined ? {} : { output: options.output }),
        guarantee,
        goal,
        margin: analysis?.hasSoftmax ? Math.max(margin, SOFTMAX_MARGIN) : margin,
        batch: isPinned ? 1 : batch,
        options: run,
        effort,
        check: options.check === true,
        ...(context.signal ? { signal: context.signal } : {}),
        onFinal: (count) => {
          told += count;
          context.progress.advance(count);
        },
      });
      // Those that all weights answered in the end.
      if (!result.isPartial) context.progress.advance(Math.max(0, set.examples - told));
      const why =
        unbounded ??
        (result.isCertified || guarantee === 'approximate'
          ? null
          : `bounds are not known for onnxruntime-node ${result.runtime}`);
      return {
        ...(await new Describer(repo).called(version)),
        network: label,
        data: {
          path: options.data ?? options.module ?? '',
          labels: options.labels ?? options.module ?? `folders of ${options.data ?? ''}`,
          examples: set.examples,
          sha256: set.sha256,
          preprocess,
        },
        decision: options.decide ?? 'top1',
        guarantee,
        goal,
        margin,
        reference: {
          name: 'onnxruntime-node',
          version: result.runtime,
          ...run,
          batch: isPinned ? 1 : batch,
        },
        unbounded: why,
        whole: analysis?.prefix?.why ?? null,
        ...(await reported(result, source, decision, set.areClasses ? set.truth : null)),
        answers: result.answers,
        seconds: (performance.now() - started) / 1000,
      };
    } finally {
      context.progress.finish();
      await found.close();
    }
  } finally {
    await set.close();
    await reader.close();
  }
}
