/**
 * Paths and globs of the user against the paths of a version or of the staging area: for commands
 * whose files need not exist in the work tree.
 */
import { NotFoundError, UsageError } from '../../base/errors.js';
import { pathProblem } from '../../pure/paths/version-path.js';
import type { Layout } from '../../storage/repo/layout.js';
import { closestNames } from '../../storage/repo/refs/closest.js';
import { toVersionPath } from '../../storage/repo/work-path.js';

const MAGIC = /[*?[{]/;

/**
 * The expression that matches what a glob does: `*` `?` `[ab]` `{a,b}` within a part, `**` across.
 * @throws {UsageError} DLV_USAGE for a range that runs backwards and the like.
 */
export function globExpression(glob: string): RegExp {
  let source = '';
  let depth = 0;
  for (let i = 0; i < glob.length; i++) {
    const char = glob[i] as string;
    const set = char === '[' ? /^\[(!?)([^\]/]+)\]/.exec(glob.slice(i)) : null;
    if (glob.startsWith('**/', i)) {
      source += '(?:[^/]+/)*';
      i += 2;
    } else if (glob.startsWith('**', i)) {
      source += '.*';
      i++;
    } else if (set) {
      const members = (set[2] as string).replace(/[\\\]^]/g, '\\$&');
      source += `[${set[1] ? '^/' : ''}${members}]`;
      i += (set[0] as string).length - 1;
    } else if (char === '*') source += '[^/]*';
    else if (char === '?') source += '[^/]';
    else if (char === '{' && glob.includes('}', i)) {
      source += '(?:';
      depth++;
    } else if (char === '}' && depth > 0) {
      source += ')';
      depth--;
    } else if (char === ',' && depth > 0) source += '|';
    else source += char.replace(/[\\^$.*+?()[\]{}|/]/g, '\\$&');
  }
  try {
    return new RegExp(`^${source}$`, 'u');
  } catch {
    throw new UsageError(`'${glob}' is no glob that can be understood`, { path: glob });
  }
}

/** Tells which of a set of paths the user means. */
type Matcher = (path: string) => boolean;

function matcherOf(layout: Layout, cwd: string, input: string): Matcher {
  const isGlob = MAGIC.test(input);
  const exact = isGlob && pathProblem(input) !== null ? null : toVersionPath(layout, cwd, input);
  if (exact === '') return () => true;
  const folder = toVersionPath(layout, cwd, '.');
  const glob = isGlob ? globExpression(folder === '' ? input : `${folder}/${input}`) : null;
  return (path) =>
    (exact !== null && (path === exact || path.startsWith(`${exact}/`))) ||
    glob?.test(path) === true;
}

/**
 * Those of `known` that are named by `inputs`: the path itself, all below a folder, or by a glob.
 * @param cwd   folder that relative inputs start from.
 * @param where what `known` are the paths of, for the message: `version 0123456789`.
 * @throws {NotFoundError} DLV_NOT_FOUND for an input that names none; {UsageError} for one outside.
 */
export function selectPaths(
  layout: Layout,
  cwd: string,
  inputs: readonly string[],
  known: readonly string[],
  where: string,
): Set<string> {
  const chosen = new Set<string>();
  for (const input of inputs) {
    const matches = matcherOf(layout, cwd, input);
    const found = known.filter(matches);
    if (found.length === 0) {
      const near = closestNames(input, known.slice(0, 10_000));
      throw new NotFoundError(`'${input}' matches no file of ${where}`, {
        kind: 'path',
        name: input,
        candidates: near,
        ...(near.length > 0 ? { hint: `did you mean ${near.join(' or ')}?` } : {}),
      });
    }
    for (const path of found) chosen.add(path);
  }
  return chosen;
}
