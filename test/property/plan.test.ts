/**
 * Laws of planning on arbitrary small graphs, with an oracle that tries every spanning tree: the exact
 * solver and `auto` give the optimum, bounds stay below it, planners keep the budgets, and the moving
 * plan's costs equal those of the verifier after any swaps.
 */
import test from 'ava';
import fc from 'fast-check';
import { planStorage } from '../../lib/pure/plan/auto.js';
import { solveExactly } from '../../lib/pure/plan/bounds/exact.js';
import { findPricedBound } from '../../lib/pure/plan/bounds/price-bound.js';
import { compileBudgets } from '../../lib/pure/plan/budgets.js';
import { Forest } from '../../lib/pure/plan/forest.js';
import { GraphBuilder, ROOT, type StorageGraph } from '../../lib/pure/plan/graph.js';
import { findArborescence } from '../../lib/pure/plan/planners/arborescence.js';
import {
  BASIC_PLANNERS,
  preparePlanning,
  runPlanner,
} from '../../lib/pure/plan/planners/planners.js';
import { findShortestPaths } from '../../lib/pure/plan/planners/shortest-paths.js';
import { planOverTree } from '../../lib/pure/plan/planners/tree-dp.js';
import { Steps } from '../../lib/pure/plan/steps.js';
import { verifyPlan } from '../../lib/pure/plan/verify.js';
import { arbitraryGraph, forEachTree, leastStorage } from '../helpers/storage-graphs.js';

const RUNS = { numRuns: 150 };
const STEPS = 3_000_000;

test('arborescence: stores the least of all spanning trees', (t) => {
  fc.assert(
    fc.property(arbitraryGraph(6), (graph) => {
      let least = Infinity;
      forEachTree(graph, (parentEdge) => {
        least = Math.min(least, verifyPlan(graph, parentEdge).storage);
      });
      const found = findArborescence(graph)!;
      t.is(found.storage, least);
      t.is(verifyPlan(graph, found.parentEdge).storage, least);
    }),
    RUNS,
  );
});

test('shortest paths: no tree rebuilds any extent faster', (t) => {
  fc.assert(
    fc.property(arbitraryGraph(6), (graph) => {
      const { distance, parentEdge } = findShortestPaths(graph);
      t.deepEqual(verifyPlan(graph, parentEdge).recreation, distance);
      forEachTree(graph, (tree) => {
        const { recreation } = verifyPlan(graph, tree);
        t.true(recreation.every((cost, node) => cost >= distance[node]!));
      });
    }),
    RUNS,
  );
});

test('exact: finds the optimum, or that there is none, from nothing', (t) => {
  fc.assert(
    fc.property(arbitraryGraph(6), (graph) => {
      const found = solveExactly(graph, compileBudgets(graph), new Steps());
      t.true(found.isProven);
      t.is(found.storage, leastStorage(graph));
    }),
    RUNS,
  );
});

test('exact: below a cutoff it finds the optimum, or proves that nothing is there', (t) => {
  fc.assert(
    fc.property(arbitraryGraph(6), fc.integer({ min: 1, max: 250 }), (graph, cutoff) => {
      const optimum = leastStorage(graph);
      const budgets = compileBudgets(graph);
      const found = solveExactly(graph, budgets, new Steps(), { cutoff });
      t.true(found.isProven);
      t.true(found.bound <= Math.max(optimum, 0));
      if (optimum < cutoff) t.is(found.storage, optimum);
      else t.is(found.bound, cutoff);
      // Cut short, it still gives a bound.
      const short = solveExactly(graph, budgets, new Steps(200), { branchesMax: 2 });
      t.true(short.bound <= optimum && short.storage >= optimum);
    }),
    RUNS,
  );
});

test('auto: equals the optimum with the exact solver on, and says when there is no plan', (t) => {
  fc.assert(
    fc.property(arbitraryGraph(7), (graph) => {
      const optimum = leastStorage(graph);
      const report = planStorage(graph, { maxSteps: STEPS * 10 });
      if (optimum === Infinity) t.is(report.status, 'infeasible');
      else {
        t.is(report.status, 'optimal');
        t.is(report.plan!.storage, optimum);
        t.is(report.lowerBound, optimum);
        t.is(report.gap, 0);
      }
    }),
    { numRuns: 60 },
  );
});

test('auto: without the exact solver the bound is never above the optimum', (t) => {
  fc.assert(
    fc.property(arbitraryGraph(7), (graph) => {
      const optimum = leastStorage(graph);
      const report = planStorage(graph, { exact: false, maxSteps: STEPS });
      if (report.status === 'within' || report.status === 'optimal') {
        t.true(report.plan!.isWithin);
        t.true(report.lowerBound <= optimum && report.plan!.storage >= optimum);
      } else if (report.status === 'infeasible') t.is(optimum, Infinity);
      else t.true(report.lowerBound <= optimum);
    }),
    { numRuns: 60 },
  );
});

