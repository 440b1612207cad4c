/**
 * Which checkpoints a set of files holds: one for each file with tensors and each role in it, or one
 * for an index and its shards; and the step of each.
 */

import { listSome } from '../../../base/bytes/words/wording.js';
import { REFERENCES_MAX } from '../../../base/limits.js';
import { roleOfName, stepOfPath } from '../../../pure/paths/checkpoint-names.js';
import { comparePaths, pathProblem } from '../../../pure/paths/version-path.js';
import { ROLES, type Role } from '../../../pure/tensor/layout.js';
import { compareSnapshots, type Snapshot } from './file-page.js';

/** What a format reader said of a file, as far as snapshots need it. */
export interface SnapshotHint {
  /** Paths in the version of the files that it names as parts of the same checkpoint. */
  references: string[];
  /** Roles of its tensors; none for an index or a file without tensors. */
  roles: Role[];
}

/** A file and its hint. */
export interface HintedFile {
  path: string;
  /** 'safetensors', 'safetensors-index', 'blob' … */
  format: string;
  /** Step that the user or the file itself gives. */
  step: number | null;
  hint: SnapshotHint;
}

/** A path that `from` names, relative to its folder, as a path of the version; null if it leads out. */
export function resolveReference(from: string, reference: string): string | null {
  if (reference.startsWith('/') || reference.includes('\\')) return null;
  const parts = from.split('/').slice(0, -1);
  for (const part of reference.split('/')) {
    if (part === '..') {
      if (parts.pop() === undefined) return null;
    } else if (part !== '.' && part !== '') {
      parts.push(part);
    }
  }
  return parts.length === 0 ? null : parts.join('/');
}

/**
 * The files that `from` names as parts of its checkpoint, as paths of the version, each once. Names
 * that no version can hold are left out with a warning, a sentence about the file.
 */
export function resolveReferences(
  from: string,
  names: readonly string[],
): { references: string[]; warnings: string[] } {
  const references = new Set<string>();
  const refused: string[] = [];
  for (const name of names) {
    const path = resolveReference(from, name);
    const outside = /^\/|\\/.test(name) ? pathProblem(name) : 'it leads out of the work tree';
    const problem = path === null ? outside : pathProblem(path);
    if (problem === null) references.add(path as string);
    else refused.push(`'${name}' (${problem})`);
  }
  const warnings: string[] = [];
  if (refused.length > 0) {
    warnings.push(`names files that no version can hold as parts of it: ${listSome(refused)}`);
  }
  if (references.size > REFERENCES_MAX) {
    warnings.push(`names ${references.size} files as parts of it; only ${REFERENCES_MAX} are kept`);
  }
  return { references: [...references].slice(0, REFERENCES_MAX), warnings };
}

/**
 * The snapshots of a version, by step, then key.
 *
 * A file that another one references is a member of that one's snapshot and has none of its own. A
 * snapshot of the roles other than weights that has no step takes that of the weights beside it.
 */
export function makeSnapshots(files: Iterable<HintedFile>): Snapshot[] {
  const all = [...files];
  const telling = all.filter(({ hint }) => hint.references.length + hint.roles.length > 0);
  const isNamed = telling.some(({ hint }) => hint.references.length > 0);
  const byPath = new Map(isNamed ? all.map((file) => [file.path, file]) : []);
  const referenced = new Set<string>();
  for (const file of telling) {
    for (const path of file.hint.references) {
      if (path !== file.path && byPath.has(path)) referenced.add(path);
    }
  }
  const snapshots: Snapshot[] = [];
  for (const file of telling) {
    // Two files that reference each other would both vanish: the one that sorts first stays a key.
    const mutual = file.hint.references.some(
      (path) => byPath.get(path)?.hint.references.includes(file.path) && path > file.path,
    );
    if (referenced.has(file.path) && !mutual) continue;
    const shards = file.hint.references.filter((path) => path !== file.path && byPath.has(path));
    const parts = [file, ...shards.map((path) => byPath.get(path) as HintedFile)];
    const step =
      parts.map((member) => member.step).find((known) => known !== null) ?? stepOfPath(file.path);
    for (const role of ROLES) {
      if (!isOfRole(file.path, role)) continue;
      const holders = parts.filter((member) => member.hint.roles.includes(role));
      if (holders.length === 0) continue;
      const paths = new Set([file.path, ...holders.map((member) => member.path)]);
      const members = [...paths].sort(comparePaths);
      snapshots.push({ key: file.path, role, step, members });
    }
  }
  joinSteps(snapshots);
  return snapshots.sort(compareSnapshots);
}

/** False for tensors that look like weights in a file whose name says that it holds none. */
export function isOfRole(key: string, role: Role): boolean {
  return role !== 'weights' || roleOfName(key) === null;
}

function folderOf(path: string): string {
  return path.slice(0, path.lastIndexOf('/') + 1);
}

/** Gives optimizer and averaged weights without a step the step of the only weights beside them. */
function joinSteps(snapshots: Snapshot[]): void {
  const weights = new Map<string, Snapshot | null>();
  for (const snapshot of snapshots) {
    if (snapshot.role !== 'weights') continue;
    const folder = folderOf(snapshot.key);
    weights.set(folder, weights.has(folder) ? null : snapshot);
  }
  for (const snapshot of snapshots) {
    if (snapshot.role === 'weights' || snapshot.step !== null) continue;
    snapshot.step = weights.get(folderOf(snapshot.key))?.step ?? null;
  }
}
