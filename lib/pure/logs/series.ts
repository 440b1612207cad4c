/** A metric over the steps of a run, as readers of logs give it and as a version summarises it. */

/** Values of one metric in order of step. All lists have the same length. */
export interface MetricSeries {
  name: string;
  /** Whole numbers ≥ 0, ascending, each once. */
  steps: number[];
  /** May hold NaN and infinities: runs diverge. */
  values: number[];
  /** Milliseconds since 1970-01-01 UTC, NaN where unknown; null if no point has a time. */
  times: number[] | null;
}

/** One measured point. */
export interface SeriesPoint {
  step: number;
  value: number;
  /** Milliseconds since 1970-01-01 UTC. */
  time: number | null;
}

/** Collects points, in any order, into series. */
export class SeriesBuilder {
  readonly #points = new Map<string, Map<number, SeriesPoint>>();
  readonly #max: number;
  #count = 0;
  /** Points beyond the bound, which were left out. */
  dropped = 0;

  /** @param max points in all that are kept. */
  constructor(max: number) {
    this.#max = max;
  }

  /** A later point at the same step takes the place of an earlier one: the run was resumed. */
  add(name: string, point: SeriesPoint): void {
    let points = this.#points.get(name);
    if (points === undefined) {
      points = new Map();
      this.#points.set(name, points);
    }
    if (!points.has(point.step)) {
      if (this.#count >= this.#max) {
        this.dropped++;
        return;
      }
      this.#count++;
    }
    points.set(point.step, point);
  }

  /** The series by name; those without a point are left out. */
  finish(): MetricSeries[] {
    const series: MetricSeries[] = [];
    for (const [name, points] of this.#points) {
      if (points.size === 0) continue;
      const sorted = [...points.values()].sort((a, b) => a.step - b.step);
      const isTimed = sorted.some(({ time }) => time !== null);
      series.push({
        name,
        steps: sorted.map(({ step }) => step),
        values: sorted.map(({ value }) => value),
        times: isTimed ? sorted.map(({ time }) => time ?? Number.NaN) : null,
      });
    }
    return series.sort((a, b) => (a.name < b.name ? -1 : 1));
  }
}

/** Positions of the points that say most: the last, the least and the most finite one. */
export function telling({ values }: Pick<MetricSeries, 'values'>): number[] {
  let least = -1;
  let most = -1;
  for (const [i, value] of values.entries()) {
    if (!Number.isFinite(value)) continue;
    if (least < 0 || value < (values[least] as number)) least = i;
    if (most < 0 || value > (values[most] as number)) most = i;
  }
  return [...new Set([least, most, values.length - 1])].filter((i) => i >= 0).sort((a, b) => a - b);
}

/**
 * The point whose value a metric has as a whole: the one without a step, which somebody gave for all of the
 * run, else the last. @param points  in order of step, the one without a step first.
 */
export function wholePoint<P extends { step: number | null }>(points: readonly P[]): P | undefined {
  const [first] = points;
  return first?.step === null ? first : points.at(-1);
}
