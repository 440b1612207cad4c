/** Tensors of a file that have some bytes in common: tied weights, and views of one another. */

import type { StoredFile } from '../../storage/objects/stored/stored-file.js';
import { tensorsOf, viewBytes } from '../../storage/objects/stored/tensors.js';
import { layoutOf } from '../../storage/tiers/tier-files.js';

/** Names of tensors that share bytes with others, each with the name of the first one of its group. */
export function sharedBytes(file: StoredFile): Map<string, string> {
  if (file.skeleton === null || file.recipe === null) return new Map();
  const { tensors: spans } = layoutOf(file);
  const places = tensorsOf(file)
    .flatMap((tensor, i) => {
      const offset = spans[i]?.offset;
      const end = (offset ?? 0) + viewBytes(tensor);
      return offset === undefined || end === offset ? [] : [{ name: tensor.name, offset, end }];
    })
    .sort((a, b) => a.offset - b.offset || b.end - a.end);
  const groups: { names: string[]; end: number }[] = [];
  for (const { name, offset, end } of places) {
    const group = groups.at(-1);
    if (group !== undefined && offset < group.end) {
      group.names.push(name);
      group.end = Math.max(group.end, end);
    } else groups.push({ names: [name], end });
  }
  return new Map(
    groups
      .filter(({ names }) => names.length > 1)
      .flatMap(({ names }) => names.map((name) => [name, names[0] as string])),
  );
}
