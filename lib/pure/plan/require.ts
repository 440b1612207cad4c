/**
 * From a report to a plan that keeps its promises, or to an error that says why there is none.
 */
import { PlanInfeasibleError } from '../../base/errors.js';
import type { PlanReport } from './auto.js';
import type { StorageGraph } from './graph.js';
import type { VerifiedPlan } from './verify.js';

/** Groups that an error names. */
const NAMED_MAX = 10;

/**
 * Gives the report's plan if it meets every budget.
 * @throws {PlanInfeasibleError} DLV_PLAN_INFEASIBLE naming the groups over budget and what they cost at
 *   least, or the extents that cannot be stored at all.
 */
export function requirePlan(graph: StorageGraph, report: PlanReport): VerifiedPlan {
  const { plan, unreachable, unmet, status } = report;
  if (plan === undefined) {
    const first = unreachable[0]!;
    throw new PlanInfeasibleError(
      `cannot plan: extent ${first} can be neither materialised nor reached by deltas`,
      {
        extents: unreachable.slice(0, NAMED_MAX),
        count: unreachable.length,
        hint: 'offer a materialisation of every extent',
      },
    );
  }
  if (status !== 'infeasible' && plan.isWithin) return plan;
  const over =
    unmet.length > 0
      ? unmet.map(({ group, least }) => ({ group, cost: least }))
      : plan.groups.flatMap(({ cost, isWithin }, group) => (isWithin ? [] : [{ group, cost }]));
  const groups = over.slice(0, NAMED_MAX).map(({ group, cost }) => {
    const { name, budget, scheme } = graph.groups[group]!;
    return { name, scheme, budget, cost };
  });
  const first = groups[0];
  if (first === undefined) throw new PlanInfeasibleError('no plan meets all budgets together');
  const isProven = unmet.length > 0 || status === 'infeasible';
  const what = isProven ? 'costs at least' : 'costs, in the nearest plan found,';
  throw new PlanInfeasibleError(
    `no plan keeps '${first.name}' within ${first.budget}: it ${what} ${first.cost}`,
    {
      groups,
      count: over.length,
      isProven,
      hint: isProven
        ? `give '${first.name}' a budget of ${first.cost} or more`
        : 'raise the budgets or give the search more time',
    },
  );
}
