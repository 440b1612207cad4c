/**
 * Folders of checkpoints that were added, removed or moved as a whole: one row instead of one for
 * each file.
 */
import { seriesOf } from '../../../pure/paths/checkpoint-names.js';
import type { FileDiff } from './files.js';
import type { DiffSide } from './sides.js';

export interface CheckpointDiff {
  /** Folder on the second side; of a removed one, on the first. */
  path: string;
  /** Folder on the first side, of one that was moved. */
  pathBefore?: string;
  status: 'added' | 'removed' | 'renamed';
  /** What the checkpoints of its series have in common, 'checkpoint-*'; null for no series. */
  series: string | null;
  step: number | null;
  files: number;
  bytes: number;
  /** Of a moved one: the share of its bits that are as before. */
  similar?: number;
}

/** One file alone is a row of its own. */
const FILES_MIN = 2;

/** The folders of which every file has the same fate, by path. */
export function diffCheckpoints(
  before: DiffSide,
  after: DiffSide,
  files: readonly FileDiff[],
): CheckpointDiff[] {
  const groups = new Map<string, Group>();
  const choices: Group[][] = [];
  for (const diff of files) {
    const own = foldersOf(diff).map((folder) => {
      const name = JSON.stringify(folder);
      const group = groups.get(name) ?? { folder, diffs: [] };
      groups.set(name, group);
      group.diffs.push(diff);
      return group;
    });
    choices.push(own);
  }
  const removed = files.filter(({ status }) => status === 'removed');
  const counts = {
    before: countBelow([...before.files.values()]),
    after: countBelow([...after.files.values()]),
    removed: countBelow(removed),
  };
  const found = new Set<Group>();
  for (const own of choices) {
    const whole = own.find((group) => isWhole(group, counts));
    if (whole !== undefined) found.add(whole);
  }
  return [...found].map(rowOf).sort((a, b) => (a.path < b.path ? -1 : 1));
}

/** Files that share a fate and a folder. */
interface Group {
  folder: Folder;
  diffs: FileDiff[];
}

/** How many files lie below each folder. */
type Counts = ReadonlyMap<string, number>;

/** True if nothing else is in the folder, nor was in the one that it was moved from. */
function isWhole(
  { folder: { path, pathBefore, status }, diffs }: Group,
  counts: Record<'before' | 'after' | 'removed', Counts>,
): boolean {
  const there = status === 'removed' ? counts.before : counts.after;
  if (diffs.length < FILES_MIN || diffs.length < (there.get(path) ?? 0)) return false;
  if (pathBefore === undefined) return true;
  const gone = diffs.length + (counts.removed.get(pathBefore) ?? 0);
  return gone >= (counts.before.get(pathBefore) ?? 0);
}

function rowOf({ folder, diffs }: Group): CheckpointDiff {
  const bytes = diffs.reduce((sum, { bytesBefore, bytesAfter }) => {
    return sum + ((folder.status === 'removed' ? bytesBefore : bytesAfter) ?? 0);
  }, 0);
  const { series = null, step = null } = seriesOf(`${folder.path}/`) ?? {};
  const row = { ...folder, series, step, files: diffs.length, bytes };
  return folder.status === 'renamed' ? { ...row, similar: similarOf(diffs) } : row;
}

type Folder = Pick<CheckpointDiff, 'path' | 'pathBefore' | 'status'>;

/** The folders that a file may share its fate with, outermost first: a numbered one, or those that it was moved to. */
function foldersOf({ path, pathBefore, status }: FileDiff): Folder[] {
  if (status === 'renamed' && pathBefore !== undefined) {
    // What is below both folders under the same name moved with them.
    const folders: Folder[] = [];
    const [a, b] = [pathBefore.split('/'), path.split('/')];
    for (let i = 1; i < Math.min(a.length, b.length) && a.at(-i) === b.at(-i); i++) {
      const [from, to] = [a.slice(0, -i).join('/'), b.slice(0, -i).join('/')];
      if (from !== to) folders.unshift({ path: to, pathBefore: from, status });
    }
    return folders;
  }
  if (status !== 'added' && status !== 'removed') return [];
  const place = seriesOf(path);
  if (place === null || place.checkpoint === path) return [];
  return [{ path: place.checkpoint, status }];
}

function countBelow(files: readonly { path: string }[]): Counts {
  const counts = new Map<string, number>();
  for (const { path } of files) {
    for (let at = path.lastIndexOf('/'); at > 0; at = path.lastIndexOf('/', at - 1)) {
      const folder = path.slice(0, at);
      counts.set(folder, (counts.get(folder) ?? 0) + 1);
    }
  }
  return counts;
}

function similarOf(diffs: readonly FileDiff[]): number {
  const total = diffs.reduce((sum, { bytesAfter }) => sum + (bytesAfter ?? 0), 0);
  if (total === 0) return 1;
  const same = diffs.reduce((sum, diff) => sum + (diff.similar ?? 0) * (diff.bytesAfter ?? 0), 0);
  return same / total;
}
