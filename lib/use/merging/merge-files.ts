/**
 * Three-way merge of two versions: a file that one side alone changed is taken from that side; where both changed a
 * file of tensors, each tensor that one side alone changed is. What both changed is a conflict, unless the user chose.
 */

import { throwIfAborted } from '../../base/bytes/abort.js';
import { pushAll } from '../../base/bytes/many.js';
import { ConflictError } from '../../base/errors.js';
import { safetensorsHeader } from '../../pure/formats/tensor-headers.js';
import { quantisedParts } from '../../pure/merge/quantised.js';
import { alignSides, type Origin, originOf, type Sides } from '../../pure/merge/three-way.js';
import type { PackSession } from '../../storage/objects/session.js';
import { readTensor } from '../../storage/objects/stored/read-tensor.js';
import { openStoredFile, type StoredFile } from '../../storage/objects/stored/stored-file.js';
import { type StoredTensor, tensorBytes, tensorsOf } from '../../storage/objects/stored/tensors.js';
import type { FileEntry, FilePage } from '../../storage/repo/version/file-page.js';
import type { FileChanges } from '../checkout/change-files.js';
import { isSame } from '../checkout/change-files.js';
import type { OpContext } from '../context.js';
import type { LineAccess } from '../history/access.js';
import { checkTiers } from '../history/tier-gate.js';
import type { Choices, Side } from './choices.js';
import { isSameShape, sameContent } from './same-content.js';
import { sharedBytes } from './shared-bytes.js';
import { storeMerged, storeStream, type TensorStream } from './write-merged.js';

/** What a side did to a file or tensor that is in conflict. */
export type SideChange = 'added' | 'modified' | 'deleted';

export interface Conflict {
  path: string;
  /** null if the file as a whole is in conflict. */
  tensor: string | null;
  ours: SideChange;
  theirs: SideChange;
}

/** A file that was put together of tensors of both sides. */
export interface MergedTensors {
  path: string;
  /** How many were taken from the other version; the rest is of this one. */
  theirs: number;
  tensors: number;
}

export interface FileMerge {
  changes: FileChanges;
  conflicts: Conflict[];
  merged: MergedTensors[];
}

interface Trees {
  base: readonly FileEntry[];
  ours: readonly FileEntry[];
  theirs: FilePage;
}

/** @param session  where merged files are stored; null to say only what would be done. */
export async function mergeFiles(
  repo: LineAccess,
  { trees, choices }: { trees: Trees; choices: Choices },
  session: PackSession | null,
  context: OpContext,
): Promise<FileMerge> {
  const byPath = (files: readonly FileEntry[]): Map<string, FileEntry> =>
    new Map(files.map((file) => [file.path, file]));
  const { theirs } = trees;
  const target: FilePage = { files: [], snapshots: [...theirs.snapshots] };
  const result: FileMerge = { changes: { target, removes: [] }, conflicts: [], merged: [] };
  const aligned = alignSides(byPath(trees.base), byPath(trees.ours), byPath(theirs.files));
  const take = (path: string, file: FileEntry | undefined): void => {
    if (file === undefined) result.changes.removes.push(path);
    else target.files.push(file);
  };
  for (const [path, sides] of aligned) {
    throwIfAborted(context.signal);
    const origin = await originOf(sides, async (a, b) => isSame(a, b));
    if (origin === 'theirs') take(path, sides.theirs);
    if (origin !== 'conflict') continue;
    const tensors = await mergeTensors(repo, { path, sides, choices }, session, context);
    if (tensors !== null) {
      pushAll(result.conflicts, tensors.conflicts);
      if (tensors.file !== null) target.files.push(tensors.file);
      if (tensors.merged !== null) result.merged.push(tensors.merged);
      continue;
    }
    const side = choices.ofFile(path);
    if (side === 'theirs') take(path, sides.theirs);
    if (side !== null) continue;
    const [ours, other] = [sides.ours, sides.theirs].map((file) => changeOf(sides.base, file));
    result.conflicts.push({ path, tensor: null, ours, theirs: other } as Conflict);
  }
  return result;
}

interface TensorMerge {
  /** null without a session, or if there are conflicts. */
  file: FileEntry | null;
  merged: MergedTensors | null;
  conflicts: Conflict[];
}

/** What a side of a conflict did. */
function changeOf<T>(before: T | undefined, after: T | undefined): SideChange {
  if (before === undefined) return 'added';
  return after === undefined ? 'deleted' : 'modified';
}

