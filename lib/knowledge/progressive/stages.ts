/** What a cascade is asked, what it tells of each depth, and what comes out. */
import type { Analysis } from '../../pure/bounds/analysis.js';
import type { Claim, Decision } from '../../pure/bounds/decisions.js';
import type { DataSet } from '../inference/data/data-set.js';
import type { Preprocess } from '../inference/data/preprocess.js';
import type { RunOptions } from '../inference/messages.js';
import type { Goal } from './patience.js';
import type { Depths, PlaneSource } from './plane-source.js';
import type { Method } from './prover.js';

export interface CascadeOptions {
  /** How errors call the network. */
  label: string;
  /** Folder for files of the run. */
  folder: string;
  source: PlaneSource;
  /** null: no bounds are known, and everything is read. */
  analysis: Analysis | null;
  set: DataSet;
  preprocess: Preprocess;
  decision: Decision;
  output?: string;
  guarantee: 'certified' | 'approximate';
  goal: Goal;
  /** How far from another decision an approximate answer has to be; how far certified claims are from it. */
  margin: number;
  batch: number;
  /** Of the reference run. */
  options: RunOptions;
  /** Multiplications that refining may take for each example, on average. */
  effort: number;
  /** Reads everything in the end and compares every answer with that of the whole weights. */
  check: boolean;
  signal?: AbortSignal;
  /** Told how many more answers are final. */
  onFinal?: (count: number) => void;
}

/** One depth. */
export interface Stage {
  depths: Depths;
  /** Bytes that a cold reader of this depth reads. */
  bytes: number;
  /** Examples that were open before, and that became final here, by how. */
  open: number;
  final: Partial<Record<Method, number>>;
  /** Approximate answers of all examples at this depth; null where they were not computed. */
  approximate: number[][] | null;
  /** Milliseconds by what they were spent on. */
  milliseconds: Record<'read' | 'answers' | 'intervals' | 'rows' | 'refined' | 'plan', number>;
}

export interface CascadeResult {
  /** By example: its answer, the stage that made it final, and how; null: the run was interrupted before. */
  answers: ({ answer: number[]; stage: number; method: Method } | null)[];
  /** True if the run was interrupted after some answers were final: they are what they would have been. */
  isPartial: boolean;
  stages: Stage[];
  /** Version of onnxruntime-node. */
  runtime: string;
  /** True if answers by bounds are proven for this version of the runtime. */
  isCertified: boolean;
  /** Answers of the whole weights, if they were computed. */
  full: number[][] | null;
}

/** What is not proved yet of each example, and the scores of all by the weights as far as they are read. */
export interface Undecided {
  left: Map<number, Claim[]>;
  scores: readonly number[][];
}

/** Makes the answer of an example final at the depth that is read. */
export type Settle = (example: number, scores: number[], method: Method) => void;
