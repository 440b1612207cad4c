/** `dlv eval --progressive`: the answers of a version's network from as few planes of its weights as possible. */
import path from 'node:path';
import type { Id } from '../../base/bytes/hash.js';
import { UsageError } from '../../base/errors.js';
import { fedShape, type Preprocess } from '../../knowledge/inference/data/preprocess.js';
import type { RunOptions } from '../../knowledge/inference/messages.js';
import {
  type CascadeResult,
  type Method,
  runCascade,
} from '../../knowledge/progressive/cascade.js';
import type { Goal } from '../../knowledge/progressive/patience.js';
import { depthsOf, type PlaneSource } from '../../knowledge/progressive/plane-source.js';
import { type Analysis, analyse, NoBounds } from '../../pure/bounds/analysis.js';
import { type Decision, parseDecision, sameAnswer } from '../../pure/bounds/decisions.js';
import { beyondUnknown } from '../../pure/bounds/prefix.js';
import { graphsOf, type Network } from '../../pure/network/network.js';
import { registerReader } from '../../storage/repo/processes/readers.js';
import type { OpContext } from '../context.js';
import { checkCounts } from '../evaluation/check-counts.js';
import { type DataOptions, openData } from '../evaluation/open-data.js';
import { chooseTarget, placeNetwork } from '../evaluation/place-network.js';
import { RepositoryPlanes } from '../evaluation/repository-planes.js';
import { resolveId } from '../history/lines/resolve.js';
import { networksOfVersion } from '../history/networks/networks.js';
import { type AcceptTier, checkTiers } from '../history/tier-gate.js';
import { type CalledVersion, Describer } from '../history/versions.js';
import type { Repository } from '../repository.js';

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

/** One depth of weights. */
export interface ProgressiveStage {
  /** Leading planes of the parameters that have planes to leave out: fewest and most. */
  planes: [least: number, most: number];
  /** Parameters by how many of their planes were read. */
  depths: Record<string, number>;
  /** Bytes that a cold reader of this depth reads, and their share of all. */
  bytes: number;
  share: number;
  /** Examples that were open before, and those that became final here, by method. */
  open: number;
  final: Partial<Record<Method, number>>;
  /** Share of all examples whose answer is final here or before. */
  settled: number;
  /** Share of all examples whose approximate answer at this depth is not the final one; null if not computed. */
  mismatch: number | null;
  milliseconds: Record<string, number>;
}

/** A parameter that has planes to leave out. */
export interface ProgressiveLayer {
  parameter: string;
  elements: number;
  /** Planes that were read for the last open example, of how many. */
  planes: number;
  of: number;
  /** Bytes of them, alone, and of all. */
  bytes: number;
  allBytes: number;
}

export interface ProgressiveResult extends CalledVersion {
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
  stages: ProgressiveStage[];
  layers: ProgressiveLayer[];
  /** Bytes of weights: the mean of queries that are answered alone by a cold reader, all of them together, all weights. */
  bytes: { mean: number; union: number; all: number };
  /** Examples by how their answer became final. */
  methods: Partial<Record<Method, number>>;
  /** Share of examples whose first class is the label; null where the decision is not one class. */
  accuracy: number | null;
  /** With `check`: answers that differ from those of all weights. */
  differing: number | null;
  /** By example: the answer, the stage that made it final, and how. */
  answers: CascadeResult['answers'];
  seconds: number;
}

/**
 * Answers examples from leading planes.
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
    const found = await openWeights(repo, version, { options, decision, example }, context);
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
      context.progress.advance(Math.max(0, set.examples - told));
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

/** What is asked of a network. */
interface Asked {
  options: ProgressiveOptions;
  decision: Decision;
  /** Shape of one example as it is fed; null where several inputs are. */
  example: readonly number[] | null;
}

/** What is read from, and why bounds are missing. */
interface OpenWeights {
  source: PlaneSource & { bytesOf?(name: string, planes: number): Promise<number> };
  analysis: Analysis | null;
  unbounded: string | null;
  label: string;
  folder: string;
  close(): Promise<void>;
}

async function openWeights(
  repo: Repository,
  version: Id,
  { options, decision, example }: Asked,
  context: OpContext,
): Promise<OpenWeights> {
  const target = await chooseTarget(repo, version, options.network, context);
  if (target.weights !== null) {
    throw new UsageError('weights of another version are not read progressively', {
      hint: 'name a network of the version itself: --network <path>',
    });
  }
  checkTiers([target.entry], options.acceptTier, context);
  const { entry, label } = target;
  const networks = await networksOfVersion(repo, version, context);
  const network = networks.find((one) => one.path === entry.path)?.network;
  if (network === undefined) throw new UsageError(`'${entry.path}' defines no network`);
  const parameters = [...graphsOf(network.graph)].flatMap(({ graph }) => graph.parameters);
  const planes = await RepositoryPlanes.open(repo, entry, parameters, context.signal);
  if (planes === null) {
    const placed = await placeNetwork(repo, target, context.signal);
    const source: PlaneSource = {
      parameters: [],
      bytesAt: async () => entry.size,
      load: async () => ({
        path: placed.path,
        boundsOf: () => ({ low: NONE, high: NONE }),
        placeOf: () => null,
      }),
    };
    const unbounded = 'its tensors are not stored one by one';
    const folder = path.dirname(placed.path);
    return { source, analysis: null, unbounded, label, folder, close: () => placed.remove() };
  }
  const { analysis, unbounded } = bounded(network, { options, decision, example });
  return {
    source: analysis?.prefix == null ? planes : wholeBefore(planes, analysis.prefix.spared),
    analysis,
    unbounded,
    label,
    folder: planes.folder,
    close: () => planes.close(),
  };
}

