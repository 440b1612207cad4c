/** Which branches and tags of a remote a fetch is about: all, or those that the user names. */

import type { Id } from '../../base/bytes/hash.js';
import { closestNames } from '../../base/bytes/words/closest.js';
import { NotFoundError, UsageError } from '../../base/errors.js';
import type { RemoteReader } from '../../storage/exchange/remote/remote.js';
import { parseRefName, remoteRefName, tagRefName } from '../../storage/repo/refs/ref-name.js';

/** A branch or tag of a remote. */
export interface Wanted {
  kind: 'branch' | 'tag';
  /** Name at the remote, and here. */
  name: string;
  here: string | null;
  id: Id;
}

/** An open remote. */
export interface FetchSource {
  readonly source: RemoteReader;
  /** Its name here; null: nothing is noted of its branches. */
  readonly remote: string | null;
  /** True: its branches become branches here, where those can be moved on. */
  readonly isImport?: boolean;
}

/** What the user named, as the remote has it. */
export interface FetchNames {
  /** Branches, `model/branch`, and models. */
  lines: string[];
  tags: string[];
}

/** @throws {NotFoundError} unless a remote has a branch of each model or name that is given. */
export function checkBranches(source: RemoteReader, only: readonly string[]): void {
  chooseBranches({ source, remote: null }, only);
}

/**
 * Reads the names after `dlv fetch <remote>`: branches, models, tags, HEAD of the remote.
 * @param model  HEAD's here: a branch without its model is one of it.
 * @throws {NotFoundError} for what the remote has not; {UsageError} for a refspec.
 */
export function readFetchNames(
  source: RemoteReader,
  names: readonly string[],
  model: string,
): FetchNames {
  const { refs, head } = source.state;
  const found: FetchNames = { lines: [], tags: [] };
  const titles = titlesOf(source);
  const isLine = (text: string): boolean =>
    titles.some((title) => title === text || title.startsWith(`${text}/`));
  for (let at = 0; at < names.length; at++) {
    let name = names[at] as string;
    const next = names[at + 1];
    if (name === 'tag' && next !== undefined) {
      name = `refs/tags/${next}`;
      at++;
    }
    if (/^\+|:/.test(name)) throw noRefspec(name);
    const plain = name.replace(/^(?:refs\/)?heads\//, '');
    const tag = name.replace(/^(?:refs\/)?tags\//, '');
    if (name === 'HEAD' && head !== null) found.lines.push(`${head.model}/${head.branch}`);
    else if (isLine(plain)) found.lines.push(plain);
    else if (titles.includes(`${model}/${plain}`)) found.lines.push(`${model}/${plain}`);
    else if (refs.has(tagRefName(tag))) found.tags.push(tag);
    else throw notThere(source, plain, model);
  }
  return found;
}

function noRefspec(text: string): UsageError {
  const from =
    text
      .replace(/^\+/, '')
      .split(':')[0]
      ?.replace(/^refs\/heads\//, '') ?? '';
  const name = from === '' ? 'main' : from;
  return new UsageError(`'${text}' is a refspec, and a fetch moves no branch here`, {
    hint:
      `'dlv fetch origin ${name}' notes where the branch is, as origin/${name}; 'dlv pull origin ${name}' ` +
      "moves the current branch, 'dlv branch <name> <rev>' makes another",
  });
}

/** `model/branch` of each branch of a remote. */
function titlesOf({ state }: RemoteReader): string[] {
  return [...state.refs.keys()].flatMap((ref) => {
    const place = parseRefName(ref);
    return place?.kind === 'head' ? [`${place.model}/${place.branch}`] : [];
  });
}

/** @throws {NotFoundError} for a model or branch of `only` that is not there. */
export function chooseBranches(
  { source, remote, isImport }: FetchSource,
  only: readonly string[] | undefined,
): Wanted[] {
  const all: Wanted[] = [];
  for (const [name, id] of source.state.refs) {
    const place = parseRefName(name);
    if (place?.kind !== 'head') continue;
    const seen = remote === null ? null : remoteRefName(remote, place.model, place.branch);
    const here = isImport ? name : seen;
    all.push({ kind: 'branch', name: `${place.model}/${place.branch}`, here, id });
  }
  if (only === undefined || only.length === 0) return all;
  const chosen = new Set<Wanted>();
  for (const text of only) {
    const found = all.filter(({ name }) => name === text || name.startsWith(`${text}/`));
    if (found.length === 0) throw notThere(source, text);
    for (const one of found) chosen.add(one);
  }
  return [...chosen];
}

/** @param model  HEAD's here, whose branches need no model; absent: only whole names were asked for, and no tags. */
function notThere(source: RemoteReader, text: string, model?: string): NotFoundError {
  const titles = titlesOf(source);
  const tags = chooseTags(source).map(({ name }) => name);
  const names = new Set(titles.flatMap((name) => [name, name.split('/')[0] as string]));
  const own = titles
    .filter((title) => model !== undefined && title.startsWith(`${model}/`))
    .map((title) => title.slice(title.indexOf('/') + 1));
  const near = closestNames(text, new Set([...own, ...names, ...tags]));
  const kinds = model === undefined ? 'no branch or model' : 'no branch, model or tag';
  return new NotFoundError(`'${source.shown}' has ${kinds} '${text}'`, {
    kind: 'branch',
    name: text,
    candidates: near,
    hint:
      near.length > 0
        ? `did you mean ${near.join(' or ')}?`
        : `it has ${[...names].slice(0, 6).join(', ') || 'no branches'}`,
  });
}

/** All tags of a remote. */
export function chooseTags({ state }: RemoteReader): Wanted[] {
  const tags: Wanted[] = [];
  for (const [name, id] of state.refs) {
    const place = parseRefName(name);
    if (place?.kind === 'tag') tags.push({ kind: 'tag', name: place.tag, here: name, id });
  }
  return tags;
}
