/** Three-way merge of named things: what one side alone changed is taken from that side. */

/** Where the merged state of a name comes from; in a conflict both sides changed it, differently. */
export type Origin = 'ours' | 'theirs' | 'conflict';

/** The same thing on the three sides; undefined where a side has none of that name. */
export interface Sides<T> {
  base: T | undefined;
  ours: T | undefined;
  theirs: T | undefined;
}

/** All names of three sides, in the order of ours, then those that only others have. */
export function alignSides<T>(
  base: ReadonlyMap<string, T>,
  ours: ReadonlyMap<string, T>,
  theirs: ReadonlyMap<string, T>,
): Map<string, Sides<T>> {
  const names = new Set([...ours.keys(), ...theirs.keys(), ...base.keys()]);
  return new Map(
    [...names].map((name) => [
      name,
      { base: base.get(name), ours: ours.get(name), theirs: theirs.get(name) },
    ]),
  );
}

/** @param isSame  tells if two things are equal; two that are not there are. */
export async function originOf<T>(
  { base, ours, theirs }: Sides<T>,
  isSame: (a: T, b: T) => Promise<boolean>,
): Promise<Origin> {
  const equal = async (a: T | undefined, b: T | undefined): Promise<boolean> =>
    a === undefined || b === undefined ? a === b : isSame(a, b);
  if (await equal(ours, theirs)) return 'ours';
  if (await equal(base, theirs)) return 'ours';
  if (await equal(base, ours)) return 'theirs';
  return 'conflict';
}
