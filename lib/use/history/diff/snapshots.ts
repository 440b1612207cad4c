/** Checkpoints that differ between two sides, every tensor in numbers. */

import { throwIfAborted } from '../../../base/bytes/abort.js';
import { forEachLimit } from '../../../base/bytes/for-each-limit.js';
import { pushAll } from '../../../base/bytes/many.js';
import { BugError } from '../../../base/errors.js';
import { WIDTH_MAX } from '../../../base/limits.js';
import { type NamedRole, roleOfName } from '../../../pure/paths/checkpoint-names.js';
import { matchNames } from '../../../pure/tensor/canonical-name.js';
import type { Role } from '../../../pure/tensor/layout.js';
import type { ReadAccess } from '../../../storage/objects/access.js';
import { openPlanes } from '../../../storage/objects/planes/read-segments.js';
import {
  bringTensors,
  leadingHere,
  type SuppliedReader,
} from '../../../storage/objects/stored/bring.js';
import {
  pairSegments,
  type StoredTensor,
  sameBytes,
  tensorBytes,
} from '../../../storage/objects/stored/tensors.js';
import type { Snapshot } from '../../../storage/repo/version/file-page.js';
import type { OpContext } from '../../context.js';
import { uniqueNames } from '../find-tensors.js';
import { rankWork } from './change-rank.js';
import { enoughPlanes, isEnough, maskedChanges } from './cheapest.js';
import { canLead, compareTensors, type TensorComparison } from './compare.js';
import type { FileDiff } from './files.js';
import { pairSnapshots, type SnapshotPair } from './pair-snapshots.js';
import type { DiffFile, DiffSide } from './sides.js';

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
  /** What its tensors are for: as the name of its file says, else they themselves. */
  role: Role | NamedRole;
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

/** Tensors of a pair of snapshots by name, and the name before of each that has one. */
interface SnapshotWork {
  pair: SnapshotPair;
  a: Map<string, StoredTensor>;
  b: Map<string, StoredTensor>;
  names: Map<string, string>;
}

/** What is asked of a comparison. */
export interface DiffRequest {
  /** Files that differ, so that moved ones are compared with what they were. */
  readonly files: readonly FileDiff[];
  /** Lists equal tensors too. */
  readonly all?: boolean;
  /** Reads all bytes, also of large checkpoints. */
  readonly exact?: boolean;
  /** Works out the rank of every change; undefined: where that is little work. */
  readonly rank?: boolean;
  readonly context: OpContext;
}

/** How the tensors of a comparison are read. */
interface Reading {
  /** Leading planes are enough where they say enough. */
  isLeading: boolean;
  hasRanks: boolean;
}

/** Checkpoints of no more bytes are compared by all of them: that takes no time worth a bound. */
const EXACT_BYTES_MAX = 256 * 1024 * 1024;
/** Multiplications that ranks of changes may take where nobody asked for them. */
const RANK_WORK_MAX = 1_000_000_000;
/** Tensors compared at once: each holds two segments of either side. */
const TENSORS_AT_ONCE = 2;

/** Snapshots whose files differ, with the tensors that do; `all` lists equal ones as well. */
export async function diffSnapshots(
  repo: SuppliedReader,
  before: DiffSide,
  after: DiffSide,
  request: DiffRequest,
): Promise<SnapshotDiff[]> {
  const { context } = request;
  const work: SnapshotWork[] = [];
  const wanted: StoredTensor[] = [];
  let totalBytes = 0;
  let rankTotal = 0;
  // A snapshot with a file that became something else has nothing to be compared with.
  const isOdd = ({ members }: Snapshot): boolean =>
    members.some((path) => (after.files.get(path)?.became ?? null) !== null);
  const plain = before.snapshots.filter((snapshot) => !isOdd(snapshot));
  const nameBefore = movedNames(before, after, request.files);
  for (const pair of pairSnapshots(plain, after.snapshots, nameBefore)) {
    if (isUntouched(pair, before, after)) continue;
    const a = await tensorsOfSnapshot(before, pair.before, pair.role);
    const b = await tensorsOfSnapshot(after, pair.after, pair.role);
    const names = matchNames(a, b);
    work.push({ pair, a, b, names });
    for (const [name, tensor] of b) {
      const old = a.get(names.get(name) ?? '');
      if (!old || sameBytes(old, tensor)) continue;
      wanted.push(old, tensor);
      totalBytes += tensorBytes(tensor);
      rankTotal += rankWork(tensor);
    }
  }
  await bringTensors(
    repo,
    wanted,
    request.exact ? WIDTH_MAX : (repo.promises?.planes ?? WIDTH_MAX),
  );
  context.progress.start('comparing', totalBytes);
  const diffs: SnapshotDiff[] = [];
  const reading = {
    isLeading: !request.exact && totalBytes > EXACT_BYTES_MAX,
    hasRanks: request.rank ?? rankTotal <= RANK_WORK_MAX,
  };
  for (const pair of work) {
    const keys = {
      before: pathOf(before, pair.pair.before),
      after: pathOf(after, pair.pair.after),
    };
    diffs.push(await diffTensors(repo, pair, keys, { ...request, ...reading }));
  }
  return diffs;
}

