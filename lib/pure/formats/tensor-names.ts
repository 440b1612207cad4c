/**
 * Gives every tensor of one file a name of its own, in bounded memory.
 *
 * Formats whose names come from nested structures can spell one name twice; later ones then get a
 * suffix by order of appearance, so that the same file always gives the same names.
 */
import { CHARGES, type MemoryBudget } from './memory-budget.js';

/** The names given so far; one object for each namespace (a role of a layout). */
export class TensorNames {
  readonly #budget: MemoryBudget;
  readonly #next = new Map<string, number>();

  /** @param budget charged for the names. */
  constructor(budget: MemoryBudget) {
    this.#budget = budget;
  }

  has(name: string): boolean {
    return this.#next.has(name);
  }

  /** `name`, or `name~2`, `name~3` … if it is taken. @throws {LimitError} for too many or too long names. */
  add(name: string): string {
    this.#budget.charge(CHARGES.entry + CHARGES.text + name.length);
    let unique = name;
    for (let n = this.#next.get(name) ?? 1; this.#next.has(unique); n++) {
      unique = `${name}~${n + 1}`;
      this.#next.set(name, n + 1);
    }
    this.#next.set(unique, 1);
    return unique;
  }
}
