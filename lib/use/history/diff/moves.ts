/**
 * Finds which new files are moved old ones: by equal bytes, else by the tensors that both have,
 * equal ones by their ids, others by their sketches. No tensor is read.
 */
import { throwIfAborted } from '../../../base/bytes/abort.js';
import { isUnreadable } from '../../../base/errors.js';
import { seriesOf } from '../../../pure/paths/checkpoint-names.js';
import { matchNames } from '../../../pure/tensor/canonical-name.js';
import type { ReadAccess } from '../../../storage/objects/access.js';
import {
  type StoredTensor,
  sameBytes,
  tensorBytes,
} from '../../../storage/objects/stored/tensors.js';
import type { DiffFile } from './sides.js';

export interface Move {
  from: string;
  to: string;
  /** Share of the bits that are as before: 1 for the same bytes. */
  similar: number;
}

/** Files that are compared with each other by their tensors, on each side. */
const COMPARED_MAX = 100;
/**
 * Share of common bits from which on a file is taken for the other one, trained on. Networks that have
 * nothing in common but their shapes have an eighth of theirs in common.
 */
const SIMILAR_MIN = 0.3;

/** Pairs of a vanished and a new file, each in one pair at most; the closest first. */
export async function findMoves(
  repo: ReadAccess,
  removed: ReadonlyMap<string, DiffFile>,
  added: ReadonlyMap<string, DiffFile>,
  signal?: AbortSignal,
): Promise<Move[]> {
  if (removed.size === 0 || added.size === 0) return [];
  const moves = equalCheckpoints(removed, added);
  const gone = new Set(moves.map(({ from }) => from));
  const there = new Set(moves.map(({ to }) => to));
  for (const move of equalFiles(without(removed, gone), without(added, there))) {
    gone.add(move.from);
    there.add(move.to);
    moves.push(move);
  }
  const before = await withTensors(removed, gone);
  const after = await withTensors(added, there);
  const found: Move[] = [];
  for (const [to, b] of after) {
    for (const [from, a] of before) {
      throwIfAborted(signal);
      if (areSteps(removed.get(from) as DiffFile, added.get(to) as DiffFile)) continue;
      const similar = await similarity(repo, a, b);
      if (similar >= SIMILAR_MIN) found.push({ from, to, similar });
    }
  }
  for (const move of found.sort((a, b) => b.similar - a.similar)) {
    if (gone.has(move.from) || there.has(move.to)) continue;
    gone.add(move.from);
    there.add(move.to);
    moves.push(move);
  }
  return moves;
}

type Files = ReadonlyMap<string, DiffFile>;

function without(files: Files, keys: ReadonlySet<string>): Files {
  return new Map([...files].filter(([key]) => !keys.has(key)));
}

/** Files of folders of checkpoints that vanished and appear with the very same files, all of them. */
function equalCheckpoints(removed: Files, added: Files): Move[] {
  const before = new Map<string, Map<string, string>[]>();
  for (const { content, keys } of checkpointsOf(removed)) {
    const known = before.get(content);
    if (known === undefined) before.set(content, [keys]);
    else known.push(keys);
  }
  const moves: Move[] = [];
  for (const { content, keys } of checkpointsOf(added)) {
    const from = before.get(content)?.shift();
    for (const [name, to] of from === undefined ? [] : keys) {
      moves.push({ from: from?.get(name) as string, to, similar: 1 });
    }
  }
  return moves;
}

/** Folders of checkpoints: what is in them as one text, and the keys of their files by name below. */
function checkpointsOf(files: Files): { content: string; keys: Map<string, string> }[] {
  const folders = new Map<string, [name: string, key: string, sha256: string][]>();
  for (const [key, { path, sha256, became }] of files) {
    const place = seriesOf(path);
    if (place === null || place.checkpoint === path) continue;
    const members = folders.get(place.checkpoint) ?? [];
    // What is not a plain file any more has no content that another could have.
    const content = became === null ? sha256 : path;
    members.push([path.slice(place.checkpoint.length), key, content]);
    folders.set(place.checkpoint, members);
  }
  return [...folders.values()].map((members) => {
    const content = members.map(([name, , sha256]) => [name, sha256]).sort();
    const keys = new Map(members.map(([name, key]) => [name, key]));
    return { content: JSON.stringify(content), keys };
  });
}

