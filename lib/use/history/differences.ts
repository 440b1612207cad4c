/**
 * How two states of a model's files differ: files by path, and every tensor in numbers.
 *
 * A side is a version, what is staged or the work tree; its tensors are opened only when needed.
 */

import { throwIfAborted } from '../../base/bytes/abort.js';
import type { Id } from '../../base/bytes/hash.js';
import { comparePaths } from '../../pure/paths/version-path.js';
import { matchNames } from '../../pure/tensor/canonical-name.js';
import type { Role } from '../../pure/tensor/layout.js';
import type { ReadAccess } from '../../storage/objects/access.js';
import { openPlanes } from '../../storage/objects/planes/read-segments.js';
import { openStoredFile } from '../../storage/objects/stored-file.js';
import {
  pairSegments,
  type StoredTensor,
  sameBytes,
  tensorBytes,
  tensorsOf,
} from '../../storage/objects/tensors.js';
import type { FileEntry, Snapshot } from '../../storage/repo/version/file-page.js';
import type { OpContext } from '../context.js';
import { compareTensors, type TensorComparison } from './compare.js';
import { uniqueNames } from './find-tensors.js';

export interface FileDiff {
  path: string;
  status: 'added' | 'removed' | 'modified';
  bytesBefore: number | null;
  /** null for a removed file and for one that became something else. */
  bytesAfter: number | null;
  /** What it became that is no plain file; left out for one that is. */
  became?: string;
}

export interface TensorSide {
  dtype: string;
  shape: number[];
}

export interface TensorDiff {
  /** Name on the second side; of a removed tensor, on the first. */
  name: string;
  /** Name on the first side, which may have other prefixes of frameworks; null for an added tensor. */
  nameBefore: string | null;
  status: 'added' | 'removed' | 'changed' | 'equal';
  before: TensorSide | null;
  after: TensorSide | null;
  /** null for an added or removed tensor. */
  numbers: TensorComparison | null;
}

export interface SnapshotDiff {
  role: Role;
  keyBefore: string | null;
  keyAfter: string | null;
  stepBefore: number | null;
  stepAfter: number | null;
  added: number;
  removed: number;
  changed: number;
  equal: number;
  /** Changed and equal tensors whose names differ by prefixes that frameworks add. */
  renamed: number;
  /** The first of them. */
  renamedAs: { before: string; after: string } | null;
  tensors: TensorDiff[];
}

export interface DiffFile {
  /** null for what is no plain file. */
  size: number | null;
  sha256: string;
  mode: number;
  /** What a work file became that is no plain file: 'symbolic link', 'unreadable', …; else null. */
  became: string | null;
  /** Tensors of the file, opened at the first call. */
  tensors(): Promise<StoredTensor[]>;
}

export interface DiffSide {
  label: string;
  version: Id | null;
  /** Tiers that replace exact files of it. */
  tier: string | null;
  files: Map<string, DiffFile>;
  snapshots: Snapshot[];
}

/** Keeps the wanted files, and the snapshots that have no others. */
export function narrowSide(side: DiffSide, isWanted: (path: string) => boolean): void {
  for (const path of [...side.files.keys()]) if (!isWanted(path)) side.files.delete(path);
  side.snapshots = side.snapshots.filter((snapshot) =>
    snapshot.members.every((path) => side.files.has(path)),
  );
}

/** The side before a first version. */
export function emptySide(): DiffSide {
  return { label: 'nothing', version: null, tier: null, files: new Map(), snapshots: [] };
}

/** A stored file as one side of a comparison. */
export function storedFile(repo: ReadAccess, entry: FileEntry): DiffFile {
  let tensors: Promise<StoredTensor[]> | null = null;
  return {
    size: entry.size,
    sha256: entry.sha256,
    mode: entry.mode,
    became: null,
    tensors() {
      tensors ??= openStoredFile(repo, entry).then(tensorsOf);
      return tensors;
    },
  };
}

