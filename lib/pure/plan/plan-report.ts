/** What a search for a plan tells while it runs and when it ends, and why there may be no plan at all. */
import type { StorageGraph } from './graph.js';
import type { PlanInput } from './planners/planners.js';
import { findShortestPaths } from './planners/shortest-paths.js';
import type { VerifiedPlan } from './verify.js';

/** How far a search is. */
export interface PlanProgress {
  /** What is being tried: a planner of `BASIC_PLANNERS`, `bound`, `local-search`, `exact`…. */
  readonly stage: string;
  readonly stepsSpent: number;
  readonly stepsMax: number;
  /** Storage of the best plan within the budgets; Infinity while there is none. */
  readonly storage: number;
  readonly lowerBound: number;
}

/** What one planner achieved: as published, and after repair and reclaim. */
export interface Trial {
  readonly planner: string;
  readonly storage: number;
  readonly isWithin: boolean;
}

/** A group whose budget no plan can meet. */
export interface UnmetGroup {
  readonly group: number;
  /** The least recreation cost that any plan gives it. */
  readonly least: number;
}

/**
 * `optimal`: proven. `within`: meets every budget, gap given. `over`: no plan within the budgets was
 * found (reusable groups only), the plan is the nearest. `infeasible`: there is none.
 */
export type PlanStatus = 'optimal' | 'within' | 'over' | 'infeasible';

export interface PlanReport {
  readonly status: PlanStatus;
  /** The plan; undefined only if some extent has no way to be stored. */
  readonly plan: VerifiedPlan | undefined;
  /** Who found it. */
  readonly planner: string;
  /** No plan within the budgets stores less. */
  readonly lowerBound: number;
  /** (storage − lowerBound) ÷ storage, between 0 and 1; undefined unless the plan is within. */
  readonly gap: number | undefined;
  readonly trials: readonly Trial[];
  readonly unmet: readonly UnmetGroup[];
  /** Extents that no edge path joins to the root. */
  readonly unreachable: readonly number[];
}

/** Groups that even the shortest paths leave over budget; for reusable groups a necessary test. */
export function findUnmet(input: PlanInput): UnmetGroup[] {
  const { graph, budgets, shortest } = input;
  const unmet: UnmetGroup[] = [];
  graph.groups.forEach((group, index) => {
    let least = 0;
    for (const member of group.members) {
      const own = shortest.distance[member]!;
      const isSum = group.scheme === 'independent';
      least = isSum ? least + own : Math.max(least, own);
    }
    if (least > budgets.limit[index]!) {
      unmet.push({ group: index, least });
    }
  });
  return unmet;
}

/** The report where some extent has no way to be stored. */
export function reportUnreachable(graph: StorageGraph): PlanReport {
  const { distance } = findShortestPaths(graph);
  const unreachable: number[] = [];
  distance.forEach((cost, node) => {
    if (cost === Infinity) unreachable.push(node);
  });
  return {
    status: 'infeasible',
    plan: undefined,
    planner: 'none',
    lowerBound: Infinity,
    gap: undefined,
    trials: [],
    unmet: [],
    unreachable,
  };
}
