/** What goes between dlv and the process that runs a network. */

import type { TokenScores } from '../../pure/metrics/token-scores.js';

/** Types of inputs that can be fed. */
export type FedType = 'float32' | 'float64' | 'float16' | 'int32' | 'int64' | 'uint8' | 'bool';

/** Pinned for one run, and recorded with its outcomes. */
export interface RunOptions {
  threads: number;
  optimization: 'disabled' | 'basic' | 'extended' | 'all';
}

/** One input of a pass. */
export interface Fed {
  name: string;
  type: FedType;
  dims: number[];
  bytes: Uint8Array;
}

/**
 * A tensor of float32 whose elements stand in a file, of which some leading planes count: the middle of what each
 * element can be, or how far it can be from that. It is read by the process itself, which saves a copy.
 */
export interface Placed {
  name: string;
  dims: number[];
  path: string;
  offset: number;
  planes: number;
  form: 'center' | 'radius';
  /** Radii are multiplied by 2^-shrunk. */
  shrunk: number;
}

export type Request =
  | { kind: 'load'; path: string; options: RunOptions }
  | { kind: 'run'; inputs: Fed[]; output: string }
  /** `targets` are of all rows: the output is of shape [rows, places, vocabulary]. */
  | { kind: 'score'; inputs: Fed[]; output: string; targets: Int32Array }
  /** Loads a further network under a name: a file, or the bytes of a graph. */
  | { kind: 'add'; name: string; model: string | Uint8Array; options: RunOptions }
  /** Keeps tensors under their names; a name that is kept already gets the new one. */
  | { kind: 'keep'; tensors: Fed[] }
  | { kind: 'read'; tensor: Placed }
  /**
   * A pass of an added network. `kept`: inputs that are fed with tensors that are kept under their names; `named`: those
   * of other names, by input.
   */
  | {
      kind: 'pass';
      name: string;
      inputs: Fed[];
      kept: string[];
      named?: Record<string, string>;
      outputs: string[];
    }
  | { kind: 'memory' };

/** An input or output as the runtime tells of it; open dimensions are names. */
export interface RuntimeValue {
  name: string;
  type: string;
  shape: (number | string)[];
}

/** One output of a pass. */
export interface Passed {
  dims: number[];
  values: Float64Array;
}

export type Reply =
  | { kind: 'loaded'; version: string; inputs: RuntimeValue[]; outputs: RuntimeValue[] }
  /** `values` are float64 of any number type; `milliseconds` are of the pass alone. */
  | { kind: 'result'; dims: number[]; values: Float64Array; milliseconds: number }
  /** `dims` are those of the output, of which only this comes back: the scores of a vocabulary are many. */
  | { kind: 'scored'; dims: number[]; scores: TokenScores; milliseconds: number }
  | { kind: 'passed'; results: Passed[]; milliseconds: number }
  | { kind: 'kept' }
  /** Bytes of the process before it loaded the network, and the most that it took since. */
  | { kind: 'memory'; before: number; peak: number }
  | { kind: 'missing'; message: string }
  | { kind: 'refused'; message: string };