/** A version as one side of a comparison. */
export async function versionSide(repo: ReadAccess, id: Id, label: string): Promise<DiffSide> {
  const tree = await repo.tree(id);
  return {
    label,
    version: id,
    tier: (await repo.tier(id))?.label ?? null,
    files: new Map(tree.files.map((entry) => [entry.path, storedFile(repo, entry)])),
    snapshots: tree.snapshots,
  };
}

/** Files that differ, by path. */
export function diffFiles(before: DiffSide, after: DiffSide): FileDiff[] {
  const diffs: FileDiff[] = [];
  for (const [path, file] of after.files) {
    const old = before.files.get(path);
    if (old === undefined) {
      diffs.push({ path, status: 'added', bytesBefore: null, bytesAfter: file.size });
    } else if (old.sha256 !== file.sha256 || old.mode !== file.mode) {
      const became = file.became === null ? {} : { became: file.became };
      const bytes = { bytesBefore: old.size, bytesAfter: file.size };
      diffs.push({ path, status: 'modified', ...bytes, ...became });
    }
  }
  for (const [path, file] of before.files) {
    if (!after.files.has(path)) {
      diffs.push({ path, status: 'removed', bytesBefore: file.size, bytesAfter: null });
    }
  }
  return diffs.sort((a, b) => comparePaths(a.path, b.path));
}

interface SnapshotPair {
  role: Role;
  before: Snapshot | null;
  after: Snapshot | null;
}

/**
 * Pairs snapshots by key and role; of those left over, the last ones of each role, so that a
 * checkpoint that was renamed or saved in other shards is compared with what it came from.
 */
function pairSnapshots(before: readonly Snapshot[], after: readonly Snapshot[]): SnapshotPair[] {
  const left = [...before];
  const pairs: SnapshotPair[] = [];
  const unpaired: Snapshot[] = [];
  for (const snapshot of after) {
    const at = left.findIndex((old) => old.key === snapshot.key && old.role === snapshot.role);
    if (at < 0) unpaired.push(snapshot);
    else
      pairs.push({
        role: snapshot.role,
        before: left.splice(at, 1)[0] as Snapshot,
        after: snapshot,
      });
  }
  for (const snapshot of unpaired.reverse()) {
    const at = left.findLastIndex((old) => old.role === snapshot.role);
    const old = at < 0 ? null : (left.splice(at, 1)[0] as Snapshot);
    pairs.push({ role: snapshot.role, before: old, after: snapshot });
  }
  for (const old of left) pairs.push({ role: old.role, before: old, after: null });
  return pairs;
}

/** Tensors of a pair of snapshots by name, and the name before of each that has one. */
interface SnapshotWork {
  pair: SnapshotPair;
  a: Map<string, StoredTensor>;
  b: Map<string, StoredTensor>;
  names: Map<string, string>;
}

/** What is asked of a comparison. */
export interface DiffRequest {
  /** Lists equal tensors too. */
  readonly all?: boolean;
  readonly context: OpContext;
}

/** Snapshots whose files differ, with the tensors that do; `all` lists equal ones as well. */
export async function diffSnapshots(
  repo: ReadAccess,
  before: DiffSide,
  after: DiffSide,
  request: DiffRequest,
): Promise<SnapshotDiff[]> {
  const { context } = request;
  const work: SnapshotWork[] = [];
  let totalBytes = 0;
  // A snapshot with a file that became something else has nothing to be compared with.
  const isOdd = ({ members }: Snapshot): boolean =>
    members.some((path) => (after.files.get(path)?.became ?? null) !== null);
  const plain = before.snapshots.filter((snapshot) => !isOdd(snapshot));
  for (const pair of pairSnapshots(plain, after.snapshots)) {
    if (isUntouched(pair, before, after)) continue;
    const a = await tensorsOfSnapshot(before, pair.before, pair.role);
    const b = await tensorsOfSnapshot(after, pair.after, pair.role);
    const names = matchNames(a, b);
    work.push({ pair, a, b, names });
    for (const [name, tensor] of b) {
      const old = a.get(names.get(name) ?? '');
      if (old && !sameBytes(old, tensor)) totalBytes += tensorBytes(tensor);
    }
  }
  context.progress.start('comparing', totalBytes);
  const diffs: SnapshotDiff[] = [];
  for (const pair of work) diffs.push(await diffTensors(repo, pair, request));
  return diffs;
}

