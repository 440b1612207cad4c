/** `dlv bench`: what its quick and its slow tests share. */
import type { PlanPoint } from '../../lib/use/measure/bench-plans.js';
import { packFiles } from './pack-files.js';
import type { TestRepository } from './repository.js';

/** Nothing is left out for want of time on a busy machine. */
export const UNHURRIED = ['--time-limit', '600'];

export async function packsOf(repo: TestRepository): Promise<string[]> {
  const names = await packFiles(repo.file('.dlv/packs'));
  return names.sort();
}

export function checkPlans(
  points: readonly PlanPoint[],
  bounds: readonly { budget: number }[],
): string[] {
  const wrong: string[] = [];
  const mst = points.find(({ planner }) => planner === 'mst') as PlanPoint;
  const spt = points.find(({ planner }) => planner === 'spt') as PlanPoint;
  for (const point of points) {
    const name = `${point.planner} × ${point.budget}`;
    if (point.storage < mst.storage) wrong.push(`${name} stores less than the lightest tree`);
    if (point.recreation < spt.recreation) wrong.push(`${name} is faster than shortest paths`);
    if (point.budget === null) continue;
    if (!point.within || point.stretch > point.budget + 1e-9) wrong.push(`${name} is over`);
    const auto = points.find((p) => p.planner === 'auto' && p.budget === point.budget);
    if (!auto || auto.storage > point.storage) wrong.push(`auto stores more than ${name}`);
    const bound = bounds.find(({ budget }) => budget === point.budget) as { storage?: number };
    if (!((bound.storage as number) <= point.storage)) wrong.push(`${name} is below the bound`);
  }
  return wrong;
}