/** Tells the name of a file on the first side from that on the second. */
function movedNames(
  before: DiffSide,
  after: DiffSide,
  files: readonly FileDiff[],
): (key: string) => string {
  const from = new Map(files.map(({ path, pathBefore }) => [path, pathBefore]));
  const keys = new Map([...before.files].map(([key, { path }]) => [path, key]));
  return (key) => {
    const old = from.get(after.files.get(key)?.path ?? key);
    return (old === undefined ? undefined : keys.get(old)) ?? key;
  };
}

function pathOf(side: DiffSide, snapshot: Snapshot | null): string | null {
  return snapshot === null ? null : (side.files.get(snapshot.key)?.path ?? snapshot.key);
}

/** True if both snapshots are made of the same bytes, wherever they stand. */
function isUntouched(pair: SnapshotPair, before: DiffSide, after: DiffSide): boolean {
  const { before: a, after: b } = pair;
  if (a === null || b === null || a.members.length !== b.members.length) return false;
  const contents = (side: DiffSide, { members }: Snapshot): string =>
    members
      .map((path) => side.files.get(path)?.sha256)
      .sort()
      .join();
  return contents(before, a) === contents(after, b);
}

async function tensorsOfSnapshot(
  side: DiffSide,
  snapshot: Snapshot | null,
  role: Role,
): Promise<Map<string, StoredTensor>> {
  const tensors: StoredTensor[] = [];
  for (const path of snapshot?.members ?? []) {
    const file = side.files.get(path) as DiffFile;
    pushAll(
      tensors,
      (await file.tensors()).filter((tensor) => tensor.role === role),
    );
  }
  return new Map(uniqueNames(tensors).map(({ name, tensor }) => [name, tensor]));
}

async function diffTensors(
  repo: ReadAccess,
  { pair, a, b, names }: SnapshotWork,
  keys: { before: string | null; after: string | null },
  request: DiffRequest & Reading,
): Promise<SnapshotDiff> {
  const { all, context } = request;
  const result: SnapshotDiff = {
    role: roleOfName(keys.after ?? keys.before ?? '') ?? pair.role,
    keyBefore: keys.before,
    keyAfter: keys.after,
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
  const numbersOf = new Map<string, TensorComparison>();
  await forEachLimit([...names], TENSORS_AT_ONCE, async ([name, nameBefore]) => {
    const [old, tensor] = [a.get(nameBefore) as StoredTensor, b.get(name) as StoredTensor];
    numbersOf.set(name, await comparePair(repo, old, tensor, request));
    if (!sameBytes(old, tensor)) context.progress.advance(tensorBytes(tensor));
  });
  for (const [name, tensor] of b) {
    throwIfAborted(context.signal);
    const after = sideOf(tensor);
    const nameBefore = names.get(name) ?? null;
    if (nameBefore === null) {
      push({ name, nameBefore, status: 'added', before: null, after, numbers: null });
      continue;
    }
    const old = a.get(nameBefore) as StoredTensor;
    const numbers = numbersOf.get(name) as TensorComparison;
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

/** Leading planes that are here of both of two tensors, where others are at a remote; else null. */
async function fewPlanes(
  repo: ReadAccess,
  a: StoredTensor,
  b: StoredTensor,
): Promise<number | null> {
  if (!canLead(a, b)) return null;
  const [x, y] = [await leadingHere(repo, a), await leadingHere(repo, b)];
  return x === null && y === null ? null : Math.min(x ?? WIDTH_MAX, y ?? WIDTH_MAX);
}

/** Compares two tensors; where one is stored as a delta of the other, that is decoded once. */
async function comparePair(
  repo: ReadAccess,
  before: StoredTensor,
  after: StoredTensor,
  { context, isLeading, hasRanks, exact }: DiffRequest & Reading,
): Promise<TensorComparison> {
  const { signal } = context;
  throwIfAborted(signal);
  const isSame = sameBytes(before, after);
  const few = isSame || exact === true ? null : await fewPlanes(repo, before, after);
  if (few !== null) {
    // A clone without low planes says what it knows, and how far off that may be.
    const options = { signal, planes: few, rank: false };
    return compareTensors(repo, before, after, options);
  }
  const leading = isLeading && !isSame ? await enoughPlanes(repo.store, before, after) : undefined;
  const changedElements =
    leading === undefined ? null : await maskedChanges(repo.store, before, after);
  for (const wanted of leading === undefined ? [undefined] : new Set([leading, 3, undefined])) {
    const requests = isSame ? [] : pairSegments(before, after, wanted);
    const planes = await openPlanes(repo.store, requests, signal ? { signal } : {});
    try {
      const readers = { blobs: repo.blobs, planes: planes.reader, hashes: repo.hashes };
      const leadingOnly = wanted === undefined ? {} : { planes: wanted };
      const options = { signal, changedElements, rank: hasRanks, ...leadingOnly };
      const numbers = await compareTensors(readers, before, after, options);
      if (isEnough(numbers)) return numbers;
    } finally {
      planes.close();
    }
  }
  throw new BugError('a comparison by all planes says too little');
}