const NONE = new Float32Array(0);

/** Planes of which those of all parameters but some are read whole at once. */
function wholeBefore(source: RepositoryPlanes, spared: ReadonlySet<string>): OpenWeights['source'] {
  return {
    parameters: source.parameters.map((one) =>
      spared.has(one.name) ? one : { ...one, start: one.planes },
    ),
    bytesAt: (depths) => source.bytesAt(depths),
    bytesOf: (name, planes) => source.bytesOf(name, planes),
    load: (depths) => source.load(depths),
  };
}

/** The network as bounds see it, or why it has none. */
function bounded(
  network: Network,
  { options: { output }, decision, example }: Asked,
): { analysis: Analysis | null; unbounded: string | null } {
  const isRanked = decision.kind === 'top' && decision.count === 1;
  try {
    const [, ...sizes] = network.graph.inputs[0]?.shape ?? [];
    const isOpen = sizes.some((size) => typeof size !== 'number');
    const fits = isOpen && example !== null && example.length === sizes.length;
    const analysis = analyse(network, { output, isRanked, ...(fits ? { example } : {}) });
    if (analysis.halves.size > 0 && process.arch !== 'x64') {
      throw new NoBounds('sums of float16 are only known for x64, where they are of float32');
    }
    return { analysis: beyondUnknown(analysis), unbounded: null };
  } catch (error) {
    if (error instanceof NoBounds) return { analysis: null, unbounded: error.message };
    throw error;
  }
}

/** The numbers of a report. */
async function reported(
  { answers, stages, full }: CascadeResult,
  source: OpenWeights['source'],
  decision: Decision,
  truth: ArrayLike<number> | null,
): Promise<
  Pick<ProgressiveResult, 'stages' | 'layers' | 'bytes' | 'methods' | 'accuracy' | 'differing'>
> {
  const { parameters } = source;
  const all = await source.bytesAt(depthsOf(parameters, ({ planes }) => planes));
  const methods: Partial<Record<Method, number>> = {};
  for (const { method } of answers) methods[method] = (methods[method] ?? 0) + 1;
  let settled = 0;
  const shown = stages.map((stage): ProgressiveStage => {
    const { depths, bytes, open, final, approximate, milliseconds } = stage;
    settled += Object.values(final).reduce((sum, count) => sum + count, 0);
    const planes = [...depths.values()];
    const wrong = approximate?.filter(
      (answer, i) => !sameAnswer(decision, answer, answers[i]?.answer ?? []),
    );
    return {
      planes: planes.length === 0 ? [0, 0] : [Math.min(...planes), Math.max(...planes)],
      depths: Object.fromEntries(depths),
      bytes,
      share: all === 0 ? 1 : bytes / all,
      open,
      final,
      settled: settled / answers.length,
      mismatch: wrong === undefined ? null : wrong.length / answers.length,
      milliseconds: { ...milliseconds },
    };
  });
  const last = stages.at(-1)?.depths ?? new Map<string, number>();
  const layers: ProgressiveLayer[] = [];
  for (const { name, elements, planes } of parameters) {
    const read = last.get(name) ?? planes;
    layers.push({
      parameter: name,
      elements,
      planes: read,
      of: planes,
      bytes: (await source.bytesOf?.(name, read)) ?? 0,
      allBytes: (await source.bytesOf?.(name, planes)) ?? 0,
    });
  }
  const mean =
    answers.reduce((sum, { stage }) => sum + (stages[stage]?.bytes ?? 0), 0) / answers.length;
  const isClass = decision.kind === 'top' && decision.count === 1 && truth !== null;
  const differing = full?.filter(
    (answer, i) => answer.length > 0 && !sameAnswer(decision, answer, answers[i]?.answer ?? []),
  ).length;
  const isChecked = full?.every((answer) => answer.length > 0) === true;
  return {
    stages: shown,
    layers,
    bytes: { mean, union: stages.at(-1)?.bytes ?? 0, all },
    methods,
    accuracy: isClass
      ? answers.filter(({ answer }, i) => answer[0] === truth[i]).length / answers.length
      : null,
    differing: isChecked ? (differing ?? null) : null,
  };
}
