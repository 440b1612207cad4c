/** The paper's worked example (Fig 5) and graphs small enough to be planned by hand. */
import test from 'ava';
import { planStorage } from '../../../../lib/pure/plan/auto.js';
import { solveExactly } from '../../../../lib/pure/plan/bounds/exact.js';
import { compileBudgets } from '../../../../lib/pure/plan/budgets.js';
import { GraphBuilder, withBudgets, withScheme } from '../../../../lib/pure/plan/graph.js';
import {
  commonStretch,
  preparePlanning,
  runPlanner,
} from '../../../../lib/pure/plan/planners/planners.js';
import { Steps } from '../../../../lib/pure/plan/steps.js';
import { verifyPlan } from '../../../../lib/pure/plan/verify.js';
import { toyGraph } from '../../../helpers/storage-graphs.js';

function storageOf(planner: Parameters<typeof runPlanner>[1]): number {
  const graph = toyGraph();
  const plan = runPlanner(preparePlanning(graph)!, planner, new Steps());
  return verifyPlan(graph, plan).storage;
}

test('toy graph: the lightest trees store 19 and break a budget', (t) => {
  const graph = toyGraph();
  const plan = verifyPlan(graph, preparePlanning(graph)!.light);
  t.is(plan.storage, 19);
  // Two of them, by the way round that m1 and m3 are joined: 3 and 7.5, or 3.5 and 7.
  t.is(
    plan.groups.reduce((sum, { cost }) => sum + cost, 0),
    10.5,
  );
  t.false(plan.isWithin);
});

test('toy graph: PAS-MT stores 24 and PAS-PT 27, as computed by hand from their rules', (t) => {
  t.is(storageOf('pas-mt'), 24);
  t.is(storageOf('pas-pt'), 27);
});

test('toy graph: auto stores 24 with and without the exact solver, and proves it with it', (t) => {
  const heuristic = planStorage(toyGraph(), { exact: false });
  t.is(heuristic.plan!.storage, 24);
  const exact = planStorage(toyGraph());
  t.is(exact.status, 'optimal');
  t.is(exact.plan!.storage, 24);
  t.is(exact.lowerBound, 24);
  t.is(exact.gap, 0);
  t.deepEqual(
    exact.plan!.groups.map(({ cost }) => cost),
    [3, 6],
  );
});

test('toy graph: the exact solver ends alone, and below its optimum finds nothing', (t) => {
  const graph = toyGraph();
  const budgets = compileBudgets(graph);
  const found = solveExactly(graph, budgets, new Steps());
  t.true(found.isProven);
  t.is(found.storage, 24);
  const below = solveExactly(graph, budgets, new Steps(), { cutoff: 24 });
  t.true(below.isProven);
  t.is(below.bound, 24);
});

test('toy graph: loose budgets leave the lightest tree, tight ones the shortest paths', (t) => {
  const loose = planStorage(toyGraph([3.5, 7.5]));
  t.is(loose.status, 'optimal');
  t.is(loose.planner, 'mst');
  t.is(loose.plan!.storage, 19);
  const tight = planStorage(toyGraph([3, 5]));
  t.is(tight.status, 'optimal');
  t.true(tight.plan!.isWithin);
});

test('toy graph: parallel and reusable budgets of its own costs are kept', (t) => {
  const parallel = planStorage(withScheme(withBudgets(toyGraph(), [2, 2]), 'parallel'));
  t.is(parallel.status, 'optimal');
  t.true(parallel.plan!.recreation.every((cost) => cost <= 2));
  const reusable = planStorage(withScheme(toyGraph([3, 5.5]), 'reusable'));
  t.is(reusable.status, 'optimal');
  // s2 shares the path of m4 with m5: (m3) 1.5 or 1, m2 2, m4 1, m5 1.
  t.true(reusable.plan!.groups[1]!.cost <= 5.5);
  t.true(reusable.plan!.storage <= 24);
});

test('parallel edges: the level that the budget allows is taken', (t) => {
  const levels = (budget: number) => {
    const builder = new GraphBuilder(1);
    for (const [storage, recreation] of [
      [100, 1],
      [80, 2],
      [70, 5],
    ] as const) {
      builder.materialize(1, storage, recreation);
    }
    builder.group('only', 'independent', [1], budget);
    return planStorage(builder.build());
  };
  t.deepEqual(
    [1, 2, 4, 5].map((budget) => levels(budget).plan!.storage),
    [100, 80, 80, 70],
  );
  t.is(levels(5).plan!.parentEdge[1], 2);
});

test('groups: an extent in two groups keeps the stricter budget', (t) => {
  const builder = new GraphBuilder(2);
  builder.materialize(1, 10, 10);
  builder.materialize(2, 10, 10);
  builder.delta(1, 2, 1, 5);
  builder.group('loose', 'independent', [1, 2], 40);
  builder.group('strict', 'parallel', [2], 12);
  t.is(planStorage(builder.build()).plan!.storage, 20);
  builder.group('unbound', 'reusable', [2], Infinity);
  t.is(planStorage(builder.build()).plan!.storage, 20);
});

test('stretch: the least budget over shortest cost, never below one', (t) => {
  t.is(commonStretch(preparePlanning(toyGraph([6, 12]))!), 2);
  t.is(commonStretch(preparePlanning(toyGraph([2, 100]))!), 1);
});

test('last: an extent that can be rebuilt for nothing is, whatever its storage allows', (t) => {
  const builder = new GraphBuilder(1);
  builder.materialize(1, 10, 13);
  builder.materialize(1, 10, 0);
  builder.group('free', 'independent', [1], 10);
  const input = preparePlanning(builder.build())!;
  const plan = verifyPlan(input.graph, runPlanner(input, 'last', new Steps()));
  t.true(plan.isWithin);
  t.is(plan.recreation[1], 0);
});
