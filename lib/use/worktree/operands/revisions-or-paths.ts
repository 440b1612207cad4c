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
    const problem = await revisionProblem(repo, word);
    if (problem === null) continue;
    if (!(await namesFile(repo, word, context))) throw problem;
    return { revisions: words.slice(0, i), paths: words.slice(i) };
  }
  return { revisions: [...words], paths: [] };
}

/** What is wrong with a word as a revision, a range or a place in a version; null if it is one. @throws {AmbiguousError} */
export async function revisionProblem(repo: ReadAccess, word: string): Promise<DlvError | null> {
  try {
    const range = parseRange(word);
    const place = splitPlace(word)?.revision ?? word.replace(/^\^/, '');
    const ends = range === null || place !== word ? [place] : [range.from, range.to];
    for (const end of ends) await resolveId(repo, end);
    return null;
  } catch (error) {
    const isUnknown =
      error instanceof DlvError && (error.code === 'DLV_NOT_FOUND' || error.code === 'DLV_USAGE');
    if (isUnknown) return error;
    throw error;
  }
}

/** A word as a path of the work tree; null if it can be none. */
function workPath(repo: ReadAccess, word: string, { cwd }: OpContext): PathInput | null {
  try {
    return new PathInput(repo.layout, cwd, word);
  } catch {
    return null; // what is wrong with it as a revision is said
  }
}

async function namesFile(repo: ReadAccess, word: string, context: OpContext): Promise<boolean> {
  const input = workPath(repo, word, context);
  if (input === null) return false;
  if (input.path === '' || (await statOrNull(nodePath.resolve(context.cwd, word))) !== null) {
    return true;
  }
  return isTracked(repo, word, context);
}

/** True if a word names tracked files of any model line. */
export async function isTracked(
  repo: ReadAccess,
  word: string,
  context: OpContext,
): Promise<boolean> {
  const input = workPath(repo, word, context);
  if (input === null) return false;
  const { staging } = await readStaging(repo.layout);
  const tracked = staging.models().flatMap(({ model }) => staging.entries(model));
  return input.select(tracked.map(({ path }) => path)).size > 0;
}
