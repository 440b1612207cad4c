/** Rules of products, of recurrent layers and of attention. */
import type { Dim, Shape } from '../network.js';
import {
  type NodeShapes,
  type Rule,
  ShapeConflict,
  type Shaped,
  shaped,
  UnknownShape,
} from './node-shapes.js';

export const MATRIX: Record<string, Rule> = {
  MatMul: (at) => [shaped(at.dtype(), product(at, at.shape(0), at.shape(1)))],
  FusedMatMul: (at) => [
    shaped(at.dtype(), product(at, turned(at, 0, 'transA'), turned(at, 1, 'transB'))),
  ],
  MatMulInteger: (at) => [shaped('I32', product(at, at.shape(0), at.shape(1)))],
  QLinearMatMul: (at) => [shaped(at.dtype(7), product(at, at.shape(0), at.shape(3)))],
  MatMulNBits: (at) => [shaped(at.dtype(), [...at.shape(0).slice(0, -1), at.number('N', 1)])],
  Gemm: (at) => [shaped(at.dtype(), product(at, turned(at, 0, 'transA'), turned(at, 1, 'transB')))],
  Einsum: (at) => [einsum(at)],
  Det: (at) => [shaped(at.dtype(), at.shape(0).slice(0, -2))],
  RNN: (at) => recurrent(at),
  GRU: (at) => recurrent(at),
  LSTM: (at) => recurrent(at),
  Attention: (at) => (at.node.domain === '' ? attention(at) : [fusedAttention(at)]),
  MultiHeadAttention: (at) => [sameButLast(at, at.optional(2)?.shape ?? at.shape(0))],
  GroupQueryAttention: (at) => [groupedQueries(at)],
  EmbedLayerNormalization: (at) => {
    const [batch = 1, length = 1] = at.shape(0);
    return [shaped(at.dtype(2), [batch, length, at.shape(2)[1] ?? 1])];
  },
};

/** The last two dimensions of an input, swapped where an attribute says so. */
function turned(at: NodeShapes, index: number, name: string): Shape {
  const shape = at.shape(index);
  if (at.number(name, 0) !== 1 || shape.length < 2) return shape;
  return [...shape.slice(0, -2), shape.at(-1) as Dim, shape.at(-2) as Dim];
}

/** Shape of a product of stacks of matrices; a vector is a matrix of one row, or one column. */
function product(at: NodeShapes, a: Shape, b: Shape): Dim[] {
  if (a.length === 0 || b.length === 0) throw new ShapeConflict('multiplies a scalar as a matrix');
  const left = a.length === 1 ? [1, ...a] : a;
  const right = b.length === 1 ? [...b, 1] : b;
  const [inner, other] = [left.at(-1) as Dim, right.at(-2) as Dim];
  if (typeof inner === 'number' && typeof other === 'number' && inner !== other) {
    throw new ShapeConflict(`multiplies [${a.join(', ')}] by [${b.join(', ')}]`);
  }
  const stack = at.broadcast(left.slice(0, -2), right.slice(0, -2));
  const rows = a.length === 1 ? [] : [left.at(-2) as Dim];
  const columns = b.length === 1 ? [] : [right.at(-1) as Dim];
  return [...stack, ...rows, ...columns];
}

/** Sizes of the letters of an equation, and its output: 'bij,bjk->bik'. */
export function readEquation(
  equation: string,
  shapes: readonly Shape[],
): { sizes: Map<string, Dim>; output: string } {
  const [left = '', right] = equation.replaceAll(' ', '').split('->');
  const terms = left.split(',');
  if (terms.length !== shapes.length || equation.includes('...')) throw new UnknownShape();
  const sizes = new Map<string, Dim>();
  const counts = new Map<string, number>();
  terms.forEach((term, i) => {
    const shape = shapes[i] as Shape;
    if (term.length !== shape.length)
      throw new ShapeConflict(`has '${term}' for [${shape.join(', ')}]`);
    [...term].forEach((letter, d) => {
      const known = sizes.get(letter);
      if (known === undefined || known === 1 || typeof known === 'string')
        sizes.set(letter, shape[d] as Dim);
      counts.set(letter, (counts.get(letter) ?? 0) + 1);
    });
  });
  const once = [...counts].filter(([, count]) => count === 1).map(([letter]) => letter);
  return { sizes, output: right ?? once.sort().join('') };
}

