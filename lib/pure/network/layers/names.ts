/**
 * Names of layers: what the network's author would call them. From the modules around an operator, the
 * path in its name, or the name of its weights; else from the layer before it, or its place among
 * layers of its kind. Prefixes and counters that exporters make up are left out.
 */
import type { GraphNode } from '../network.js';

/** Longer names are no names of layers. */
const NAME_MAX = 200;

/** Segments that exporters put in front of the author's. */
const GENERATED_SEGMENT =
  /^(StatefulPartitionedCall|PartitionedCall|torch_jit|main_graph|.*__Inline_\d+__)$/;
/** Names that an exporter counted up: p2o.Conv.0, node_conv2d_3, Conv_12, 57. */
const COUNTED = /^(p2o\.\w+\.\d+|node_.*|(onnx::)?[A-Za-z0-9]*_?\d+|)$/;

/** What a layer is called by the file, before it is made unique. */
export interface GivenName {
  /** null: the file says nothing. */
  name: string | null;
  /** True if the name may be that of a module around several layers. */
  isPlace: boolean;
}

/** The name that modules or the path of a node's name give it. */
export function nameOfNode(node: GraphNode): GivenName {
  const scope = node.scopes.at(-1);
  if (scope !== undefined && scope.length <= NAME_MAX) return { name: scope, isPlace: true };
  return nameOfPath(node.name, node.op);
}

/** `/layer1/layer1.0/conv1/Conv_2` → `layer1.0.conv1`. */
export function nameOfPath(path: string, op: string): GivenName {
  if (path.length > 8 * NAME_MAX) return { name: null, isPlace: false };
  const segments = path.split('/').filter((part) => part !== '' && !GENERATED_SEGMENT.test(part));
  if (!path.includes('/')) {
    const isName = !COUNTED.test(path) && !isOperator(path, op);
    return { name: isName && path.length <= NAME_MAX ? path : null, isPlace: false };
  }
  const last = segments.at(-1);
  if (last !== undefined && (isOperator(last, op) || /^[A-Z]\w*$/.test(last))) segments.pop();
  const kept = segments.filter((part, i) => !segments[i + 1]?.startsWith(`${part}.`));
  const name = kept.join('.');
  return { name: name === '' || name.length > NAME_MAX ? null : name, isPlace: true };
}

function isOperator(segment: string, op: string): boolean {
  return (
    segment === op || (segment.startsWith(`${op}_`) && /^\d+$/.test(segment.slice(op.length + 1)))
  );
}

/** What stands behind the name of a layer in that of its weights. */
const WEIGHT_SUFFIX =
  /([._/](weight|bias|kernel|gamma|beta|scale|w_0|b_0|weights)(_quantized|:0)?|_(w|b)_0|\/(Conv2D|MatMul)?\/?ReadVariableOp(:0)?)$/;
/** In front of it, by inlining. */
const WEIGHT_PREFIX = /^.*__Inline_\d+__/;

/** `conv1.weight` → `conv1`; null for names that an exporter made up, such as `onnx::Conv_48`. */
export function nameOfWeight(weight: string): string | null {
  if (weight.length > NAME_MAX) return null;
  const own = weight.replace(WEIGHT_PREFIX, '');
  const cut = own.replace(WEIGHT_SUFFIX, '').replace(/\/(Conv2D|MatMul|BiasAdd)$/, '');
  if (cut === '' || cut === own) return null;
  return cut.replaceAll('/', '.').replace(/^StatefulPartitionedCall\./, '');
}

/**
 * A tensor's name as a person reads it: without what inlining put in front of the author's name. It names the
 * tensor no more, so it is only shown: `If_0/then_branch/If_0_then_branch__Inline_0__rnn.bias` →
 * `If_0/then_branch/rnn.bias`.
 */
export function plainTensorName(name: string): string {
  return name.replace(/(^|\/)[^/]*__Inline_\d+__\/?/g, '$1');
}

/** Gives each name once: the second `relu` is `relu#2`. */
export class UniqueNames {
  readonly #counts = new Map<string, number>();

  add(name: string): string {
    const count = (this.#counts.get(name) ?? 0) + 1;
    this.#counts.set(name, count);
    if (count === 1) return name;
    return this.add(`${name}#${count}`);
  }
}
