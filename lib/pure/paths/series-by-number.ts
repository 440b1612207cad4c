/** Series of checkpoints in a folder where no word says a step: several names that differ in a number alone. */
import type { SeriesPlace } from './checkpoint-names.js';
import { bestNumber, numberedName } from './numbered-names.js';
import { isWeightsFile, LOOSE_WEIGHTS } from './weights-names.js';

/**
 * The checkpoint of each path that belongs to one: 'net-100.pt' beside 'net-200.pt', 'ck/100/model.pt' beside
 * 'ck/200/model.pt'. The outermost folder or file counts of which there are several; one alone is none.
 */
export function seriesByNumber(paths: readonly string[]): Map<string, SeriesPlace> {
  const places = new Map<string, SeriesPlace[]>();
  const numbers = new Map<string, Set<number>>();
  for (const path of paths) {
    const found = numberedPlaces(path);
    places.set(path, found);
    if (!isWeights(path)) continue;
    for (const { series, step } of found) {
      numbers.set(series, (numbers.get(series) ?? new Set()).add(step));
    }
  }
  const chosen = new Map<string, SeriesPlace>();
  for (const [path, found] of places) {
    const place = found.find(({ series }) => (numbers.get(series)?.size ?? 0) > 1);
    if (place !== undefined) chosen.set(path, place);
  }
  return chosen;
}

/** Data is numbered as well, and has many of the endings of weights. */
function isWeights(path: string): boolean {
  return isWeightsFile(path) && LOOSE_WEIGHTS.test(path);
}

/** Each folder of a path, and the file, that a number may tell apart from others; the outermost first. */
function numberedPlaces(path: string): SeriesPlace[] {
  const parts = path.split('/');
  return parts.flatMap((part, i) => {
    const found = numberedName(part);
    const best = found === null ? null : bestNumber(found);
    if (found === null || best === null) return [];
    const above = parts.slice(0, i);
    return {
      series: [...above, found.common].join('/'),
      checkpoint: [...above, part].join('/'),
      step: best.value,
    };
  });
}
