/** What a progressive evaluation did, in numbers. */
import { maxOf, minOf } from '../../base/bytes/many.js';
import type { CascadeResult, Method } from '../../knowledge/progressive/cascade.js';
import { depthsOf } from '../../knowledge/progressive/plane-source.js';
import { type Decision, sameAnswer } from '../../pure/bounds/decisions.js';
import type { MeasuredSource } from './open-planes.js';

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
  /** Share of answered examples whose approximate answer at this depth is not the final one; null if not computed. */
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

/** A report, without what was asked. */
export interface ProgressiveNumbers {
  /** Examples without an answer, since the run was interrupted; 0 else. */
  unanswered: number;
  stages: ProgressiveStage[];
  layers: ProgressiveLayer[];
  /** Bytes of weights: the mean of queries that are answered alone by a cold reader, all of them together, all weights. */
  bytes: { mean: number; union: number; all: number };
  /** Examples by how their answer became final. */
  methods: Partial<Record<Method, number>>;
  /** Share of answered examples whose first class is the label; null where the decision is not one class. */
  accuracy: number | null;
  /** With `check`: answers that differ from those of all weights. */
  differing: number | null;
}

/** The numbers of a report. */
export async function reported(
  { answers, stages, full }: CascadeResult,
  source: MeasuredSource,
  decision: Decision,
  truth: ArrayLike<number> | null,
): Promise<ProgressiveNumbers> {
  const { parameters } = source;
  const all = await source.bytesAt(depthsOf(parameters, ({ planes }) => planes));
  const methods: Partial<Record<Method, number>> = {};
  const known = answers.flatMap((one, i) => (one === null ? [] : [{ ...one, i }]));
  for (const { method } of known) methods[method] = (methods[method] ?? 0) + 1;
  let settled = 0;
  const shown = stages.map((stage): ProgressiveStage => {
    const { depths, bytes, open, final, approximate, milliseconds } = stage;
    settled += Object.values(final).reduce((sum, count) => sum + count, 0);
    const planes = [...depths.values()];
    const wrong =
      approximate === null
        ? undefined
        : known.filter(({ answer, i }) => !sameAnswer(decision, approximate[i] ?? [], answer));
    return {
      planes: planes.length === 0 ? [0, 0] : [minOf(planes), maxOf(planes)],
      depths: Object.fromEntries(depths),
      bytes,
      share: all === 0 ? 1 : bytes / all,
      open,
      final,
      settled: settled / answers.length,
      mismatch: wrong === undefined ? null : wrong.length / known.length,
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
    known.reduce((sum, { stage }) => sum + (stages[stage]?.bytes ?? 0), 0) / known.length;
  const isClass = decision.kind === 'top' && decision.count === 1 && truth !== null;
  const differing = full?.filter(
    (answer, i) => answer.length > 0 && !sameAnswer(decision, answer, answers[i]?.answer ?? []),
  ).length;
  const isChecked = full?.every((answer) => answer.length > 0) === true;
  return {
    unanswered: answers.length - known.length,
    stages: shown,
    layers,
    bytes: { mean, union: stages.at(-1)?.bytes ?? 0, all },
    methods,
    accuracy: isClass
      ? known.filter(({ answer, i }) => answer[0] === truth[i]).length / known.length
      : null,
    differing: isChecked ? (differing ?? null) : null,
  };
}
