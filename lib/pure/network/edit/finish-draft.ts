/**
 * Ends the change of a network: takes out what nothing needs any more, checks that everything fits, types the
 * outputs, and says how new weights begin.
 */
import { UsageError } from '../../../base/errors.js';
import type { RawValueInfo } from '../../formats/onnx/onnx-model.js';
import type { GraphEdit } from '../../formats/onnx/write/edited-model.js';
import type { InitialValues } from '../build/initial-values.js';
import { layerView } from '../layers/layer-view.js';
import type { Graph, Network } from '../network.js';
import type { NetworkShapes, ShapeProblem } from '../shapes/infer-shapes.js';
import type { Shaped } from '../shapes/node-shapes.js';
import type { GraphDraft } from './graph-draft.js';
import { valueInfo } from './value-info.js';

/** A network before it was changed, with its shapes. */
export interface BeforeChange {
  network: Network;
  shapes: NetworkShapes;
  /** Nodes that its outputs did not need: they stay. */
  idle: ReadonlySet<string>;
}

/** Takes down what a draft is like before it is changed. */
export function beforeChange(draft: GraphDraft): BeforeChange {
  const needed = draft.needed();
  const idle = draft.nodes.filter((one) => !needed.has(one)).flatMap(({ node }) => node.outputs);
  return { network: draft.network, shapes: draft.shapes, idle: new Set(idle) };
}

/** A tensor that is new, and how it begins. */
export interface InitialTensor {
  name: string;
  shape: readonly number[];
  rule: InitialValues['rule'];
}

export interface FinishedDraft {
  network: Network;
  edit: GraphEdit;
  initialised: InitialTensor[];
}

/** @throws {UsageError} if a layer does not fit what comes in any more. */
export function finishDraft(draft: GraphDraft, before: BeforeChange, seed: number): FinishedDraft {
  cleanUp(draft, before);
  draft.nameTensors();
  draft.reshaped();
  draft.sort();
  checkFits(draft, before);
  chooseInitialValues(draft);
  const same = sameTypes(draft, before);
  draft.outputs = draft.outputs.map((output) =>
    same.ends.has(output.name) ? output : typed(draft, output),
  );
  draft.touch();
  const edit = draft.edit(seed, same);
  const used = new Set(edit.newTensors.map(({ name }) => name));
  const initialised = [...draft.tensors.values()]
    .filter(({ name, values }) => used.has(name) && values !== null)
    .map(({ name, shape, values }) => ({ name, shape, rule: (values as InitialValues).rule }));
  return { network: draft.network, edit, initialised };
}

/** Nodes that the outputs needed before and do not need now go, and inputs that only these used. */
function cleanUp(draft: GraphDraft, { idle }: BeforeChange): void {
  const needed = draft.needed();
  const used = (): Set<string> => {
    const found = new Set(draft.outputs.map(({ name }) => name));
    for (const { node } of draft.nodes) for (const name of node.inputs) found.add(name);
    return found;
  };
  const before = used();
  const gone = draft.nodes.filter(
    (one) => !needed.has(one) && !one.node.outputs.some((name) => idle.has(name)),
  );
  draft.remove(new Set(gone));
  const after = used();
  draft.inputs = draft.inputs.filter(({ name }) => after.has(name) || !before.has(name));
  draft.touch();
}

const keyOf = ({ node, op }: ShapeProblem): string => JSON.stringify([node, op]);

