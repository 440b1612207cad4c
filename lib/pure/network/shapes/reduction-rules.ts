/** Rules of operators that fold dimensions into one number each. */
import type { Dim } from '../network.js';
import { fixedCount, type NodeShapes, type Rule, type Shaped, shaped } from './node-shapes.js';

const REDUCTIONS = [
  ...[
    'ReduceL1',
    'ReduceL2',
    'ReduceLogSum',
    'ReduceLogSumExp',
    'ReduceMax',
    'ReduceMean',
    'ReduceMin',
  ],
  ...['ReduceProd', 'ReduceSum', 'ReduceSumSquare'],
];

export const REDUCTION: Record<string, Rule> = {
  ArgMax: (at) => [located(at)],
  ArgMin: (at) => [located(at)],
};
for (const op of REDUCTIONS) REDUCTION[op] = (at) => [reduced(at)];

function located(at: NodeShapes): Shaped {
  const shape = at.shape(0);
  const axis = at.axis(at.number('axis', 0), shape.length);
  return shaped('I64', without(shape, new Set([axis]), at.number('keepdims', 1) === 1));
}

function without(shape: readonly Dim[], axes: ReadonlySet<number>, keeps: boolean): Dim[] {
  return shape.flatMap((dim, i) => (axes.has(i) ? (keeps ? [1] : []) : [dim]));
}

function reduced(at: NodeShapes): Shaped {
  const shape = at.shape(0);
  const given = at.list('axes', 1) ?? [];
  if (given.length === 0 && at.number('noop_with_empty_axes', 0) === 1) return at.input(0);
  const axes = new Set(
    given.length === 0 ? shape.map((_, i) => i) : given.map((axis) => at.axis(axis, shape.length)),
  );
  const made = without(shape, axes, at.number('keepdims', 1) === 1);
  return shaped(at.dtype(), made, fixedCount(made) === 1 ? total(at) : null);
}

/** The one element that a small list is folded into. */
function total(at: NodeShapes): Dim[] | null {
  const { elements } = at.input(0);
  const [first, ...others] = elements ?? [];
  if (first === undefined) return null;
  const { dims, node } = at;
  switch (node.op) {
    case 'ReduceProd':
      return [dims.product([first, ...others])];
    case 'ReduceSum':
      return [others.reduce((sum, one) => dims.add(sum, one), first)];
    case 'ReduceMax':
      return [others.reduce((most, one) => dims.max(most, one), first)];
    case 'ReduceMin':
      return [others.reduce((least, one) => dims.min(least, one), first)];
    default:
      return null;
  }
}
