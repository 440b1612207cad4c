/**
 * The plans part of `dlv bench`: every planner over a sweep of budgets on one storage graph, with the
 * lower bound that no plan can pass.
 *
 * A budget is a factor: each snapshot may cost this many times what it costs at least. Takes any
 * storage graph; bench-graph.ts makes that of a repository.
 */

import { throwIfAborted } from '../../base/bytes/abort.js';
import { planStorage } from '../../pure/plan/auto.js';
import { type Scheme, type StorageGraph, withBudgets } from '../../pure/plan/graph.js';
import {
  BASIC_PLANNERS,
  type BasicPlanner,
  type PlanInput,
  preparePlanning,
  runPlanner,
} from '../../pure/plan/planners/planners.js';
import { Steps } from '../../pure/plan/steps.js';
import { verifyPlan } from '../../pure/plan/verify.js';
import type { RecreationUnit } from '../../storage/archive/planning/storage-graph.js';
import type { OpContext } from '../context.js';

/** What one planner made of one budget. */
export interface PlanPoint {
  planner: string;
  /** null: the planner takes no budget. */
  budget: number | null;
  /** Bytes of all extents. */
  storage: number;
  /** Sum over the snapshots, in the unit of the graph. */
  recreation: number;
  /** The most that a snapshot costs against its least. */
  stretch: number;
  /** Every snapshot is within the budget. */
  within: boolean;
  seconds: number;
}

/** No plan within the budget stores less. */
export interface PlanBound {
  budget: number;
  storage: number;
  /** True if the plan of 'auto' is the best there is. */
  optimal: boolean;
}

export interface PlansResult {
  scheme: Scheme;
  /** Of recreation costs. */
  unit: RecreationUnit;
  extents: number;
  candidates: number;
  snapshots: number;
  /** As stored now; null where no single number stands for that. */
  now: { storage: number; recreation: number } | null;
  points: PlanPoint[];
  bounds: PlanBound[];
}

/** Planners that look at no budget. */
const WITHOUT_BUDGET: readonly BasicPlanner[] = ['mst', 'spt'];

export interface SweepOptions {
  /** Factors, each at least 1. */
  budgets: readonly number[];
  /** Most time of one planner on one budget. */
  timeLimitMs: number;
}

/** Runs every planner on every budget. @param graph  its own budgets are not looked at. */
export async function sweepPlans(
  graph: StorageGraph,
  { budgets, timeLimitMs }: SweepOptions,
  context: OpContext,
): Promise<Pick<PlansResult, 'points' | 'bounds'>> {
  const points: PlanPoint[] = [];
  const bounds: PlanBound[] = [];
  const free = preparePlanning(
    withBudgets(
      graph,
      graph.groups.map(() => Infinity),
    ),
  );
  if (free === undefined) return { points, bounds };
  const least = verifyPlan(graph, free.shortest.parentEdge).groups.map(({ cost }) => cost);
  const steps = (): Steps => {
    const until = performance.now() + timeLimitMs;
    return new Steps(Number.POSITIVE_INFINITY, () => performance.now() > until);
  };
  const run = async (
    planner: string,
    budget: number | null,
    input: PlanInput,
    make: () => Int32Array,
  ): Promise<void> => {
    throwIfAborted(context.signal);
    const started = performance.now();
    const plan = verifyPlan(input.graph, make());
    const seconds = (performance.now() - started) / 1000;
    const recreation = plan.groups.reduce((sum, { cost }) => sum + cost, 0);
    const stretches = plan.groups.map(({ cost }, i) => {
      const own = least[i] as number;
      return own > 0 ? cost / own : 1;
    });
    const stretch = stretches.reduce((most, value) => Math.max(most, value), 1);
    const { storage, isWithin: within } = plan;
    points.push({ planner, budget, storage, recreation, stretch, within, seconds });
    context.progress.advance(1);
    await new Promise((resolve) => setImmediate(resolve));
  };
  const bounded = BASIC_PLANNERS.filter((planner) => !WITHOUT_BUDGET.includes(planner));
  const runs = WITHOUT_BUDGET.length + budgets.length * (bounded.length + 1);
  context.progress.start('planning', runs, 'plans');
  // Of an interrupted run, the plans until then.
  const isCut = (): boolean => points.length > 0 && context.signal?.aborted === true;
  for (const planner of WITHOUT_BUDGET) {
    if (isCut()) break;
    await run(planner, null, free, () => runPlanner(free, planner, steps()));
  }
  for (const budget of [...budgets].sort((a, b) => a - b)) {
    if (isCut()) break;
    // Least costs are whole numbers of bytes or of 1/1024 ms: rounding down keeps sums exact.
    const limits = least.map((cost) => Math.floor(cost * budget * 1024) / 1024);
    const bound = withBudgets(graph, limits);
    const input = preparePlanning(bound) as PlanInput;
    for (const planner of bounded) {
      if (isCut()) break;
      await run(planner, budget, input, () => runPlanner(input, planner, steps()));
    }
    if (isCut()) break;
    await run('auto', budget, input, () => {
      const until = performance.now() + 2 * timeLimitMs;
      const report = planStorage(bound, { shouldStop: () => performance.now() > until });
      const storage = Math.min(report.lowerBound, report.plan?.storage ?? Infinity);
      bounds.push({ budget, storage, optimal: report.status === 'optimal' });
      return report.plan?.parentEdge ?? input.shortest.parentEdge;
    });
  }
  context.progress.finish();
  return { points, bounds };
}
