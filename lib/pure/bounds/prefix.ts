/**
 * Networks with operators that have no rule: such an operator and all that leads to it run as they are, with whole
 * weights, and bounds begin at what comes out. The values there are those of the reference if both are run alike: one
 * example at a time, on one thread, without optimizations.
 */
import { type GraphNode, usedNames } from '../network/network.js';
import { type Analysis, NoBounds } from './analysis.js';
import { ForwardPass } from './forward/forward.js';
import { RULES } from './forward/rules.js';

/** Reasons that are told. */
const REASONS_MAX = 3;

/** @throws {NoBounds} if nothing is left to be bounded. */
export function beyondUnknown(analysis: Analysis): Analysis {
  const { nodes, scores, parameters } = analysis;
  const one = { ...analysis, isBatched: false };
  const unknown = new ForwardPass(one, RULES).unknown(scores);
  if (unknown.length === 0) return analysis;
  const makers = new Map(nodes.flatMap((node) => node.outputs.map((name) => [name, node])));
  const before = new Set<GraphNode>();
  const stack = unknown.map(({ node }) => node);
  for (let node = stack.pop(); node !== undefined; node = stack.pop()) {
    if (before.has(node)) continue;
    before.add(node);
    for (const name of usedNames(node)) {
      const maker = makers.get(name);
      if (maker !== undefined) stack.push(maker);
    }
  }
  const [first] = unknown as [{ node: GraphNode; why: string }];
  const why = [...new Set(unknown.map((one) => one.why))].slice(0, REASONS_MAX).join('; ');
  const rest = nodes.filter((node) => !before.has(node));
  const used = new Set(rest.flatMap(({ inputs }) => inputs));
  const made = [...before].flatMap(({ outputs }) => outputs);
  const outputs = made.filter((name) => used.has(name));
  const needed = new Set([...before].flatMap(usedNames));
  const spared = new Set([...used].filter((name) => parameters.has(name) && !needed.has(name)));
  const isOver = !rest.some((node) => node.outputs.includes(scores));
  const isOdd = outputs.some((name) => !analysis.floats.has(name) || name.includes('#'));
  if (isOver || spared.size === 0 || isOdd || outputs.length === 0)
    throw new NoBounds(why, first.node.op);
  const given = [...analysis.given.filter((name) => used.has(name)), ...outputs];
  const cut: Analysis = {
    ...one,
    nodes: rest,
    given,
    prefix: { outputs, spared, why },
  };
  new ForwardPass(cut, RULES).run(scores);
  return cut;
}
