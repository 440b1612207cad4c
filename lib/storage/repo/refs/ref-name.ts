/**
 * Names of models, branches, tags and refs: git's rules (git check-ref-format), and a model is one
 * part without '@', so that `model/branch` and `model@n` have one reading.
 */
import { type Id, isId } from '../../../base/bytes/hash.js';
import { PLAIN } from '../../../base/bytes/printable.js';
import { UsageError } from '../../../base/errors.js';
import { REF_NAME_BYTES_MAX, REF_PART_BYTES_MAX } from '../../../base/limits.js';

/** Why `name` cannot be (the tail of) a ref name, as the rest of a sentence; or null. */
export function refNameProblem(name: string): string | null {
  if (name === '') return 'is empty';
  if (!PLAIN.test(name) && /\p{Cs}|\p{Cc}/u.test(name))
    return 'holds a character that cannot be shown';
  const bad = /[ ~^:?*[\\]|\.\.|@\{/.exec(name);
  if (bad) return `holds '${bad[0]}'`;
  if (name === '@' || name === 'HEAD') return 'names the current version already';
  if (name.startsWith('-')) return "begins with '-'";
  if (Buffer.byteLength(name) > REF_NAME_BYTES_MAX) return `is over ${REF_NAME_BYTES_MAX} bytes`;
  for (const part of name.split('/')) {
    if (part === '') return 'has an empty part';
    if (part.startsWith('.')) return "has a part that begins with '.'";
    if (part.endsWith('.')) return "has a part that ends with '.'";
    if (part.endsWith('.lock')) return "has a part that ends with '.lock'";
    if (Buffer.byteLength(part) > REF_PART_BYTES_MAX) {
      return `has a part over ${REF_PART_BYTES_MAX} bytes`;
    }
  }
  return null;
}

/** Why `name` cannot name a model (or a remote), as the rest of a sentence; or null. */
export function modelNameProblem(name: string): string | null {
  if (name.includes('/')) return "holds '/'";
  if (name.includes('@')) return "holds '@'";
  return refNameProblem(name);
}

/** As a version id, or the ten digits and more of it that are shown, is written; a date is not. */
const ID_DIGITS = /^(?=.*[a-f])[0-9a-f]{10,64}$/i;

/** True if a name may be read as another revision: as `model@n`, or as first digits of a version id. */
export function mayBeRevision(name: string): boolean {
  return name.includes('@') || /^[0-9a-f]{4,64}$/i.test(name);
}

/**
 * Why nothing new may get `name`, as the rest of a sentence; or null: `model@n` and the first digits
 * of a version id are revisions, and a ref of that name would be before them. Refs of older
 * repositories may have such names, and shorter digits may turn out to be those of a version: where
 * a name has two readings, it is ambiguous.
 */
export function takenByRevision(name: string): string | null {
  if (name.includes('@')) return "holds '@', which is kept for revisions such as model@2";
  return ID_DIGITS.test(name) ? 'could be the first digits of a version id' : null;
}

function check(kind: string, name: string, problem: string | null): string {
  if (problem !== null) {
    throw new UsageError(`'${name.replace(/\p{Cc}|\p{Cs}/gu, '?')}' ${problem}`, {
      name,
      hint: `choose another name for the ${kind}, such as trial-2`,
    });
  }
  return name;
}

/** Gives a model name back, or that of another `kind` that follows the same rules. @throws {UsageError} what is wrong with it */
export function checkModelName(name: string, kind: 'model' | 'query' = 'model'): string {
  return check(kind, name, modelNameProblem(name));
}

/** Gives a branch name back. @throws {UsageError} DLV_USAGE */
export function checkBranchName(name: string): string {
  return check('branch', name, refNameProblem(name));
}

/** Gives the name of a model that is to be made back. @throws {UsageError} DLV_USAGE */
export function checkNewModelName(name: string): string {
  return check('model', name, modelNameProblem(name) ?? takenByRevision(name));
}

/** Gives the name of a branch that is to be made back. @throws {UsageError} DLV_USAGE */
export function checkNewBranchName(name: string): string {
  return check('branch', name, refNameProblem(name) ?? takenByRevision(name));
}

/** Gives the name of a tag that is to be made back. @throws {UsageError} DLV_USAGE */
export function checkNewTagName(name: string): string {
  return check('tag', name, refNameProblem(name) ?? takenByRevision(name));
}

/** Gives a tag name back. @throws {UsageError} DLV_USAGE */
export function checkTagName(name: string): string {
  return check('tag', name, refNameProblem(name));
}

/** What a ref name says. */
export type RefPlace =
  | { kind: 'head'; model: string; branch: string }
  | { kind: 'tag'; tag: string }
  | { kind: 'notes'; version: string }
  | { kind: 'stash'; model: string; number: number }
  | { kind: 'remote'; remote: string; rest: string };

/** Takes a full ref name apart; null if it is none. */
export function parseRefName(name: string): RefPlace | null {
  if (refNameProblem(name) !== null) return null;
  const [refs, kind, first, ...rest] = name.split('/');
  if (refs !== 'refs' || first === undefined) return null;
  const tail = rest.join('/');
  if (kind === 'tags') {
    const tag = [first, ...rest].join('/');
    return refNameProblem(tag) === null ? { kind: 'tag', tag } : null;
  }
  if (kind === 'notes') {
    const isVersion = isId(tail) && tail.startsWith(first) && first.length === 2;
    return isVersion ? { kind: 'notes', version: tail } : null;
  }
  if (rest.length === 0 || modelNameProblem(first) !== null) return null;
  if (kind === 'stash') {
    return /^[1-9]\d{0,8}$/.test(tail)
      ? { kind: 'stash', model: first, number: Number(tail) }
      : null;
  }
  if (kind === 'heads') {
    return refNameProblem(tail) === null ? { kind: 'head', model: first, branch: tail } : null;
  }
  return kind === 'remotes' ? { kind: 'remote', remote: first, rest: tail } : null;
}

/** A ref as people write it: a branch as `model/branch`, others in full. */
export function shownRef(name: string): string {
  return name.replace(/^refs\/heads\/(?=[^/]+\/.)/, '');
}

/** Gives a full ref name back. @throws {UsageError} DLV_USAGE if it is none. */
export function checkRefName(name: string): string {
  const problem = refNameProblem(name) ?? (parseRefName(name) ? null : 'is not a name of a ref');
  return check('ref', name, problem);
}

/** Name of the ref that holds the notes of a version. */
export function notesRefName(version: Id): string {
  return `refs/notes/${version.slice(0, 2)}/${version}`;
}

/** Name of the ref of a branch. */
export function branchRefName(model: string, branch: string): string {
  return `refs/heads/${model}/${branch}`;
}

/** Name of the ref of stashed work. @param number  from 1, in the order of stashing. */
export function stashRefName(model: string, number: number): string {
  return `refs/stash/${model}/${number}`;
}

/** Name of the ref that says where a branch of a remote was seen. */
export function remoteRefName(remote: string, model: string, branch: string): string {
  return `refs/remotes/${remote}/${model}/${branch}`;
}

/** Name of the ref of a tag. */
export function tagRefName(tag: string): string {
  return `refs/tags/${tag}`;
}