/** Files with the same bytes; of several, those with the same name in a folder of the same name first. */
function equalFiles(
  removed: ReadonlyMap<string, DiffFile>,
  added: ReadonlyMap<string, DiffFile>,
): Move[] {
  const byContent = new Map<string, string[]>();
  for (const [key, file] of removed) {
    if (file.became !== null || file.size === 0) continue;
    const known = byContent.get(file.sha256);
    if (known === undefined) byContent.set(file.sha256, [key]);
    else known.push(key);
  }
  const moves: Move[] = [];
  const take = (to: string, file: DiffFile, isWanted: (from: string) => boolean): boolean => {
    const keys = byContent.get(file.sha256) ?? [];
    const at = keys.findIndex(
      (from) => isWanted(from) && !areSteps(removed.get(from) as DiffFile, file),
    );
    if (at < 0) return false;
    moves.push({ from: keys.splice(at, 1)[0] as string, to, similar: 1 });
    return true;
  };
  let left = [...added];
  for (const parts of [2, 1]) {
    left = left.filter(
      ([to, file]) => !take(to, file, (from) => nameOf(from, parts) === nameOf(to, parts)),
    );
  }
  for (const [to, file] of left) take(to, file, () => true);
  return moves;
}

/** The last parts of a path. */
function nameOf(path: string, parts: number): string {
  return path.split('/').slice(-parts).join('/');
}

/**
 * True for files of two checkpoints of one series: a later step is not an earlier one that moved, though
 * their settings are the same. A checkpoint that is the same in whole was renamed: a folder is found
 * before this is asked, one file is here.
 */
function areSteps(a: DiffFile, b: DiffFile): boolean {
  const [x, y] = [seriesOf(a.path), seriesOf(b.path)];
  if (a.sha256 === b.sha256 && y?.checkpoint === b.path) return false;
  return x !== null && y !== null && x.series === y.series && x.step !== y.step;
}

async function withTensors(
  files: ReadonlyMap<string, DiffFile>,
  taken: ReadonlySet<string>,
): Promise<Map<string, Map<string, StoredTensor>>> {
  const found = new Map<string, Map<string, StoredTensor>>();
  for (const [key, file] of files) {
    if (taken.has(key)) continue;
    const tensors = await file.tensors().catch((error: unknown) => {
      // What is damaged is said by what reads it; here it is like nothing.
      if (isUnreadable(error)) return [];
      throw error;
    });
    if (tensors.length === 0) continue;
    found.set(key, new Map(tensors.map((tensor) => [`${tensor.role} ${tensor.name}`, tensor])));
    if (found.size >= COMPARED_MAX) break;
  }
  return found;
}

/** Bits that two files have in common, as a share of those of the larger one. */
async function similarity(
  repo: ReadAccess,
  a: ReadonlyMap<string, StoredTensor>,
  b: ReadonlyMap<string, StoredTensor>,
): Promise<number> {
  const names = matchNames(a, b);
  const total = Math.max(bytesOf(a), bytesOf(b));
  if (names.size === 0 || total === 0) return 0;
  let common = 0;
  for (const [name, nameBefore] of names) {
    const [old, tensor] = [a.get(nameBefore), b.get(name)] as [StoredTensor, StoredTensor];
    common += tensorBytes(tensor) * (await closeness(repo, old, tensor));
  }
  return common / total;
}

function bytesOf(tensors: ReadonlyMap<string, StoredTensor>): number {
  let sum = 0;
  for (const tensor of tensors.values()) sum += tensorBytes(tensor);
  return sum;
}

async function closeness(repo: ReadAccess, a: StoredTensor, b: StoredTensor): Promise<number> {
  if (sameBytes(a, b)) return 1;
  const [x, y] = [a.home, b.home];
  if (x.kind !== 'extent' || y.kind !== 'extent' || a.dtype !== b.dtype) return 0;
  if (x.width !== y.width || x.count !== y.count) return 0;
  return repo.sketches.closeness(x.id, y.id, x.width);
}
