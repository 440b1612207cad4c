/** A network that comes from no other: construct lenet as INPUT(1, 28, 28) -> CONV(…) -> … */
import { WEIGHT_TYPES, type WeightType } from '../../network/build/initial-values.js';
import { LayerProblem } from '../../network/build/layer-parts.js';
import { LayerNames, placeChain } from '../../network/edit/chain.js';
import { beforeChange, type FinishedDraft, finishDraft } from '../../network/edit/finish-draft.js';
import { type DraftNode, GraphDraft } from '../../network/edit/graph-draft.js';
import { PASSED_KINDS } from '../../network/layers/kinds.js';
import type { Span, Template } from '../ast.js';
import { LayerSet } from '../layers/layer-set.js';
import { NO_CAPTURES } from '../layers/layer-sets.js';
import { textOf } from '../layers/templates.js';
import { queryError } from '../parse.js';
import { compileWanted, wantedLayer } from './wanted-layers.js';

/** What new files are written as: onnxruntime 1.17 (2024) and later read it. */
const IR_VERSION = 9;
const OPSET = 20;
const FLOATS = 1;
/** Most dimensions of an example. */
const RANK_MAX = 8;

export interface NewNetwork {
  finished: FinishedDraft;
  /** The forms that its file is to have. */
  irVersion: number;
  opset: number;
}

/** @throws {UsageError} that says which layer of the chain cannot be made, and why. */
export function newNetwork(
  text: string,
  chain: readonly Template[],
  { name, seed, span }: { name: string; seed: number; span: Span },
): NewNetwork {
  const [first, ...layers] = chain as [Template, ...Template[]];
  const input = readInput(text, first);
  const draft = new GraphDraft(
    {
      ...{ irVersion: IR_VERSION, producerName: 'dlv', producerVersion: '', domain: '' },
      ...{ modelVersion: 0, opsets: [{ domain: '', version: OPSET }], functions: [] },
      ...{ training: [], metadata: [] },
      graph: {
        ...{ name, nodes: [], values: [], initializers: [], sparseInitializers: [] },
        inputs: [{ name: input.name, kind: 'tensor', dataType: FLOATS, shape: input.shape }],
        outputs: [],
      },
    },
    `${name}.onnx`,
  );
  draft.fresh(input.name);
  const names = new LayerNames([]);
  const set = new LayerSet([]);
  const outputs = new Map<string, string>();
  let value = input.name;
  /** The last layer that is none of those that next passes over. */
  let last: string | null = null;
  for (const template of layers) {
    const { from: _, ...wanted } = compileWanted(text, template);
    const joined = joinedOf(text, template, outputs);
    const layer = wantedLayer(
      text,
      { ...wanted, from: null },
      {
        ...{ set, captures: NO_CAPTURES, former: null },
      },
    );
    try {
      const placed = placeChain(draft, [{ ...layer, joined }], {
        ...{ inputs: [value], behind: draft.nodes.at(-1), isInserted: false },
        // As exporters and dlv call them: conv2 behind conv1, and conv1.relu what next passes over.
        nameOf: (one) => {
          if (one.name !== null) return names.take(one.name);
          const isPassed = PASSED_KINDS.has(one.kind) && last !== null;
          return isPassed ? names.behind(last as string, one) : names.counted(one);
        },
      });
      value = placed.output;
      const called = placed.names[0] as string;
      outputs.set(called, value);
      if (!PASSED_KINDS.has(layer.kind)) last = called;
    } catch (error) {
      if (!(error instanceof LayerProblem)) throw error;
      throw queryError(text, template.span, error.message, error.hint);
    }
  }
  if (layers.length === 0) {
    throw queryError(
      text,
      span,
      'a network has at least one layer behind its input',
      'write INPUT(1, 28, 28) -> FULL(units = 10)',
    );
  }
  const output = draft.fresh('output');
  draft.renameOutput(draft.nodes.at(-1) as DraftNode, value, output);
  const { dtype } = draft.shape(output);
  const dataType = WEIGHT_TYPES[dtype as WeightType] ?? FLOATS;
  draft.outputs = [{ name: output, kind: 'tensor', dataType, shape: null }];
  draft.touch();
  const finished = finishDraft(draft, beforeChange(draft), seed);
  return { finished, irVersion: IR_VERSION, opset: OPSET };
}

/** Values of the layers that a join names, by their whole names. @throws {UsageError} */
function joinedOf(
  text: string,
  { arguments: given, name }: Template,
  outputs: ReadonlyMap<string, string>,
): string[] {
  const from = given.find((argument) => argument.name === 'from');
  if (from === undefined) return [];
  return textOf(text, from.span, from.value)
    .split(',')
    .map((one) => {
      const value = outputs.get(one.trim());
      if (value !== undefined) return value;
      throw queryError(
        text,
        from.span,
        `${name} joins '${one.trim()}', and no layer before it has this name`,
        'name the layer first: CONV("left", …)',
      );
    });
}

/** INPUT(1, 28, 28): an example of one channel and 28 × 28; the first dimension, N, is open. */
function readInput(
  text: string,
  { name: word, arguments: given, span }: Template,
): { name: string; shape: (number | string)[] } {
  if (word.toUpperCase() !== 'INPUT') {
    throw queryError(
      text,
      span,
      'a network begins with its input',
      'write the shape of an example: INPUT(1, 28, 28) for one channel of 28 × 28',
    );
  }
  let name = 'input';
  const shape: number[] = [];
  for (const argument of given) {
    const { value } = argument;
    const isName =
      argument.name === 'name' || (argument.name === null && typeof value === 'string');
    if (isName) name = textOf(text, argument.span, value);
    else if (argument.name === null && isSize(value)) shape.push(value);
    else {
      throw queryError(
        text,
        argument.span,
        'INPUT has whole numbers from 1, the shape of an example, and a name',
        'write INPUT("image", 3, 224, 224)',
      );
    }
  }
  if (shape.length > 0 && shape.length <= RANK_MAX && name !== '') {
    return { name, shape: ['N', ...shape] };
  }
  throw queryError(
    text,
    span,
    `INPUT has from one to ${RANK_MAX} dimensions`,
    'write the shape of an example: INPUT(1, 28, 28)',
  );
}

function isSize(value: unknown): value is number {
  return Number.isInteger(value) && (value as number) >= 1 && (value as number) < 2 ** 31;
}
