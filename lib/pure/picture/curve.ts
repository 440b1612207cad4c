/** Curves of many points in few: the least and the most of each bucket, so that no spike is lost. */

/** A point of a curve. */
export interface Point {
  x: number;
  y: number;
  /** What is said of it; default: its numbers. */
  title?: string;
}

/** True for a number that an axis can hold: the range of two of them is a number, too. */
export function canDraw(value: number): boolean {
  return Math.abs(value) < 1e300;
}

/**
 * Points in order of x, thinned to at most 2 · `buckets` and the ends: of each bucket of x the least and
 * the most. Points that are not finite are kept, the first of each bucket.
 */
export function thin(points: readonly Point[], buckets: number): readonly Point[] {
  if (points.length <= 2 * buckets) return points;
  const low = points[0]?.x ?? 0;
  const width = (points.at(-1)?.x ?? 0) - low;
  const kept = new Set<number>([0, points.length - 1]);
  let at = 0;
  while (at < points.length) {
    const bucket = bucketOf(points[at] as Point, low, width, buckets);
    let least = -1;
    let most = -1;
    let odd = -1;
    for (; at < points.length; at++) {
      const point = points[at] as Point;
      if (bucketOf(point, low, width, buckets) !== bucket) break;
      if (!canDraw(point.y)) {
        if (odd < 0) odd = at;
        continue;
      }
      if (least < 0 || point.y < (points[least] as Point).y) least = at;
      if (most < 0 || point.y > (points[most] as Point).y) most = at;
    }
    for (const one of [least, most, odd]) if (one >= 0) kept.add(one);
  }
  return [...kept].sort((a, b) => a - b).map((i) => points[i] as Point);
}

function bucketOf({ x }: Point, low: number, width: number, buckets: number): number {
  return width > 0 ? Math.min(buckets - 1, Math.floor(((x - low) / width) * buckets)) : 0;
}
