/** Steps uphill in the dual of the flow relaxation: deflected subgradients, and points kept for later. */
import type { FlowPaths, Multipliers } from './flow-paths.js';

/** A point kept for later: its flow multipliers that are not zero, by place. */
export interface SavedPoint {
  readonly place: Int32Array;
  readonly flow: Float32Array;
  readonly group: Float64Array;
  readonly node: Float64Array;
}

/** How many multipliers there are of each kind. */
export type MultiplierCounts = Readonly<Record<keyof Multipliers, number>>;

export class FlowAscent {
  readonly point: Multipliers;
  /** The subgradient; FlowRelaxation fills it after each evaluation. */
  readonly slope: Multipliers;
  readonly #direction: Multipliers;
  readonly #paths: FlowPaths;

  constructor(paths: FlowPaths, counts: MultiplierCounts) {
    const zero = (): Multipliers => ({
      flow: new Float64Array(counts.flow),
      group: new Float64Array(counts.group),
      node: new Float64Array(counts.node),
    });
    this.point = zero();
    this.slope = zero();
    this.#direction = zero();
    this.#paths = paths;
  }

  /** A copy of the point, for a branch; rounded, so the bound there may differ a little. */
  save(): SavedPoint {
    const { flow, group, node } = this.point;
    const { places } = this.#paths.reach;
    let count = 0;
    this.#paths.forEachReach((base, start, end) => {
      for (let slot = start; slot < end; slot++) if (flow[base + places[slot]!] !== 0) count++;
    });
    const saved = { place: new Int32Array(count), flow: new Float32Array(count) };
    let fill = 0;
    this.#paths.forEachReach((base, start, end) => {
      for (let slot = start; slot < end; slot++) {
        const at = base + places[slot]!;
        if (flow[at] === 0) continue;
        saved.place[fill] = at;
        saved.flow[fill++] = flow[at]!;
      }
    });
    return { ...saved, group: group.slice(), node: node.slice() };
  }

  /** Goes to a saved point; multipliers of edges out of reach become zero. */
  restore({ place, flow, group, node }: SavedPoint): void {
    this.point.group.set(group);
    this.point.node.set(node);
    const own = this.point.flow.fill(0);
    const all = this.#direction.flow.fill(0);
    for (let at = 0; at < place.length; at++) all[place[at]!] = flow[at]!;
    const { places } = this.#paths.reach;
    this.#paths.forEachReach((base, start, end) => {
      for (let slot = start; slot < end; slot++) {
        const at = base + places[slot]!;
        own[at] = all[at]!;
      }
    });
    for (const part of [this.#direction, this.slope]) {
      part.flow.fill(0);
      part.group.fill(0);
      part.node.fill(0);
    }
  }

  /**
   * Moves the point along the slope.
   * @param rise   by how much the value should rise, by the linear model.
   * @param scale  recreation cost that counts as one step, per group and per vertex.
   * @returns false if the slope is zero.
   */
  step(rise: number, scale: Pick<Multipliers, 'group' | 'node'>): boolean {
    const norm = this.#deflect();
    if (norm < 1e-18) return false;
    const step = rise / norm;
    const { point } = this;
    const direction = this.#direction;
    this.#moveFlow(step);
    for (let at = 0; at < point.group.length; at++) {
      const change = (step * direction.group[at]!) / scale.group[at]!;
      point.group[at] = Math.max(0, point.group[at]! + change);
    }
    for (let at = 1; at < point.node.length; at++) {
      const change = (step * direction.node[at]!) / scale.node[at]!;
      point.node[at] = Math.max(0, point.node[at]! + change);
    }
    return true;
  }

  /** Turns the direction towards the slope. @returns its squared length. */
  #deflect(): number {
    const { slope, point } = this;
    const direction = this.#direction;
    const { places } = this.#paths.reach;
    let cross = 0;
    let length = 0;
    const measure = (old: Float64Array, now: Float64Array, at: number): void => {
      cross += old[at]! * now[at]!;
      length += old[at]! * old[at]!;
    };
    this.#paths.forEachReach((base, start, end) => {
      for (let slot = start; slot < end; slot++) {
        measure(direction.flow, slope.flow, base + places[slot]!);
      }
    });
    for (let at = 0; at < slope.group.length; at++) measure(direction.group, slope.group, at);
    for (let at = 1; at < slope.node.length; at++) measure(direction.node, slope.node, at);
    // Deflection after Camerini, Fratta and Maffioli (1975): only where the directions disagree.
    const keep = cross < 0 && length > 0 ? Math.min(1, (-1.5 * cross) / length) : 0;
    let norm = 0;
    const turn = (old: Float64Array, now: Float64Array, where: Float64Array, at: number): void => {
      let next = keep * old[at]! + now[at]!;
      if (next < 0 && where[at] === 0) next = 0;
      old[at] = next;
      norm += next * next;
    };
    this.#paths.forEachReach((base, start, end) => {
      for (let slot = start; slot < end; slot++) {
        turn(direction.flow, slope.flow, point.flow, base + places[slot]!);
      }
    });
    for (let at = 0; at < slope.group.length; at++) {
      turn(direction.group, slope.group, point.group, at);
    }
    for (let at = 1; at < slope.node.length; at++) turn(direction.node, slope.node, point.node, at);
    return norm;
  }

  #moveFlow(step: number): void {
    const { flow } = this.point;
    const direction = this.#direction.flow;
    const { places } = this.#paths.reach;
    this.#paths.forEachReach((base, start, end) => {
      for (let slot = start; slot < end; slot++) {
        const at = base + places[slot]!;
        if (direction[at] !== 0) flow[at] = Math.max(0, flow[at]! + step * direction[at]!);
      }
    });
  }
}
