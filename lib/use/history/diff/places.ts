/**
 * One folder or file of a side, so that any two of any versions can be compared: `HEAD:a HEAD:b`.
 */

import { suggestNames } from '../../../base/bytes/words/closest.js';
import { NotFoundError } from '../../../base/errors.js';
import { ROLES } from '../../../pure/tensor/layout.js';
import type { DiffSide } from './sides.js';

/** Takes `<rev>:<path>` apart; null for a revision alone and for a range. */
export function splitPlace(word: string): { revision: string; path: string } | null {
  const at = word.indexOf(':');
  const revision = word.slice(0, Math.max(0, at));
  if (at < 0 || revision.includes('..')) return null;
  return { revision: revision || 'HEAD', path: word.slice(at + 1) };
}

/**
 * Narrows a side to a folder, whose files are then known by their paths below it, or to one file.
 * @returns the name of the file; null for a folder.
 * @throws {NotFoundError} with the nearest paths.
 */
export async function narrowToPlace(side: DiffSide, path: string): Promise<string | null> {
  const wanted = path.replace(/^(\.\/)+/, '').replace(/\/+$/, '');
  if (wanted === '' || wanted === '.') return null;
  const file = side.files.get(wanted);
  if (file !== undefined) {
    const own = side.snapshots.filter(({ key }) => key === wanted);
    const members = new Set([wanted, ...own.flatMap((snapshot) => snapshot.members)]);
    side.files = new Map([...side.files].filter(([member]) => members.has(member)));
    side.snapshots = own.length > 0 ? own : await snapshotsOf(side, wanted);
    rename(side, below(wanted.slice(0, wanted.lastIndexOf('/') + 1)));
    return wanted.slice(wanted.lastIndexOf('/') + 1);
  }
  const folder = `${wanted}/`;
  const known = [...side.files.keys()];
  side.files = new Map([...side.files].filter(([member]) => member.startsWith(folder)));
  if (side.files.size === 0) throw notFound(path, known, side.label);
  side.snapshots = side.snapshots.filter(({ members }) =>
    members.every((member) => side.files.has(member)),
  );
  rename(side, below(folder));
  return null;
}

/** Gives one file of a side another name: two files that are compared need the same. */
export function renameFile(side: DiffSide, from: string, to: string): void {
  rename(side, (path) => (path === from ? to : path));
}

function below(folder: string): (path: string) => string {
  return (path) => (path.startsWith(folder) ? path.slice(folder.length) : path);
}

function rename(side: DiffSide, name: (path: string) => string): void {
  side.files = new Map([...side.files].map(([path, file]) => [name(path), file]));
  side.snapshots = side.snapshots.map((snapshot) => ({
    ...snapshot,
    key: name(snapshot.key),
    members: snapshot.members.map(name),
  }));
}

/** Snapshots for a file that is not a checkpoint itself (a shard, the state of a trainer): one for each role. */
async function snapshotsOf(side: DiffSide, path: string): Promise<DiffSide['snapshots']> {
  const tensors = (await side.files.get(path)?.tensors()) ?? [];
  return ROLES.filter((role) => tensors.some((tensor) => tensor.role === role)).map((role) => ({
    key: path,
    role,
    step: null,
    members: [path],
  }));
}

function notFound(path: string, known: readonly string[], label: string): NotFoundError {
  return new NotFoundError(`there is no file or folder '${path}' in ${label}`, {
    kind: 'path',
    name: path,
    ...suggestNames(
      path,
      known.slice(0, 10_000),
      "'dlv show <revision>' lists the files of a version",
    ),
  });
}
