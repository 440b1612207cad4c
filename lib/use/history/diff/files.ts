/** Files that differ between two sides, by path; a moved file is one row. */
import { comparePaths } from '../../../pure/paths/version-path.js';
import type { ReadAccess } from '../../../storage/objects/access.js';
import { findMoves } from './moves.js';
import type { DiffFile, DiffSide } from './sides.js';

/** The executable bit, as git has it. */
export type FileMode = '644' | '755';

export function modeText(mode: number): FileMode {
  return mode === 0o755 ? '755' : '644';
}

export interface FileDiff {
  /** On the second side; of a removed file, on the first. */
  path: string;
  /** On the first side, where it is another: of a file that was moved, or of two that are compared. */
  pathBefore?: string;
  status: 'added' | 'removed' | 'modified' | 'renamed';
  bytesBefore: number | null;
  /** null for a removed file and for one that became something else. */
  bytesAfter: number | null;
  /** What it became that is not a plain file; left out for one that is. */
  became?: string;
  /** Where the executable bit changed: what it was and is. Without other bytes it is all that did. */
  modeBefore?: FileMode;
  modeAfter?: FileMode;
  /** Of a renamed file: the share of its bits that are as before, 1 if all are. */
  similar?: number;
}

/** Files that differ, by path. A file that was moved is found by its content, or by how close it is. */
export async function diffFiles(
  repo: ReadAccess,
  before: DiffSide,
  after: DiffSide,
  signal?: AbortSignal,
): Promise<FileDiff[]> {
  const diffs: FileDiff[] = [];
  const added = new Map<string, DiffFile>();
  for (const [key, file] of after.files) {
    const old = before.files.get(key);
    if (old === undefined) added.set(key, file);
    else if (old.sha256 !== file.sha256 || old.mode !== file.mode) {
      const became = file.became === null ? {} : { became: file.became };
      diffs.push({ ...pathsOf(old, file), status: 'modified', ...factsOf(old, file), ...became });
    }
  }
  const removed = new Map([...before.files].filter(([key]) => !after.files.has(key)));
  for (const { from, to, similar } of await findMoves(repo, removed, added, signal)) {
    const [old, file] = [removed.get(from), added.get(to)] as [DiffFile, DiffFile];
    diffs.push({ ...pathsOf(old, file), status: 'renamed', ...factsOf(old, file), similar });
    removed.delete(from);
    added.delete(to);
  }
  for (const { path, size } of added.values()) {
    diffs.push({ path, status: 'added', bytesBefore: null, bytesAfter: size });
  }
  for (const { path, size } of removed.values()) {
    diffs.push({ path, status: 'removed', bytesBefore: size, bytesAfter: null });
  }
  return diffs.sort((a, b) => comparePaths(a.path, b.path));
}

function pathsOf(old: DiffFile, file: DiffFile): Pick<FileDiff, 'path' | 'pathBefore'> {
  const { path } = file;
  return old.path === path ? { path } : { path, pathBefore: old.path };
}

type Facts = Pick<FileDiff, 'bytesBefore' | 'bytesAfter' | 'modeBefore' | 'modeAfter'>;

function factsOf(old: DiffFile, file: DiffFile): Facts {
  const bytes = { bytesBefore: old.size, bytesAfter: file.size };
  // What is not a plain file has no mode that a version could hold.
  const isPair = old.became === null && file.became === null;
  if (!isPair || old.mode === file.mode) return bytes;
  return { ...bytes, modeBefore: modeText(old.mode), modeAfter: modeText(file.mode) };
}
