/** Finds the names that a user may have meant, by edit distance, for hints. */

/** Edits (insert, delete, replace, swap of neighbours) that turn `a` into `b`. */
export function editDistance(a: string, b: string): number {
  let before: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1];
      let cost = Math.min(
        (last[j] as number) + 1,
        (row[j - 1] as number) + 1,
        (last[j - 1] as number) + (same ? 0 : 1),
      );
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) {
        cost = Math.min(cost, (before[j - 2] as number) + 1);
      }
      row.push(cost);
    }
    [before, last] = [last, row];
  }
  return last[b.length] as number;
}

/**
 * What an error says of a name that does not exist: the names nearest to it, and a hint that asks for
 * them. @param remedy  the hint if none is near.
 */
export function suggestNames(
  name: string,
  names: Iterable<string>,
  remedy?: string,
): { candidates: string[]; hint?: string } {
  const candidates = closestNames(name, names);
  const hint = candidates.length > 0 ? `did you mean ${candidates.join(' or ')}?` : remedy;
  return { candidates, ...(hint === undefined ? {} : { hint }) };
}

/**
 * Up to three of `names` that are near `name`, the nearest first; never `name` itself. Of a name with folders or a
 * model before it, the last part alone may be near, unless that is a name, too.
 */
export function closestNames(name: string, names: Iterable<string>): string[] {
  const wanted = name.toLowerCase().slice(0, 200);
  const scored: { name: string; score: number }[] = [];
  const all = new Set(names);
  for (const candidate of all) {
    if (candidate === name) continue;
    const plain = candidate.toLowerCase().slice(0, 200);
    // One or two letters are in most names.
    const least = Math.min(plain.length, wanted.length);
    const near = least > 2 && (plain.includes(wanted) || wanted.includes(plain));
    const score = near ? 1 : Math.min(editDistance(wanted, plain), ofLastPart(wanted, plain, all));
    // The half sorts what only the last part is near behind, and leaves nothing out.
    if (score <= Math.max(1, Math.floor(wanted.length / 3)) + 0.5)
      scored.push({ name: candidate, score });
  }
  scored.sort((a, b) => a.score - b.score || (a.name < b.name ? -1 : 1));
  return scored.slice(0, 3).map((row) => row.name);
}

/** How far a name without folders is from the last part of one with them: as that, and a little more. */
function ofLastPart(wanted: string, plain: string, names: ReadonlySet<string>): number {
  const last = plain.slice(plain.lastIndexOf('/') + 1);
  if (last === plain || wanted.includes('/') || names.has(last)) return Number.POSITIVE_INFINITY;
  return editDistance(wanted, last) + 0.5;
}
