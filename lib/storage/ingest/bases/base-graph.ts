/**
 * Which extents are probably close: an undirected graph whose edges join namesakes of neighbouring
 * versions, present bases and close sketches; and the candidate bases that it gives each extent.
 *
 * Distance counts changes, not versions: a tensor that ten versions left alone is one vertex.
 */

/** Namesakes this many changes away are candidates too: chains then need not be walked link by link. */
const SKIPS = [4, 8, 16];
/** Neighbours of one vertex that are looked at: a base of thousands of fine-tunes is not a hub of pairs. */
const NEIGHBOURS_MAX = 6;
/** Candidates of one vertex. */
export const CANDIDATES_MAX = 10;

export class BaseGraph {
  readonly #near = new Map<number, number[]>();
  readonly #pairs = new Set<number>();

  /** Joins two vertices; repeated calls count once. */
  join(a: number, b: number): void {
    if (a === b) return;
    const key = Math.min(a, b) * 2 ** 26 + Math.max(a, b);
    if (this.#pairs.has(key)) return;
    this.#pairs.add(key);
    this.#list(a).push(b);
    this.#list(b).push(a);
  }

  /** What a vertex is joined with, in the order in which it was. */
  neighbours(vertex: number): readonly number[] {
    return this.#near.get(vertex) ?? [];
  }

  /**
   * Vertices 1 … count with those that are joined next to one another, each history from its first
   * vertex on: the order in which what was read a moment ago is wanted again.
   */
  order(count: number): number[] {
    const order: number[] = [];
    const isMet = new Uint8Array(count + 1);
    for (let start = 1; start <= count; start++) {
      if (isMet[start] === 1) continue;
      isMet[start] = 1;
      const first = order.push(start) - 1;
      for (let at = first; at < order.length; at++) {
        for (const next of this.neighbours(order[at] as number)) {
          if (isMet[next] === 1) continue;
          isMet[next] = 1;
          order.push(next);
        }
      }
    }
    return order;
  }

  /**
   * Candidate bases of a vertex, best first, at most CANDIDATES_MAX: its neighbours, theirs, and the
   * ones 4, 8 and 16 changes back along first neighbours.
   */
  candidates(vertex: number): number[] {
    const found = new Set<number>();
    const add = (candidate: number): void => {
      if (candidate !== vertex && found.size < CANDIDATES_MAX) found.add(candidate);
    };
    const near = this.neighbours(vertex).slice(0, NEIGHBOURS_MAX);
    for (const neighbour of near) add(neighbour);
    let back: number | undefined = vertex;
    for (let steps = 1; steps <= (SKIPS.at(-1) as number) && back !== undefined; steps++) {
      const at: number = back;
      back = this.neighbours(at).find((other) => other < at);
      if (back !== undefined && SKIPS.includes(steps)) add(back);
    }
    for (const neighbour of near) {
      for (const next of this.neighbours(neighbour).slice(0, 2)) add(next);
    }
    return [...found];
  }

  #list(vertex: number): number[] {
    const known = this.#near.get(vertex);
    if (known !== undefined) return known;
    const list: number[] = [];
    this.#near.set(vertex, list);
    return list;
  }
}