test('priced bound: never above the optimum', (t) => {
  fc.assert(
    fc.property(arbitraryGraph(6), (graph) => {
      const { budgets, shortest, cap, lightStorage } = preparePlanning(graph)!;
      const { bound } = findPricedBound({
        graph,
        budgets,
        distance: shortest.distance,
        cap,
        upper: lightStorage * 2 + 10,
        rounds: 60,
        steps: new Steps(),
      });
      t.true(bound <= leastStorage(graph));
    }),
    RUNS,
  );
});

test('planners: all but the lightest tree keep budgets that the shortest paths keep', (t) => {
  fc.assert(
    fc.property(arbitraryGraph(7, ['independent', 'parallel']), (graph) => {
      const input = preparePlanning(graph)!;
      if (!verifyPlan(graph, input.shortest.parentEdge).isWithin) return;
      for (const planner of BASIC_PLANNERS) {
        const plan = verifyPlan(graph, runPlanner(input, planner, new Steps()));
        t.true(plan.storage >= input.lightStorage, planner);
        t.true(planner === 'mst' || plan.isWithin, planner);
      }
    }),
    RUNS,
  );
});

test('tree program: exact on forests with limits per vertex', (t) => {
  const forest = fc
    .array(fc.tuple(fc.nat(), fc.nat(20), fc.nat(20), fc.nat(20)), { minLength: 1, maxLength: 6 })
    .chain((rows) => fc.tuple(fc.constant(rows), fc.integer({ min: 10, max: 60 })));
  fc.assert(
    fc.property(forest, ([rows, budget]) => {
      const graph = makeChainOfRows(rows, budget);
      const { shortest, light, budgets } = preparePlanning(graph)!;
      const free = new Float64Array(graph.nodeCount);
      const skeleton = light.map((_, node) => {
        const into = [...graph.inEdges].filter((edge) => graph.to[edge] === node);
        return (
          into.find((edge) => graph.from[edge] !== ROOT && graph.from[edge]! < node) ??
          into[0] ??
          -1
        );
      });
      const limit = budgets.nodeLimit;
      const found = planOverTree(graph, skeleton, { limit, price: free, shortest }, new Steps());
      t.true(found.isExact);
      t.is(found.value, leastStorage(graph));
      if (found.value < Infinity) t.true(verifyPlan(graph, found.parentEdge).isWithin);
    }),
    RUNS,
  );
});

test('forest: costs after any swaps and after rollback equal the verifier', (t) => {
  const input = fc.tuple(arbitraryGraph(7), fc.array(fc.nat(), { maxLength: 12 }));
  fc.assert(
    fc.property(input, ([graph, picks]) => {
      const forest = new Forest(graph, compileBudgets(graph));
      forest.load(findArborescence(graph)!.parentEdge);
      const start = forest.parentEdge.slice();
      const same = (): void => {
        const plan = verifyPlan(graph, forest.parentEdge);
        t.is(forest.storage, plan.storage);
        t.deepEqual(forest.recreation, plan.recreation);
        t.deepEqual(forest.depth, plan.depth);
        t.is(forest.excess() <= 0, plan.isWithin);
        graph.groups.forEach(({ scheme }, group) => {
          const { cost } = plan.groups[group]!;
          if (scheme !== 'parallel') t.is(forest.groupCost[group], cost);
        });
      };
      forest.mark();
      for (const pick of picks) {
        const edge = pick % graph.edgeCount;
        forest.scan(graph.to[edge]!);
        if (!forest.weigh(edge)) continue;
        const excess = forest.excess() + forest.excessChange(edge);
        const storage = forest.storage + forest.storageChange;
        forest.apply(edge);
        t.is(forest.storage, storage);
        t.is(forest.excess(), excess);
        same();
      }
      forest.rollback();
      t.deepEqual(forest.parentEdge, start);
      same();
    }),
    RUNS,
  );
});

/** A tree: each vertex after the first has deltas from and to one earlier vertex; one limit for all. */
function makeChainOfRows(
  rows: readonly (readonly [number, number, number, number])[],
  budget: number,
): StorageGraph {
  const builder = new GraphBuilder(rows.length);
  rows.forEach(([pick, storage, there, back], index) => {
    const node = index + 1;
    builder.materialize(node, 20 + storage, 5 + (there % 7));
    if (index === 0) return;
    const base = 1 + (pick % index);
    builder.delta(base, node, there, 1 + (back % 9));
    builder.delta(node, base, back, 1 + (there % 9));
  });
  const members = rows.map((_, index) => index + 1);
  builder.group('all', 'parallel', members, budget);
  return builder.build();
}
