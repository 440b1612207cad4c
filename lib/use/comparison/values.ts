/** Named values of several versions as rows: hyperparameters, environment, data, operation. */
import type { ParamValue } from '../../pure/logs/param-value.js';
import { parseParam } from '../../pure/logs/param-value.js';
import type { NamedText } from '../../storage/repo/version/knowledge.js';
import type { ComparedValue } from './result.js';

/**
 * One row for each name, sorted by names.
 * @param sides     name and value; null for a side that is no version.
 * @param baseline  place of the side that numbers are compared with.
 */
export function compareValues(
  sides: readonly (ReadonlyMap<string, ParamValue> | null)[],
  baseline: number,
): ComparedValue[] {
  const names = new Set(sides.flatMap((side) => [...(side?.keys() ?? [])]));
  return [...names].sort().map((name): ComparedValue => {
    const base = sides[baseline]?.get(name);
    const cells = sides.map((side, at): ComparedValue['cells'][number] => {
      const value = side?.get(name);
      if (value === undefined) return null;
      const isNumbers = typeof value === 'number' && typeof base === 'number' && at !== baseline;
      return { value, delta: isNumbers ? value - base : null };
    });
    const texts = new Set(cells.map((cell) => JSON.stringify(cell?.value ?? [null])));
    return { name, cells, equal: texts.size === 1 };
  });
}

/** Hyperparameters as `compareValues` takes them. */
export function paramsOf(params: readonly NamedText[]): Map<string, ParamValue> {
  return new Map(params.map(({ name, text }) => [name, parseParam(text)]));
}

/** Texts that stay texts. */
export function textsOf(rows: readonly NamedText[]): Map<string, ParamValue> {
  return new Map(rows.map(({ name, text }) => [name, text]));
}
