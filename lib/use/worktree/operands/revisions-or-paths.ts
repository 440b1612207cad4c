/**
 * Words that may be revisions, then paths. Without a `--` between them, they are told apart as in
 * git.
 */
import nodePath from 'node:path';
import { DlvError } from '../../../base/errors.js';
import { statOrNull } from '../../../base/files/files.js';
import type { ReadAccess } from '../../../storage/objects/access.js';
import { readStaging } from '../../../storage/repo/staging/staging-file.js';
import type { OpContext } from '../../context.js';
import { splitPlace } from '../../history/diff/places.js';
import { parseRange } from '../../history/lines/ranges.js';
import { resolveId } from '../../history/lines/resolve.js';
import { PathInput } from './path-input.js';

/**
 * Revisions first; from the first word that is none, but names a file of the work tree or a tracked
 * one, all are paths. A word that is both counts as a revision.
 * @throws {NotFoundError} {UsageError} {AmbiguousError} for a word that is neither.
 */
export async function splitWords(
  repo: ReadAccess,
  words: readonly string[],
  context: OpContext,
): Promise<{ revisions: string[]; paths: string[] }> {
  for (const [i, word] of words.entries()) {
    try {
      const range = parseRange(word);
      const place = splitPlace(word)?.revision ?? word.replace(/^\^/, '');
      const ends = range === null || place !== word ? [place] : [range.from, range.to];
      for (const end of ends) await resolveId(repo, end);
    } catch (error) {
      const isUnknown =
        error instanceof DlvError && (error.code === 'DLV_NOT_FOUND' || error.code === 'DLV_USAGE');
      if (!isUnknown || !(await namesFile(repo, word, context))) throw error;
      return { revisions: words.slice(0, i), paths: words.slice(i) };
    }
  }
  return { revisions: [...words], paths: [] };
}

async function namesFile(repo: ReadAccess, word: string, context: OpContext): Promise<boolean> {
  let input: PathInput;
  try {
    input = new PathInput(repo.layout, context.cwd, word);
  } catch {
    return false; // no path of this work tree: what is wrong with it as a revision is said
  }
  if (input.path === '' || (await statOrNull(nodePath.resolve(context.cwd, word))) !== null) {
    return true;
  }
  const { staging } = await readStaging(repo.layout);
  const tracked = staging.models().flatMap(({ model }) => staging.entries(model));
  return input.select(tracked.map(({ path }) => path)).size > 0;
}