/** @throws {UsageError} that names the layer, what comes in and its weights. */
function checkFits(draft: GraphDraft, { shapes }: BeforeChange): void {
  const known = new Set(shapes.problems.map(keyOf));
  const problem = draft.shapes.problems.find((one) => !known.has(keyOf(one)));
  if (problem === undefined) return;
  const { graph } = draft.network;
  const place = graph.nodes.findIndex(({ name, outputs }) => (name || outputs[0]) === problem.node);
  const node = graph.nodes[place];
  const layer = layerView(draft.network)[0]?.layers.find(({ nodes }) => nodes.includes(place));
  const weights = new Map(graph.parameters.map(({ name, shape }) => [name, shape]));
  const told = (node?.inputs ?? []).flatMap((name, i) => {
    const weight = weights.get(name);
    if (weight !== undefined) return weight.length > 1 ? [`its weights are ${list(weight)}`] : [];
    const { shape } = draft.shape(name);
    return shape === null || i > 1 ? [] : [`it gets ${list(shape)}`];
  });
  const name = layer?.name ?? problem.node;
  throw new UsageError(
    `'${name}' would not fit: it ${problem.what}${told.length > 0 ? ` (${told.join(', ')})` : ''}`,
    {
      layer: name,
      hint: `replace it in the same statement: ["${name}"].replace = ${WORDS[layer?.kind ?? ''] ?? 'a template of its kind'}, without sizes, keeps its attributes and gets new weights that fit`,
    },
  );
}

/** Templates of layers that have weights. */
const WORDS: Readonly<Record<string, string>> = {
  ...{ conv: 'CONV', deconv: 'DECONV', full: 'FULL', norm: 'BN' },
};

function list(shape: readonly unknown[]): string {
  return `[${shape.join(', ')}]`;
}

/** Activations behind which He's rule holds. */
const HE = new Set(
  'Relu LeakyRelu PRelu Elu Celu Selu ThresholdedRelu Clip HardSwish Gelu Mish Softplus'.split(' '),
);
/** What stands between weights and their activation. */
const BETWEEN = new Set(
  'Add BatchNormalization InstanceNormalization LayerNormalization LRN Dropout Identity MaxPool'.split(
    ' ',
  ),
);
const STEPS_MAX = 8;

/** He's rule for weights before a ReLU or one of its kind, Glorot's for others. */
function chooseInitialValues(draft: GraphDraft): void {
  for (const [key, tensor] of draft.tensors) {
    if (tensor.values !== null) continue;
    const [fanIn, fanOut] = tensor.fan;
    const rule = isBeforeRelu(draft, tensor.name) ? 'he' : 'glorot';
    draft.tensors.set(key, { ...tensor, values: { rule, fanIn, fanOut } });
  }
}

function isBeforeRelu(draft: GraphDraft, weight: string): boolean {
  let at = draft.nodes.find(({ node }) => node.inputs.includes(weight))?.node;
  for (let step = 0; step < STEPS_MAX && at !== undefined; step++) {
    const [output] = at.outputs;
    const next = draft.nodes.find(({ node }) => node.inputs.includes(output as string))?.node;
    if (next === undefined) return false;
    if (HE.has(next.opType)) return true;
    if (!BETWEEN.has(next.opType)) return false;
    at = next;
  }
  return false;
}

/** Ends and values whose types are as they were. */
function sameTypes(
  draft: GraphDraft,
  before: BeforeChange,
): { ends: Set<string>; values: Set<string> } {
  const told = ({ dtype, shape }: Shaped): string => JSON.stringify([dtype, shape]);
  const was = (graph: Graph, name: string): string => told(before.shapes.of(graph, name));
  const isSame = (name: string): boolean =>
    was(before.network.graph, name) === told(draft.shape(name));
  const stays = (values: readonly RawValueInfo[]): string[] =>
    values.map(({ name }) => name).filter(isSame);
  const { graph } = draft.raw;
  const known = new Set([...graph.inputs, ...graph.outputs].map(({ name }) => name));
  const inputs = draft.inputs.map(({ name }) => name).filter((name) => known.has(name));
  const outputs = stays(draft.outputs).filter((name) => known.has(name));
  return { ends: new Set([...inputs, ...outputs]), values: new Set(stays(graph.values)) };
}

/** A value as shape inference types it; where that does not know, as the file said. */
function typed(draft: GraphDraft, value: RawValueInfo): RawValueInfo {
  return valueInfo(value.name, draft.shape(value.name)) ?? value;
}
