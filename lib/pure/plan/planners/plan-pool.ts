/** The best plans that a search has found so far. */
import type { Forest } from '../forest.js';

/** Plans that are kept. */
const PLANS_MAX = 8;

interface PooledPlan {
  readonly planner: string;
  readonly parentEdge: Int32Array;
  readonly storage: number;
}

export class PlanPool {
  /** Distinct plans within the budgets, best first. */
  readonly #plans: PooledPlan[] = [];
  /** The plan that exceeds the budgets least. */
  #nearest: { parentEdge: Int32Array; excess: number };

  /** @param nearest  a plan to fall back to while no other is known. */
  constructor(nearest: Int32Array) {
    this.#nearest = { parentEdge: nearest, excess: Infinity };
  }

  /** The best plan within the budgets, if there is one. */
  get best(): PooledPlan | undefined {
    return this.#plans[0];
  }

  /** The plan that exceeds the budgets least; of those within, the first. */
  get nearest(): Int32Array {
    return this.#nearest.parentEdge;
  }

  first(count: number): PooledPlan[] {
    return this.#plans.slice(0, count);
  }

  /** Takes a copy of the forest's plan if it is within the budgets. @returns true if it is. */
  keep(planner: string, forest: Forest): boolean {
    const { storage, parentEdge } = forest;
    const excess = forest.excess();
    if (excess < this.#nearest.excess) this.#nearest = { parentEdge: parentEdge.slice(), excess };
    if (excess > 0) return false;
    if (this.#plans.some((known) => isSameTree(known.parentEdge, parentEdge))) return true;
    this.#plans.push({ planner, parentEdge: parentEdge.slice(), storage });
    this.#plans.sort((left, right) => left.storage - right.storage);
    this.#plans.length = Math.min(this.#plans.length, PLANS_MAX);
    return true;
  }
}

function isSameTree(left: Int32Array, right: Int32Array): boolean {
  return left.every((edge, node) => edge === right[node]);
}
