/**
 * Makes rewritten versions: the same as the old ones, except for parents, removed files, or the
 * name of the model.
 *
 * Parents come before children. A version that does not change and descends from none that changed
 * keeps its id. Nothing but these members differs, so the same rewrite gives the same ids every
 * time.
 */

import { throwIfAborted } from '../../../base/bytes/abort.js';
import type { Id } from '../../../base/bytes/hash.js';
import { pushAll } from '../../../base/bytes/many.js';
import type { ReadAccess } from '../../../storage/objects/access.js';
import { VersionNumbers } from '../../../storage/repo/refs/version-numbers.js';
import type { BlobWriter } from '../../../storage/repo/version/blobs.js';
import { buildTree } from '../../../storage/repo/version/build-tree.js';
import type { FilePage } from '../../../storage/repo/version/file-page.js';
import { type FileTree, readTree } from '../../../storage/repo/version/file-tree.js';
import type { Version } from '../../../storage/repo/version/version.js';
import { writeVersion } from '../../../storage/repo/version/version-bytes.js';
import { definingCandidates } from '../networks/candidates.js';

/** What is asked of one version. */
export interface VersionChange {
  /** Takes it out: its parents take its place. */
  forget?: true;
  /** Its model's new name. */
  model?: string;
  /** Files that are left out. */
  leaveOut?: ReadonlySet<string>;
}

/** A version that has another id now, or none. */
export interface RewrittenVersion {
  id: Id;
  /** null: it was forgotten. */
  becomes: Id | null;
  /** Parents that it has, or those that took its place. */
  parents: Id[];
  leftOut: ReadonlySet<string>;
  /** The new version keeps the networks of the old one. */
  keepsNetwork: boolean;
}

const NOTHING: ReadonlySet<string> = new Set();

/** Parents before children, of `versions` alone. */
export function parentsFirst(versions: ReadonlyMap<Id, Version>): Id[] {
  const ordered: Id[] = [];
  const done = new Set<Id>();
  for (const start of versions.keys()) {
    const stack = [start];
    for (let id = stack.at(-1); id !== undefined; id = stack.at(-1)) {
      const { parents } = versions.get(id) as Version;
      const open = done.has(id) ? [] : parents.filter((p) => versions.has(p) && !done.has(p));
      if (open.length > 0) {
        pushAll(stack, open);
        continue;
      }
      stack.pop();
      if (!done.has(id)) ordered.push(id);
      done.add(id);
    }
  }
  return ordered;
}

/** Which versions change, and how. */
export interface RewritePlan {
  /** All that may have to change, with all that derives from them. */
  versions: ReadonlyMap<Id, Version>;
  /** What is asked of a version; null: nothing. */
  changeOf: (id: Id, version: Version) => Promise<VersionChange | null>;
}

/** Stores the new versions and says which took which place, in order: parents first. */
export async function rewriteVersions(
  repo: ReadAccess,
  { versions, changeOf }: RewritePlan,
  writer: BlobWriter,
  signal?: AbortSignal,
): Promise<Map<Id, RewrittenVersion>> {
  const rewritten = new Map<Id, RewrittenVersion>();
  const numbers = new VersionNumbers((id) => repo.version(id));
  /** Trees of versions that are new, by new id: bases of the pages of their children. */
  const trees = new Map<Id, FileTree>();
  for (const id of parentsFirst(versions)) {
    throwIfAborted(signal);
    const version = versions.get(id) as Version;
    const change = await changeOf(id, version);
    const parents = placesOf(version.parents, rewritten);
    const leftOut = change?.leaveOut ?? NOTHING;
    if (change?.forget) {
      rewritten.set(id, { id, becomes: null, parents, leftOut, keepsNetwork: false });
      continue;
    }
    const model = change?.model ?? version.model;
    const isSame = parents.join() === version.parents.join() && model === version.model;
    if (isSame && leftOut.size === 0) continue;
    const [first] = parents;
    const before = first === undefined ? null : (trees.get(first) ?? versions.get(first)?.tree);
    const { tree, network } =
      leftOut.size === 0
        ? version
        : await versionWithout(repo, { version, before: before ?? null }, leftOut, writer);
    // One of an older release has its number from its ancestors, which may change now.
    const number = await numbers.of(id);
    const becomes = await writeVersion(
      { ...version, parents, model, tree, network, number },
      writer,
    );
    trees.set(becomes, tree);
    const keepsNetwork = network === version.network;
    rewritten.set(id, { id, becomes, parents, leftOut, keepsNetwork });
  }
  return rewritten;
}

/** What took the place of some versions, each once, in order. */
function placesOf(ids: readonly Id[], rewritten: ReadonlyMap<Id, RewrittenVersion>): Id[] {
  const places = new Set<Id>();
  for (const id of ids) {
    const found = rewritten.get(id);
    if (found === undefined) places.add(id);
    else
      for (const place of found.becomes === null ? found.parents : [found.becomes])
        places.add(place);
  }
  return [...places];
}

/** Files and snapshots without some files; a snapshot goes with its key file. */
export function pageWithout(page: FilePage, leftOut: ReadonlySet<string>): FilePage {
  return {
    files: page.files.filter(({ path }) => !leftOut.has(path)),
    snapshots: page.snapshots
      .filter(({ key }) => !leftOut.has(key))
      .map((snapshot) => ({
        ...snapshot,
        members: snapshot.members.filter((path) => !leftOut.has(path)),
      })),
  };
}

/** A network goes with the files that may define it: what is forgotten leaves no trace. */
async function versionWithout(
  repo: ReadAccess,
  { version, before }: { version: Version; before: FileTree | null },
  leftOut: ReadonlySet<string>,
  writer: BlobWriter,
): Promise<Pick<Version, 'tree' | 'network'>> {
  // As the version names them: exact files, also where a tier stands for them now.
  const page = await readTree(version.tree, repo);
  const { files, snapshots } = pageWithout(page, leftOut);
  const shards = page.snapshots.filter(({ role }) => role === 'weights');
  const isKept =
    definingCandidates(page).every(({ path }) => !leftOut.has(path)) &&
    shards.every(({ members }) => !members.some((path) => leftOut.has(path)));
  return {
    tree: await buildTree(files, snapshots, writer, before),
    network: isKept ? version.network : null,
  };
}
