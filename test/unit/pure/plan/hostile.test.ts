/** Graphs and plans that are wrong: each is refused with its own error, none hangs or is believed. */
import test from 'ava';
import { BugError, CorruptError, LimitError } from '../../../../lib/base/errors.js';
import { PLAN_NODES_MAX } from '../../../../lib/base/limits.js';
import { planStorage } from '../../../../lib/pure/plan/auto.js';
import { GraphBuilder, withBudgets } from '../../../../lib/pure/plan/graph.js';
import { verifyPlan } from '../../../../lib/pure/plan/verify.js';
import { toyGraph } from '../../../helpers/storage-graphs.js';

test('builder: refuses costs that are not numbers, negative or without end', (t) => {
  const builder = new GraphBuilder(2);
  for (const cost of [Number.NaN, -1, Infinity, -Infinity]) {
    t.throws(() => builder.materialize(1, cost, 1), { instanceOf: BugError });
    t.throws(() => builder.materialize(1, 1, cost), { instanceOf: BugError });
    t.throws(() => builder.delta(1, 2, cost, 1), { instanceOf: BugError });
  }
  t.throws(() => builder.group('g', 'independent', [1], Number.NaN), { instanceOf: BugError });
  t.throws(() => builder.group('g', 'independent', [1], -1), { instanceOf: BugError });
  t.throws(() => withBudgets(toyGraph(), [Number.NaN, 1]), { instanceOf: BugError });
  t.throws(() => withBudgets(toyGraph(), [1]), { instanceOf: BugError });
});

test('builder: refuses loops, unknown vertices, the root as a head or base, and too many', (t) => {
  const builder = new GraphBuilder(2);
  t.throws(() => builder.delta(1, 1, 1, 1), { instanceOf: BugError });
  t.throws(() => builder.delta(0, 1, 1, 1), { instanceOf: BugError });
  t.throws(() => builder.delta(1, 3, 1, 1), { instanceOf: BugError });
  t.throws(() => builder.delta(3, 1, 1, 1), { instanceOf: BugError });
  t.throws(() => builder.materialize(0, 1, 1), { instanceOf: BugError });
  t.throws(() => builder.group('g', 'parallel', [0], 1), { instanceOf: BugError });
  t.throws(() => builder.group('g', 'parallel', [3], 1), { instanceOf: BugError });
  t.throws(() => new GraphBuilder(-1), { instanceOf: BugError });
  t.throws(() => new GraphBuilder(1.5), { instanceOf: BugError });
  t.throws(() => new GraphBuilder(PLAN_NODES_MAX), { instanceOf: LimitError });
});

test('auto: plans a graph without extents', (t) => {
  const report = planStorage(new GraphBuilder(0).build());
  t.is(report.status, 'optimal');
  t.is(report.plan!.storage, 0);
});

test('auto: names extents that only a cycle of deltas reaches', (t) => {
  const builder = new GraphBuilder(4);
  builder.materialize(1, 5, 5);
  builder.delta(2, 3, 1, 1);
  builder.delta(3, 2, 1, 1);
  builder.delta(1, 4, 1, 1);
  const report = planStorage(builder.build());
  t.is(report.status, 'infeasible');
  t.is(report.plan, undefined);
  t.deepEqual(report.unreachable, [2, 3]);
});

test('auto: is not drawn into a cycle of free deltas', (t) => {
  const builder = new GraphBuilder(3);
  for (const node of [1, 2, 3]) builder.materialize(node, 10 + node, 1);
  for (const [base, node] of [
    [1, 2],
    [2, 3],
    [3, 1],
  ] as const) {
    builder.delta(base, node, 0, 0);
  }
  builder.group('all', 'independent', [1, 2, 3], 3);
  const report = planStorage(builder.build());
  t.is(report.status, 'optimal');
  t.is(report.plan!.storage, 11);
});

test('auto: a budget below the shortest paths is infeasible, with the least it could be', (t) => {
  const report = planStorage(toyGraph([2.5, 6]));
  t.is(report.status, 'infeasible');
  t.deepEqual(report.unmet, [{ group: 0, least: 3 }]);
  t.is(report.lowerBound, Infinity);
});

test('auto: a reusable budget that only sharing too much would meet is never called within', (t) => {
  const builder = new GraphBuilder(2);
  builder.materialize(1, 10, 10);
  builder.materialize(2, 10, 10);
  builder.group('both', 'reusable', [1, 2], 15);
  t.is(planStorage(builder.build()).status, 'infeasible');
});

test('verifier: refuses cycles, missing, foreign and unknown edges', (t) => {
  const graph = toyGraph();
  const good = planStorage(graph).plan!.parentEdge;
  const broken = (change: (plan: Int32Array) => void): Int32Array => {
    const plan = good.slice();
    change(plan);
    return plan;
  };
  const refused = (plan: Int32Array): void => {
    t.throws(() => verifyPlan(graph, plan), { instanceOf: CorruptError });
  };
  refused(good.slice(0, -1));
  refused(new Int32Array(0));
  refused(broken((plan) => plan.fill(-1)));
  refused(broken((plan) => plan.fill(0, 0, 1)));
  for (const edge of [-1, -7, graph.edgeCount, 2 ** 31 - 1]) {
    refused(
      broken((plan) => {
        plan[3] = edge;
      }),
    );
  }
  // An edge into another vertex, then two deltas that feed each other.
  refused(
    broken((plan) => {
      plan[1] = plan[2]!;
    }),
  );
  const edgeOf = (from: number, to: number): number =>
    graph.from.findIndex((tail, edge) => tail === from && graph.to[edge] === to);
  refused(
    broken((plan) => {
      plan[4] = edgeOf(5, 4);
      plan[5] = edgeOf(4, 5);
    }),
  );
});

test('verifier: recomputes costs and says which budgets are broken', (t) => {
  const graph = toyGraph([2.5, 100]);
  const plan = verifyPlan(graph, planStorage(withBudgets(graph, [3, 6])).plan!.parentEdge);
  t.is(plan.storage, 24);
  t.false(plan.isWithin);
  t.deepEqual(
    plan.groups.map(({ isWithin }) => isWithin),
    [false, true],
  );
});
