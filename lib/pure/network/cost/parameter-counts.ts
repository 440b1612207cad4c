/**
 * Parameters by three conventions: those that look trainable (weights, biases, γ and β), buffers (running
 * statistics, masks, position ids, tables), and all that is stored.
 */
import type { Parameter } from '../network.js';

export interface ParameterCounts {
  /** Trainable-looking floats. */
  parameters: number;
  /** Floats and integers that are kept and not trained. */
  buffers: number;
  /** Elements of everything, also of what says how the network works. */
  stored: number;
}

export const NO_PARAMETERS: ParameterCounts = { parameters: 0, buffers: 0, stored: 0 };

/** Names of buffers, as frameworks call them. */
const BUFFER =
  /(^|[._/])(running_(mean|var)|moving_(mean|variance)|num_batches_tracked|position_ids|token_type_ids|inv_freq|(cos|sin)_cached|(freqs?_)?(cos|sin|cis)|masked_bias|attn_mask|causal_mask|relative_position_index|rope_freqs|mean|variance|\w*buffer)(:0)?$/;
/** The causal mask of GPT-2, [1, 1, n, n], is called a bias. */
const CAUSAL_MASK = /attn\.bias$/;
/** What quantised weights are kept as. */
const QUANTISED = new Set(['I8', 'U8', 'I4', 'U4', 'F8_E4M3', 'F8_E5M2']);

export interface CountedTensor {
  name: string;
  dtype: string | null;
  shape: readonly number[];
}

/** True for a tensor that is kept with the weights and not trained. */
export function isBuffer({ name, dtype, shape }: CountedTensor): boolean {
  if (BUFFER.test(name)) return true;
  if (CAUSAL_MASK.test(name) && shape.length === 4) return true;
  return !(dtype?.startsWith('F') || dtype === 'BF16' || QUANTISED.has(dtype ?? ''));
}

/** Elements of a tensor. */
export function countOf(shape: readonly number[]): number {
  return shape.reduce((all, one) => all * one, 1);
}

/** Counts the parameters of a network. @param statistics names of means and variances of batch norms. */
export function countParameters(
  parameters: readonly Parameter[],
  statistics: ReadonlySet<string>,
): ParameterCounts {
  const counts = { ...NO_PARAMETERS };
  for (const parameter of parameters) {
    const count = countOf(parameter.shape);
    counts.stored += count;
    // Elements are kept of what says how the network works.
    if (parameter.values !== null) continue;
    const isKept = statistics.has(parameter.name) || isBuffer(parameter);
    if (isKept) counts.buffers += count;
    else counts.parameters += count;
  }
  return counts;
}