/** Merges a file that all three sides have, tensor by tensor; null if it cannot be: it is merged as a whole then. */
async function mergeTensors(
  repo: LineAccess,
  { path, sides, choices }: { path: string; sides: Sides<FileEntry>; choices: Choices },
  session: PackSession | null,
  context: OpContext,
): Promise<TensorMerge | null> {
  if (sides.base === undefined || sides.ours === undefined || sides.theirs === undefined) {
    return null;
  }
  checkTiers([sides.base, sides.ours, sides.theirs], false, context);
  const files = {
    base: await openStoredFile(repo, sides.base),
    ours: await openStoredFile(repo, sides.ours),
    theirs: await openStoredFile(repo, sides.theirs),
  };
  const format = files.ours.skeleton?.format;
  if (format === undefined || files.theirs.skeleton?.format !== format) return null;
  const named = (file: StoredFile): Map<string, StoredTensor> | null => {
    const tensors = tensorsOf(file);
    const byName = new Map(tensors.map((tensor) => [tensor.name, tensor]));
    return tensors.length > 0 && byName.size === tensors.length ? byName : null;
  };
  const [base, ours, theirs] = [named(files.base), named(files.ours), named(files.theirs)];
  if (base === null || ours === null || theirs === null) return null;
  const same = (a: StoredTensor, b: StoredTensor) => sameContent(repo, a, b);
  const picked = new Map<string, Side>();
  const conflicts: Conflict[] = [];
  const aligned = alignSides(base, ours, theirs);
  const origins = new Map<string, Origin>();
  for (const [name, tensor] of aligned) {
    throwIfAborted(context.signal);
    origins.set(name, await originOf(tensor, same));
  }
  await refuseMixtures(quantisedParts(aligned.keys()), { aligned, origins, same });
  const shared = [files.ours, files.theirs].map(sharedBytes);
  for (const groups of shared) await refuseMixtures(groups, { aligned, origins, same });
  for (const [name, tensor] of aligned) {
    const origin = origins.get(name) as Origin;
    const side = origin === 'conflict' ? choices.ofTensor(path, name) : origin;
    if (side !== null) picked.set(name, side);
    else {
      conflicts.push({
        path,
        tensor: name,
        ours: changeOf(tensor.base, tensor.ours),
        theirs: changeOf(tensor.base, tensor.theirs),
      });
    }
  }
  if (conflicts.length > 0) return { file: null, merged: null, conflicts };
  for (const groups of shared) await refuseSplits(path, groups, { aligned, picked, same });
  const result = [...picked].flatMap(([name, side]) => {
    const tensor = (side === 'ours' ? ours : theirs).get(name);
    return tensor === undefined ? [] : [{ side, tensor }];
  });
  const merged: MergedTensors = {
    path,
    theirs: result.filter(({ side }) => side === 'theirs').length,
    tensors: result.length,
  };
  const fits =
    result.length === ours.size &&
    result.every(({ tensor }) => isSameShape(tensor, ours.get(tensor.name)));
  if (fits && merged.theirs === 0) return { file: null, merged: null, conflicts: [] };
  if (!fits && format !== 'safetensors') return null;
  const entry = sides.ours;
  if (session === null) return { file: entry, merged, conflicts: [] };
  if (fits) {
    const order = [...ours.keys()];
    const changed = new Map<number, TensorStream>(
      result
        .filter(({ side }) => side === 'theirs')
        .map(({ tensor }) => [order.indexOf(tensor.name), () => readTensor(repo, tensor)]),
    );
    const file = await storeMerged(repo, session, { entry, file: files.ours, changed }, context);
    return { file, merged, conflicts: [] };
  }
  const stream = newSafetensors(
    repo,
    result.map(({ tensor }) => tensor),
  );
  const file = await storeStream(repo, session, { entry, stream, mends: false }, context);
  return { file, merged, conflicts: [] };
}

/**
 * Tensors of one group that the sides changed apart become conflicts: codes of one fit no scales of another, and bytes
 * that two tensors share can have one value.
 */
async function refuseMixtures(
  groups: ReadonlyMap<string, string>,
  {
    aligned,
    origins,
    same,
  }: {
    aligned: ReadonlyMap<string, Sides<StoredTensor>>;
    origins: Map<string, Origin>;
    same(a: StoredTensor, b: StoredTensor): Promise<boolean>;
  },
): Promise<void> {
  const modules = new Map<string, { ours: string[]; theirs: string[] }>();
  for (const [name, module] of groups) {
    const { base, ours, theirs } = aligned.get(name) as Sides<StoredTensor>;
    const sides = modules.get(module) ?? { ours: [], theirs: [] };
    modules.set(module, sides);
    const equal = async (a: StoredTensor | undefined, b: StoredTensor | undefined) =>
      a === undefined || b === undefined ? a === b : same(a, b);
    const origin = origins.get(name);
    if (origin !== 'ours') sides.theirs.push(name);
    if (origin === 'conflict') sides.ours.push(name);
    if (origin !== 'ours') continue;
    if ((await equal(base, theirs)) && !(await equal(base, ours))) sides.ours.push(name);
  }
  for (const { ours, theirs } of modules.values()) {
    if (ours.length === 0 || theirs.length === 0) continue;
    for (const name of [...ours, ...theirs]) origins.set(name, 'conflict');
  }
}

/** @throws {ConflictError} if tensors that share bytes were chosen from both sides. */
async function refuseSplits(
  path: string,
  groups: ReadonlyMap<string, string>,
  {
    aligned,
    picked,
    same,
  }: {
    aligned: ReadonlyMap<string, Sides<StoredTensor>>;
    picked: ReadonlyMap<string, Side>;
    same(a: StoredTensor, b: StoredTensor): Promise<boolean>;
  },
): Promise<void> {
  const sides = new Map<string, { side: Side; name: string }>();
  for (const [name, group] of groups) {
    const { ours, theirs } = aligned.get(name) as Sides<StoredTensor>;
    const side = picked.get(name);
    if (side === undefined) continue;
    if (ours !== undefined && theirs !== undefined && (await same(ours, theirs))) continue;
    const first = sides.get(group);
    if (first === undefined) sides.set(group, { side, name });
    else if (first.side !== side) {
      throw new ConflictError(
        `'${path}#${first.name}' and '${path}#${name}' share bytes, which can be of one side alone`,
        { path, tensor: name, hint: 'choose the same side for both, with --ours or --theirs' },
      );
    }
  }
}

/** A safetensors file of tensors that were in no one file. */
async function* newSafetensors(
  repo: LineAccess,
  tensors: readonly StoredTensor[],
): AsyncGenerator<Uint8Array> {
  yield safetensorsHeader(
    tensors.map((tensor) => ({ ...tensor, bytes: tensorBytes(tensor) })),
    { metadata: { format: 'pt' } },
  );
  for (const tensor of tensors) yield* readTensor(repo, tensor);
}
