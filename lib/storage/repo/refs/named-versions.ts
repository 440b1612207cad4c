/** Which versions refs name now, and which they named before as far as reflogs remember. */
import type { Id } from '../../../base/bytes/hash.js';
import { type DlvError, isDamage } from '../../../base/errors.js';
import { isMissing } from '../../../base/files/files.js';
import type { Layout } from '../layout.js';
import { readHead } from './head.js';
import { parseRefName } from './ref-name.js';
import {
  DELETED_LOG,
  isListLog,
  listReflogs,
  NOT_A_VERSION,
  type ReflogEntry,
  readListGroups,
  readReflog,
} from './reflog.js';
import { readEachRef } from './refs.js';

/** Versions that stashes name now; damaged refs are left out. */
export async function stashedVersions(layout: Layout): Promise<Set<Id>> {
  const found = new Set<Id>();
  for await (const { name, parse } of readEachRef(layout)) {
    if (parseRefName(name)?.kind !== 'stash') continue;
    try {
      found.add(parse());
    } catch (error) {
      if (!isDamage(error)) throw error;
    }
  }
  return found;
}

/** Versions that branches, tags, remote branches and HEAD name, and no stash; damaged refs are left out. */
export function versionsOnRefs(layout: Layout): Promise<Set<Id>> {
  return namedVersions(layout, () => {}, false);
}

/**
 * Versions that branches, tags, remote branches, stashes and HEAD name; damaged refs are left out.
 * @param onDamage told of each of those.
 */
export async function namedVersions(
  layout: Layout,
  onDamage: (error: DlvError) => void = () => {},
  stashes = true,
): Promise<Set<Id>> {
  const found = new Set<Id>();
  for await (const { name, parse } of readEachRef(layout)) {
    if (!stashes && parseRefName(name)?.kind === 'stash') continue;
    try {
      found.add(parse());
    } catch (error) {
      if (!isDamage(error)) throw error;
      onDamage(error);
    }
  }
  try {
    const head = await readHead(layout);
    if (head.kind === 'detached') found.add(head.id);
  } catch (error) {
    if (isDamage(error)) onDamage(error);
    else if (!isMissing(error)) throw error;
  }
  return found;
}

/** Versions that refs named before, as far as reflogs remember. */
export async function rememberedVersions(layout: Layout): Promise<Set<Id>> {
  const { lines, stashes } = await readRemembered(layout);
  return new Set([...lines, ...stashes]);
}

/** Versions that were work put aside, and that reflogs remember as nothing else. */
export async function formerStashes(layout: Layout): Promise<Set<Id>> {
  const stashes = await deletedStashes(layout);
  const { lines } = stashes.size === 0 ? { lines: stashes } : await readRemembered(layout);
  return new Set([...stashes].filter((id) => !lines.has(id)));
}

/** Versions of the stashes that were popped or dropped; one list is read, not each reflog. */
export async function deletedStashes(layout: Layout): Promise<Set<Id>> {
  const found = new Set<Id>();
  for (const group of await readListGroups(layout, DELETED_LOG)) {
    if (isOfStash(group)) addVersions(group, found);
  }
  return found;
}

function isOfStash(group: readonly ReflogEntry[]): boolean {
  return group.at(-1)?.reason.startsWith('stash: deleted ') === true;
}

function addVersions(entries: readonly ReflogEntry[], found: Set<Id>): void {
  for (const { before, after } of entries) {
    for (const id of [before, after]) if (id !== null) found.add(id);
  }
}

async function readRemembered(layout: Layout): Promise<Record<'lines' | 'stashes', Set<Id>>> {
  const [lines, stashes] = [new Set<Id>(), new Set<Id>()];
  for (const group of await readListGroups(layout, DELETED_LOG)) {
    addVersions(group, isOfStash(group) ? stashes : lines);
  }
  for (const name of await listReflogs(layout)) {
    if (isListLog(name)) continue;
    const { entries } = await readReflog(layout, name, NOT_A_VERSION);
    addVersions(entries, parseRefName(name)?.kind === 'stash' ? stashes : lines);
  }
  return { lines, stashes };
}
