/**
 * Which assignment of the sampled axes is tried next: at random, or by a tree of Parzen estimators (Bergstra et al.,
 * NIPS 2011) over all axes at once, as in Optuna: the best tenth of what was tried against the rest, candidates from the
 * density of the best, and of them the one with the largest ratio of both densities.
 */
import { Draws } from '../metrics/statistics.js';
import { type Assignment, placeOf, type SampledAxis, valueAt } from './space.js';

/** How assignments are found. */
export type Method = 'random' | 'tpe';

/** What was tried: an assignment, and how it did; null: it failed, which is worse than all others. */
export interface Tried {
  assignment: Assignment;
  /** Less is better. */
  cost: number | null;
}

/** Trials at random before TPE looks at them. */
export const STARTS = 10;
const CANDIDATES = 24;
const BEST_SHARE = 0.1;
const BEST_MAX = 25;
/** Width of a kernel for one observation, and at least. */
const WIDTH = 0.2;
const WIDTH_LEAST = 0.02;
const DRAWN = 1 << 30;

/** Which trial: of a cell, and how often its assignment turned out to be known already. */
export interface Place {
  seed: number;
  cell: number;
  index: number;
  attempt?: number;
}

/** One draw's numbers: the same for one seed, cell and index, whatever was drawn before. */
function drawsOf({ seed, cell, index, attempt = 0 }: Place): Draws {
  const mixed =
    Math.imul(seed + 1, 0x9e3779b1) ^
    Math.imul(cell + 1, 0x85ebca6b) ^
    Math.imul(attempt, 0xc2b2ae35);
  return new Draws((mixed >>> 0) * 0x10000 + (index & 0xffff));
}

const uniform = (draws: Draws): number => (draws.next(DRAWN) + 0.5) / DRAWN;

/**
 * The assignment of trial `index` of a cell.
 * @param tried  what is known of that cell.
 */
export function suggest(
  axes: readonly SampledAxis[],
  method: Method,
  tried: readonly Tried[],
  place: Place,
): Assignment {
  const draws = drawsOf(place);
  const isEarly = method === 'random' || place.index < STARTS || tried.length < 2;
  const places = isEarly ? axes.map(() => uniform(draws)) : estimate(axes, tried, draws);
  return Object.fromEntries(axes.map((axis, i) => [axis.key, valueAt(axis, places[i] as number)]));
}

/** Kernels around places that were tried, and one as wide as the space. */
interface Density {
  centers: readonly (readonly number[])[];
  width: number;
}

function densityOf(centers: readonly (readonly number[])[], axes: number): Density {
  const width = WIDTH * Math.max(1, centers.length) ** (-1 / (axes + 4));
  return { centers, width: Math.max(WIDTH_LEAST, width) };
}

function logDensity({ centers, width }: Density, place: readonly number[]): number {
  // The prior is uniform.
  let sum = 1;
  for (const center of centers) {
    let product = 1;
    for (const [i, at] of place.entries()) {
      const off = (at - (center[i] as number)) / width;
      product *= Math.exp(-0.5 * off * off) / (width * Math.sqrt(2 * Math.PI));
    }
    sum += product;
  }
  return Math.log(sum / (centers.length + 1));
}

function estimate(axes: readonly SampledAxis[], tried: readonly Tried[], draws: Draws): number[] {
  const worth = ({ cost }: Tried): number => cost ?? Number.POSITIVE_INFINITY;
  const ordered = [...tried].sort((a, b) =>
    worth(a) < worth(b) ? -1 : worth(a) > worth(b) ? 1 : 0,
  );
  const best = Math.min(BEST_MAX, Math.ceil(BEST_SHARE * tried.length));
  const places = ordered.map(({ assignment }) =>
    axes.map((axis) => placeOf(axis, assignment[axis.key] as number)),
  );
  const good = densityOf(places.slice(0, best), axes.length);
  const bad = densityOf(places.slice(best), axes.length);
  let [chosen, most] = [axes.map(() => 0.5), Number.NEGATIVE_INFINITY];
  for (let i = 0; i < CANDIDATES; i += 1) {
    const candidate = draw(good, axes.length, draws);
    const ratio = logDensity(good, candidate) - logDensity(bad, candidate);
    if (ratio > most) [chosen, most] = [candidate, ratio];
  }
  return chosen;
}

function draw({ centers, width }: Density, axes: number, draws: Draws): number[] {
  const center = centers[draws.next(centers.length + 1)];
  return Array.from({ length: axes }, (_, i) => {
    if (center === undefined) return uniform(draws);
    for (;;) {
      const radius = Math.sqrt(-2 * Math.log(uniform(draws)));
      const at = (center[i] as number) + width * radius * Math.cos(2 * Math.PI * uniform(draws));
      if (at >= 0 && at <= 1) return at;
    }
  });
}
