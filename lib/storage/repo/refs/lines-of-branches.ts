/** The lines of a model's branches: on which a version stands, and what it is called there. */
import type { Id } from '../../../base/bytes/hash.js';
import { isDamage, isUnreadable } from '../../../base/errors.js';
import type { Layout } from '../layout.js';
import { readHead } from './head.js';
import { branchRefName, parseRefName, shownRef } from './ref-name.js';
import { readEachRef } from './refs.js';
import { firstParentLine, type NumberSource, VersionNumbers } from './version-numbers.js';

/** Branches of a model, remote ones last, HEAD's and `main` first: where a version is named after one. */
async function linesOf(layout: Layout, model: string): Promise<{ name: string; tip: Id }[]> {
  const head = await readHead(layout).catch(() => null);
  const rank = (name: string): number => {
    const place = parseRefName(name);
    if (place?.kind !== 'head') return 3;
    const isHead = head?.kind === 'branch' && name === branchRefName(head.model, head.branch);
    return isHead ? 0 : place.branch === 'main' ? 1 : 2;
  };
  const found: { name: string; tip: Id }[] = [];
  for await (const { name, parse } of readEachRef(layout)) {
    const place = parseRefName(name);
    const isOf =
      place?.kind === 'head'
        ? place.model === model
        : place?.kind === 'remote' && place.rest.startsWith(`${model}/`);
    if (!isOf) continue;
    try {
      found.push({ name, tip: parse() });
    } catch (error) {
      if (!isDamage(error)) throw error;
    }
  }
  return found.sort((a, b) => rank(a.name) - rank(b.name) || (a.name < b.name ? -1 : 1));
}

/**
 * `model/branch@n` for each of some versions of a model that is on the own line of a branch: within one
 * line a number stands once. Versions on no such line are left out.
 * @param remotes  also `remote/model/branch@n`, which means another version once that branch was replaced there.
 */
export async function namesOnLines(
  source: NumberSource,
  model: string,
  { ids, remotes }: { ids: ReadonlySet<Id>; remotes: boolean },
): Promise<Map<Id, string>> {
  const names = new Map<Id, string>();
  const numbers = new VersionNumbers((id) => source.readVersion(id));
  for await (const { id, branch, isRemote } of versionsOnLines(source, model)) {
    if (isRemote && !remotes) break;
    if (ids.has(id)) names.set(id, `${branch}@${await numbers.of(id)}`);
    if (names.size === ids.size) break;
  }
  return names;
}

/** The versions on the own lines of the branches of a model, each once: on the line of HEAD's branch or `main` first. */
async function* versionsOnLines(
  source: NumberSource,
  model: string,
): AsyncGenerator<{ id: Id; branch: string; isRemote: boolean }> {
  const seen = new Set<Id>();
  for (const { name, tip } of await linesOf(source.layout, model)) {
    const branch = shownRef(name).replace(/^refs\/remotes\//, '');
    const isRemote = name.startsWith('refs/remotes/');
    try {
      for await (const id of firstParentLine(source, tip)) {
        // From here on the line is that of a branch before this one.
        if (seen.has(id)) break;
        seen.add(id);
        yield { id, branch, isRemote };
      }
    } catch (error) {
      if (!isUnreadable(error)) throw error;
    }
  }
}

/** The branch on whose own line each version of a model stands; those on no line are left out. */
export async function branchesOf(source: NumberSource, model: string): Promise<Map<Id, string>> {
  const branches = new Map<Id, string>();
  for await (const { id, branch } of versionsOnLines(source, model)) {
    branches.set(id, branch.startsWith(`${model}/`) ? branch.slice(model.length + 1) : branch);
  }
  return branches;
}