/** True if both snapshots are made of the same files. */
function isUntouched(pair: SnapshotPair, before: DiffSide, after: DiffSide): boolean {
  const { before: a, after: b } = pair;
  if (a === null || b === null || a.key !== b.key || a.members.length !== b.members.length)
    return false;
  return b.members.every((path) => {
    const old = before.files.get(path);
    return old !== undefined && old.sha256 === after.files.get(path)?.sha256;
  });
}

async function tensorsOfSnapshot(
  side: DiffSide,
  snapshot: Snapshot | null,
  role: Role,
): Promise<Map<string, StoredTensor>> {
  const tensors: StoredTensor[] = [];
  for (const path of snapshot?.members ?? []) {
    const file = side.files.get(path) as DiffFile;
    tensors.push(...(await file.tensors()).filter((tensor) => tensor.role === role));
  }
  return new Map(uniqueNames(tensors).map(({ name, tensor }) => [name, tensor]));
}

async function diffTensors(
  repo: ReadAccess,
  { pair, a, b, names }: SnapshotWork,
  { all, context }: DiffRequest,
): Promise<SnapshotDiff> {
  const result: SnapshotDiff = {
    role: pair.role,
    keyBefore: pair.before?.key ?? null,
    keyAfter: pair.after?.key ?? null,
    stepBefore: pair.before?.step ?? null,
    stepAfter: pair.after?.step ?? null,
    added: 0,
    removed: 0,
    changed: 0,
    equal: 0,
    renamed: 0,
    renamedAs: null,
    tensors: [],
  };
  const push = (tensor: TensorDiff): void => {
    result[tensor.status]++;
    if (tensor.status !== 'equal' || all) result.tensors.push(tensor);
  };
  for (const [name, tensor] of b) {
    throwIfAborted(context.signal);
    const after = sideOf(tensor);
    const nameBefore = names.get(name) ?? null;
    if (nameBefore === null) {
      push({ name, nameBefore, status: 'added', before: null, after, numbers: null });
      continue;
    }
    const old = a.get(nameBefore) as StoredTensor;
    const numbers = await comparePair(repo, old, tensor, context);
    if (!sameBytes(old, tensor)) context.progress.advance(tensorBytes(tensor));
    if (nameBefore !== name) {
      result.renamed++;
      result.renamedAs ??= { before: nameBefore, after: name };
    }
    const equal = numbers.equal && !numbers.reshaped && !numbers.dtypeChanged;
    const status = equal ? 'equal' : 'changed';
    push({ name, nameBefore, status, before: sideOf(old), after, numbers });
  }
  const kept = new Set(names.values());
  for (const [name, tensor] of a) {
    if (kept.has(name)) continue;
    const before = sideOf(tensor);
    push({ name, nameBefore: name, status: 'removed', before, after: null, numbers: null });
  }
  return result;
}

function sideOf(tensor: StoredTensor): TensorSide {
  return { dtype: tensor.dtype, shape: tensor.shape };
}

/** Compares two tensors; where one is stored as a delta of the other, that is decoded once. */
async function comparePair(
  repo: ReadAccess,
  before: StoredTensor,
  after: StoredTensor,
  context: OpContext,
): Promise<TensorComparison> {
  const { signal } = context;
  const requests = sameBytes(before, after) ? [] : pairSegments(before, after);
  const planes = await openPlanes(repo.store, requests, signal ? { signal } : {});
  try {
    const readers = { blobs: repo.blobs, planes: planes.reader, hashes: repo.hashes };
    return await compareTensors(readers, before, after, signal);
  } finally {
    planes.close();
  }
}
