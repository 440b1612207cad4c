/** Files laid beside the pages of a tree that probably holds most of them: which pages they are is told by ids alone. */
import { type Id, objectId } from '../../../base/bytes/hash.js';
import { pushAll } from '../../../base/bytes/many.js';
import { comparePaths } from '../../../pure/paths/version-path.js';
import {
  comparePlaces,
  encodePage,
  type FileEntry,
  type FilePage,
  type PageRef,
  type Snapshot,
} from './file-page.js';

/** Files and snapshots in the order that they have in a tree; the key of each snapshot is one of its members. */
export function inOrder(files: Iterable<FileEntry>, snapshots: Iterable<Snapshot>): FilePage {
  return {
    files: [...files].sort((a, b) => comparePaths(a.path, b.path)),
    snapshots: [...snapshots]
      .map((s) => ({ ...s, members: [...new Set([s.key, ...s.members])].sort(comparePaths) }))
      .sort(comparePlaces),
  };
}

/** Files beside the page of a tree that they lie in, or behind all of its pages. */
export interface BesidePage extends FilePage {
  /** The page; null behind the last. */
  ref: PageRef | null;
  /** The bytes of these files as a page, if they are that page. */
  same: Uint8Array | null;
}

/** A page that was made of files. */
interface MadePage extends FilePage {
  bytes: Uint8Array;
  id: Id;
}

/** Pages of files that never change, by the first: a command compares the same files with a tree several times. */
const made = new WeakMap<FileEntry, MadePage>();

function madePage(page: FilePage): MadePage {
  const first = page.files[0] as FileEntry;
  const known = made.get(first);
  const isKnown =
    known !== undefined &&
    page.snapshots.length + known.snapshots.length === 0 &&
    known.files.length === page.files.length &&
    known.files.every((file, i) => file === page.files[i]);
  if (isKnown) return known;
  const bytes = encodePage(page);
  const found = { ...page, bytes, id: objectId('files', bytes) };
  if (page.files.every((file) => file.row !== undefined)) made.set(first, found);
  return found;
}

/** Parts files, in order, where the pages of a tree end. Its pages are told by their ids: none is read. */
export function* besidePages(
  pages: readonly PageRef[],
  { files, snapshots }: FilePage,
): Generator<BesidePage> {
  const byKey = new Map<string, Snapshot[]>();
  for (const snapshot of snapshots) {
    const same = byKey.get(snapshot.key);
    if (same) same.push(snapshot);
    else byKey.set(snapshot.key, [snapshot]);
  }
  let at = 0;
  for (const ref of [...pages, null]) {
    const part: BesidePage = { ref, files: [], snapshots: [], same: null };
    for (let file = files[at]; file !== undefined; file = files[++at]) {
      if (ref !== null && comparePaths(file.path, ref.last) > 0) break;
      part.files.push(file);
      if (byKey.size > 0) pushAll(part.snapshots, byKey.get(file.path) ?? []);
    }
    if (ref !== null && ref.count === part.files.length && part.files.at(-1)?.path === ref.last) {
      const { bytes, id } = madePage(part);
      if (id === ref.id) part.same = bytes;
    }
    if (ref !== null || part.files.length > 0) yield part;
  }
}
