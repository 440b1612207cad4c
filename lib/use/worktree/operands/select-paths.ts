/**
 * Paths and globs of the user against the paths of a version or of the staging area: for commands
 * whose files need not exist in the work tree.
 */

import { suggestNames } from '../../../base/bytes/words/closest.js';
import { NotFoundError } from '../../../base/errors.js';
import type { Layout } from '../../../storage/repo/layout.js';
import { PathInput } from './path-input.js';

/**
 * Those of `known` that are named by `inputs`: the path itself, all below a folder, or by a glob.
 * @param cwd   folder that relative inputs start from.
 * @param where what `known` are the paths of, for the message: `version 0123456789`.
 * @throws {NotFoundError} DLV_NOT_FOUND for an input that names none; {UsageError} for one outside.
 */
export function selectPaths(
  { layout, cwd }: { readonly layout: Layout; readonly cwd: string },
  inputs: readonly string[],
  known: readonly string[],
  where: string,
): Set<string> {
  const chosen = new Set<string>();
  for (const text of inputs) {
    const found = new PathInput(layout, cwd, text).select(known);
    if (found.size === 0) throw notFound(text, known, where);
    for (const path of found.keys()) chosen.add(path);
  }
  return chosen;
}

function notFound(text: string, known: readonly string[], where: string): NotFoundError {
  return new NotFoundError(`'${text}' matches no file of ${where}`, {
    kind: 'path',
    name: text,
    ...suggestNames(text, known.slice(0, 10_000), "'dlv status' and 'dlv show' list files"),
  });
}
