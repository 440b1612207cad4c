/** Folders of checkpoints that came, went or moved as a whole: one row instead of one a file. */
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
  const groups = new Map<string, { folder: Folder; diffs: FileDiff[] }>();
  for (const diff of files) {
    const folder = folderOf(diff);
    if (folder === null) continue;
    const name = JSON.stringify(folder);
    const group = groups.get(name) ?? { folder, diffs: [] };
    group.diffs.push(diff);
    groups.set(name, group);
  }
  const found: CheckpointDiff[] = [];
  for (const { folder, diffs } of groups.values()) {
    const side = folder.status === 'removed' ? before : after;
    if (diffs.length < FILES_MIN || diffs.length < filesBelow(side, folder.path)) continue;
    const place = seriesOf(`${folder.path}/`);
    const bytes = diffs.reduce((sum, { bytesBefore, bytesAfter }) => {
      return sum + ((folder.status === 'removed' ? bytesBefore : bytesAfter) ?? 0);
    }, 0);
    const { series = null, step = null } = place ?? {};
    const row = { ...folder, series, step, files: diffs.length, bytes };
    found.push(folder.status === 'renamed' ? { ...row, similar: similarOf(diffs) } : row);
  }
  return found.sort((a, b) => (a.path < b.path ? -1 : 1));
}

type Folder = Pick<CheckpointDiff, 'path' | 'pathBefore' | 'status'>;

/** The folder that a file shares its fate with: a numbered one, or the one that it was moved to. */
function folderOf({ path, pathBefore, status }: FileDiff): Folder | null {
  if (status === 'renamed' && pathBefore !== undefined) {
    // What stands below both folders under the same name moved with them.
    let common = 0;
    const [a, b] = [pathBefore.split('/'), path.split('/')];
    while (common < Math.min(a.length, b.length) && a.at(-1 - common) === b.at(-1 - common))
      common++;
    const [from, to] = [a.slice(0, a.length - common), b.slice(0, b.length - common)];
    if (common === 0 || from.length === 0 || to.length === 0) return null;
    return { path: to.join('/'), pathBefore: from.join('/'), status };
  }
  if (status !== 'added' && status !== 'removed') return null;
  const place = seriesOf(path);
  if (place === null || place.checkpoint === path) return null;
  return { path: place.checkpoint, status };
}

function filesBelow(side: DiffSide, folder: string): number {
  let count = 0;
  for (const { path } of side.files.values()) if (path.startsWith(`${folder}/`)) count++;
  return count;
}

function similarOf(diffs: readonly FileDiff[]): number {
  const total = diffs.reduce((sum, { bytesAfter }) => sum + (bytesAfter ?? 0), 0);
  if (total === 0) return 1;
  const same = diffs.reduce((sum, diff) => sum + (diff.similar ?? 0) * (diff.bytesAfter ?? 0), 0);
  return same / total;
}
