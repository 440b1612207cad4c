/**
 * Layers of a checkpoint that comes without a network: parameters grouped by the module in their names,
 * with a kind that follows from names and shapes. What is said here is inferred, and called so.
 */
import {
  type CountedTensor,
  countOf,
  isBuffer,
  type ParameterCounts,
} from '../cost/parameter-counts.js';
import type { LayerKind } from '../layers/kinds.js';

/** Parameters of one module. */
export interface ParameterGroup extends ParameterCounts {
  /** Names of its tensors up to the last point: 'layer1.0.conv1'. */
  name: string;
  kind: LayerKind;
  type: string;
  tensors: readonly CountedTensor[];
}

/** The last part of a name says what a tensor is in its module; what stands before is the module. */
function moduleOf(name: string): { module: string; part: string } {
  const at = Math.max(name.lastIndexOf('.'), name.lastIndexOf('/'));
  return at <= 0
    ? { module: '', part: name }
    : { module: name.slice(0, at), part: name.slice(at + 1) };
}

/** Groups the tensors of a checkpoint by module, in the order in which modules first appear. */
export function groupParameters(tensors: readonly CountedTensor[]): ParameterGroup[] {
  const modules = new Map<string, CountedTensor[]>();
  for (const tensor of tensors) {
    const { module, part } = moduleOf(tensor.name);
    const name = module === '' ? part.replace(/_(weight|bias|w|b)$/, '') : module;
    const known = modules.get(name);
    if (known === undefined) modules.set(name, [tensor]);
    else known.push(tensor);
  }
  return [...modules].map(([name, own]) => parameterGroup({ name, ...kindOf(name, own) }, own));
}

/** A group of tensors, counted. */
export function parameterGroup(
  layer: Pick<ParameterGroup, 'name' | 'kind' | 'type'>,
  tensors: readonly CountedTensor[],
): ParameterGroup {
  return { ...layer, ...count(tensors), tensors };
}

function count(tensors: readonly CountedTensor[]): ParameterCounts {
  const counts = { parameters: 0, buffers: 0, stored: 0 };
  for (const tensor of tensors) {
    const elements = countOf(tensor.shape);
    counts.stored += elements;
    if (isBuffer(tensor)) counts.buffers += elements;
    else counts.parameters += elements;
  }
  return counts;
}

/** Sums of groups. */
export function totalOf(groups: readonly ParameterCounts[]): ParameterCounts {
  return groups.reduce(
    (sum, one) => ({
      parameters: sum.parameters + one.parameters,
      buffers: sum.buffers + one.buffers,
      stored: sum.stored + one.stored,
    }),
    { parameters: 0, buffers: 0, stored: 0 },
  );
}

const EMBEDDING = /(^|[._])(w[tp]e|tok_embeddings|embed\w*|\w*embeddings?|\w*_emb)$/i;
const NORM = /(^|[._])(\w*norm\w*|ln(_?\w+)?|bn\d*|gn\d*)$/i;

function kindOf(
  name: string,
  tensors: readonly CountedTensor[],
): { kind: LayerKind; type: string } {
  const parts = new Map(tensors.map((tensor) => [moduleOf(tensor.name).part, tensor]));
  const has = (pattern: RegExp): boolean => [...parts.keys()].some((part) => pattern.test(part));
  if (has(/^(running_mean|moving_mean)$/)) return { kind: 'norm', type: 'BATCH' };
  if (has(/^weight_ih_l\d/)) {
    const [first] = [...parts].find(([part]) => /^weight_(ih|hh)_l0$/.test(part)) ?? [];
    const [rows = 0, columns = 1] =
      parts.get('weight_hh_l0')?.shape ?? parts.get(first ?? '')?.shape ?? [];
    const gates = rows / columns;
    return { kind: 'rnn', type: gates === 4 ? 'LSTM' : gates === 3 ? 'GRU' : 'RNN' };
  }
  if (has(/^in_proj_weight$/)) return { kind: 'attn', type: 'ATTENTION' };
  const weight = parts.get('weight') ?? parts.get('kernel') ?? parts.get('w_0') ?? mainOf(tensors);
  const rank = weight === undefined || isBuffer(weight) ? 0 : weight.shape.length;
  if (rank >= 3)
    return { kind: 'conv', type: rank === 3 ? 'CONV1D' : rank === 4 ? 'CONV' : 'CONV3D' };
  if (rank === 2) {
    return EMBEDDING.test(name) ? { kind: 'embed', type: 'EMBED' } : { kind: 'full', type: 'FULL' };
  }
  if (rank === 1 && (NORM.test(name) || parts.has('gamma'))) {
    // Of a norm that is folded into one vector, its name says the kind.
    if (/batch_?norm|(^|[._/])bn\d*$/i.test(name)) return { kind: 'norm', type: 'BATCH' };
    const isRms = tensors.length === 1 || /rms/i.test(name);
    return { kind: 'norm', type: isRms ? 'RMS' : 'LAYER' };
  }
  if (rank === 1 && tensors.length === 2 && parts.has('weight') && parts.has('bias')) {
    return { kind: 'norm', type: 'LAYER' };
  }
  return { kind: 'other', type: 'PARAMETER' };
}

/** The tensor with the most elements. */
function mainOf(tensors: readonly CountedTensor[]): CountedTensor | undefined {
  return tensors.reduce<CountedTensor | undefined>((most, one) => {
    return most === undefined || countOf(one.shape) > countOf(most.shape) ? one : most;
  }, undefined);
}
