/** What patterns are made of: who made a value for one user alone, and which operand is a number. */
import type { GraphNode } from '../network.js';
import type { GraphIndex } from './graph-index.js';
import type { LayerType } from './kinds.js';

/** Nodes that are one layer; the first gives it its name. */
export interface Match extends LayerType {
  nodes: readonly number[];
}

/** The node of some operators that makes a value which `user` alone uses; −1 if there is none. */
export function madeFor(
  index: GraphIndex,
  name: string | undefined,
  ops: readonly string[],
  user: number,
): number {
  if (name === undefined) return -1;
  const maker = index.maker(name);
  if (maker < 0 || !ops.includes(index.node(maker).op)) return -1;
  return index.onlyUser(name) === user ? maker : -1;
}

/** The input of a node that is not `name`; undefined if there is none. */
export function otherInput(node: GraphNode, name: string): string | undefined {
  const [a, b] = node.inputs;
  return a === name ? b : b === name ? a : undefined;
}

/** An operand that is a number, and the one that is not. */
export function withScalar(
  index: GraphIndex,
  node: GraphNode,
): { value: string; scalar: number } | null {
  const [a = '', b = ''] = node.inputs;
  const right = index.scalar(b);
  if (right !== undefined) return { value: a, scalar: right };
  const left = index.scalar(a);
  return left === undefined || node.op === 'Div' || node.op === 'Sub'
    ? null
    : { value: b, scalar: left };
}

export function near(value: number | undefined, wanted: number): boolean {
  return value !== undefined && Math.abs(value - wanted) <= 1e-3 * Math.abs(wanted);
}