function einsum(at: NodeShapes): Shaped {
  const shapes = at.inputs.map((_, i) => at.shape(i));
  const { sizes, output } = readEquation(at.text('equation', ''), shapes);
  return shaped(
    at.dtype(),
    [...output].map((letter) => sizes.get(letter) ?? 1),
  );
}

function recurrent(at: NodeShapes): Shaped[] {
  const [first = 1, second = 1] = at.shape(0);
  const isBatchFirst = at.number('layout', 0) === 1;
  const [steps, batch] = isBatchFirst ? [second, first] : [first, second];
  const directions = at.text('direction', 'forward') === 'bidirectional' ? 2 : 1;
  const hidden = at.number('hidden_size', 0) || (at.shape(2)[2] ?? 1);
  const all = isBatchFirst
    ? [batch, steps, directions, hidden]
    : [steps, directions, batch, hidden];
  const last = isBatchFirst ? [batch, directions, hidden] : [directions, batch, hidden];
  const dtype = at.dtype();
  return [shaped(dtype, all), shaped(dtype, last), shaped(dtype, last)];
}

/** Attention of the standard operators: queries [B, heads, S, d] or [B, S, heads·d]. */
function attention(at: NodeShapes): Shaped[] {
  const { dims } = at;
  const query = at.shape(0);
  const key = at.shape(1);
  const value = at.shape(2);
  const [heads, keyHeads] = [at.number('q_num_heads', 1), at.number('kv_num_heads', 1)];
  const isFlat = query.length === 3;
  const last = isFlat
    ? dims.mul(dims.floorDiv(value.at(-1) as Dim, keyHeads), heads)
    : (value.at(-1) as Dim);
  const past = at.optional(4)?.shape?.[2];
  const total = past === undefined ? (key.at(-2) as Dim) : dims.add(past, key.at(-2) as Dim);
  const split = (shape: Shape): Shape => {
    if (shape.length === 4) return [shape[0] as Dim, shape[1] as Dim, total, shape[3] as Dim];
    return [shape[0] as Dim, keyHeads, total, dims.floorDiv(shape[2] as Dim, keyHeads)];
  };
  const scores = [query[0] as Dim, isFlat ? heads : (query[1] as Dim), query.at(-2) as Dim, total];
  const dtype = at.dtype();
  return [
    shaped(dtype, [...query.slice(0, -1), last]),
    shaped(dtype, split(key)),
    shaped(dtype, split(value)),
    shaped(dtype, scores),
  ];
}

/** com.microsoft: input [B, S, I] times weights [I, q + k + v]. */
function fusedAttention(at: NodeShapes): Shaped {
  const [batch = 1, length = 1] = at.shape(0);
  const sizes = at.numberList('qkv_hidden_sizes');
  const last = sizes?.[2] ?? at.dims.floorDiv(at.shape(1)[1] ?? 1, 3);
  return shaped(at.dtype(), [batch, length, last]);
}

function sameButLast(at: NodeShapes, value: Shape): Shaped {
  const query = at.shape(0);
  if (query.length !== 3) throw new UnknownShape();
  const last = value.length === 3 ? value[2] : at.dims.product([value[1] ?? 1, value[3] ?? 1]);
  return shaped(at.dtype(), [...query.slice(0, -1), last as Dim]);
}

/** Queries with keys and values in one tensor have (heads + 2·kv heads)·d as their last dimension. */
function groupedQueries(at: NodeShapes): Shaped {
  const query = at.shape(0);
  if (at.optional(1) !== undefined) return shaped(at.dtype(), query);
  const [heads, keyHeads] = [at.number('num_heads', 1), at.number('kv_num_heads', 1)];
  const size = at.dims.floorDiv(query.at(-1) as Dim, heads + 2 * keyHeads);
  return shaped(at.dtype(), [...query.slice(0, -1), at.dims.mul(size, heads)]);
}
