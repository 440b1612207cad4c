/** Combines the weights of several versions tensor by tensor, into the files of the first. */
import { throwIfAborted } from '../../base/bytes/abort.js';
import { ConflictError } from '../../base/errors.js';
import { type Combination, combineTensor } from '../../pure/merge/combine.js';
import type { Source } from '../../pure/merge/trim.js';
import { matchNames } from '../../pure/tensor/canonical-name.js';
import { type DType, widen } from '../../pure/tensor/dtype.js';
import { elementCount } from '../../pure/tensor/layout.js';
import { narrow, roundTo } from '../../pure/tensor/quantize.js';
import type { FloatDType } from '../../pure/tensor/tier.js';
import type { PackSession } from '../../storage/objects/session.js';
import { readTensor } from '../../storage/objects/stored/read-tensor.js';
import { openStoredFile, type StoredFile } from '../../storage/objects/stored/stored-file.js';
import {
  type StoredTensor,
  sameBytes,
  tensorBytes,
  tensorsOf,
} from '../../storage/objects/stored/tensors.js';
import type { FileEntry, FilePage, Snapshot } from '../../storage/repo/version/file-page.js';
import type { FileChanges } from '../checkout/change-files.js';
import type { OpContext } from '../context.js';
import type { LineAccess } from '../history/access.js';
import { uniqueNames } from '../history/find-tensors.js';
import { checkTiers } from '../history/tier-gate.js';
import { sameContent } from './same-content.js';
import { storeMerged, type TensorStream } from './write-merged.js';

/** A tensor of a checkpoint, and where its file has it. */
export interface PlacedTensor {
  tensor: StoredTensor;
  entry: FileEntry;
  file: StoredFile;
  /** Index among the tensors of the file. */
  index: number;
}

/** The weights of a checkpoint by their names, over all its files. @throws {TierError} for files that are not exact. */
export async function weightsOf(
  repo: LineAccess,
  { files }: Pick<FilePage, 'files'>,
  { members, role }: Pick<Snapshot, 'members' | 'role'>,
  context: OpContext,
): Promise<Map<string, PlacedTensor>> {
  const entries = new Map(files.map((entry) => [entry.path, entry]));
  const placed = new Map<StoredTensor, PlacedTensor>();
  for (const path of members) {
    const entry = entries.get(path);
    if (entry === undefined) continue;
    // Values of a tier would become those of a version that says nothing of it.
    checkTiers([entry], false, context);
    const file = await openStoredFile(repo, entry);
    for (const [index, tensor] of tensorsOf(file).entries()) {
      if (tensor.role === role) placed.set(tensor, { tensor, entry, file, index });
    }
  }
  const named = uniqueNames([...placed.keys()]);
  return new Map(named.map(({ name, tensor }) => [name, placed.get(tensor) as PlacedTensor]));
}

/** New bytes of tensors, by the file that they are in. */
export class ChangedTensors {
  readonly #files = new Map<
    string,
    { entry: FileEntry; file: StoredFile; changed: Map<number, TensorStream> }
  >();
  bytes = 0;
  count = 0;

  set({ entry, file, index, tensor }: PlacedTensor, stream: TensorStream): void {
    const known = this.#files.get(entry.path) ?? { entry, file, changed: new Map() };
    known.changed.set(index, stream);
    this.#files.set(entry.path, known);
    this.bytes += tensorBytes(tensor);
    this.count++;
  }

  /** Stores the files; without a session it only names them. */
  async store(
    repo: LineAccess,
    session: PackSession | null,
    context: OpContext,
  ): Promise<FileEntry[]> {
    const files: FileEntry[] = [];
    if (session !== null) context.progress.start('merging', this.bytes);
    for (const merged of this.#files.values()) {
      throwIfAborted(context.signal);
      files.push(
        session === null ? merged.entry : await storeMerged(repo, session, merged, context),
      );
    }
    if (session !== null) context.progress.finish();
    return files;
  }
}

/** Values of a stored tensor, float64, in memory of their own. */
export function valuesOf(repo: LineAccess, tensor: StoredTensor): Source {
  return async function* () {
    for await (const bytes of readTensor(repo, tensor)) {
      const values = widen(tensor.dtype, bytes) as Float64Array;
      // Bytes of a float64 tensor are its values: others may read them, too.
      yield values.buffer === bytes.buffer ? Float64Array.from(values) : values;
    }
  };
}

const WRITABLE: ReadonlySet<DType> = new Set<FloatDType>(['F64', 'F32', 'F16', 'BF16']);

/** True for floats whose values can be written again. */
export function isWritable({ dtype }: StoredTensor): boolean {
  return WRITABLE.has(dtype);
}

/**
 * Bytes of values in the dtype of a tensor, rounded to nearest; what is beyond it becomes infinite, of which is warned.
 * @param values  gives them, from the start each time.
 */
export function bytesOfValues(
  { name, dtype }: StoredTensor,
  values: () => AsyncIterable<Float64Array>,
  context: OpContext,
): TensorStream {
  return async function* (isAgain) {
    let beyond = 0;
    for await (const piece of values()) {
      throwIfAborted(context.signal);
      const bytes = narrow(dtype as FloatDType, piece, 'infinity');
      beyond += countBeyond(dtype, piece);
      if (!isAgain) context.progress.advance(bytes.length);
      yield bytes;
    }
    if (beyond > 0 && !isAgain) {
      const what = beyond === 1 ? 'one value is' : `${beyond} values are`;
      context.warn(`'${name}': ${what} beyond ${dtype}, and now infinite`);
    }
  };
}

/** Values that are finite in float64 and not in a narrower dtype. */
function countBeyond(dtype: DType, values: Float64Array): number {
  if (dtype === 'F64') return 0;
  let count = 0;
  for (const value of values) {
    if (!Number.isFinite(value)) continue;
    const rounded =
      dtype === 'F32'
        ? Math.fround(value)
        : roundTo(dtype === 'F16' ? 'fp16' : 'bf16', value, 'infinity');
    if (!Number.isFinite(rounded)) count++;
  }
  return count;
}

export interface Combined {
  changes: FileChanges;
  /** Tensors that were combined. */
  tensors: number;
  /** Names of float tensors that some version does not have in this shape: they stay. */
  left: string[];
}

/** Types of which elements are counts, indices or masks and not codes of quantised values. */
const NO_CODES: ReadonlySet<DType | null> = new Set<DType | null>(['BOOL', 'I64', 'U64']);

/** @throws {ConflictError} if codes of quantised weights differ: those of one version fit no mixture of scales. */
async function refuseQuantised(
  repo: LineAccess,
  name: string,
  [tensor, ...others]: readonly StoredTensor[],
): Promise<void> {
  if (tensor === undefined || NO_CODES.has(tensor.dtype) || elementCount(tensor.shape) < 2) return;
  for (const other of others) {
    if (await sameContent(repo, tensor, other)) continue;
    throw new ConflictError(
      `cannot combine quantised weights: '${name}' is ${tensor.dtype} and differs between the versions`,
      {
        tensor: name,
        hint: 'combine the float weights that these were quantised from, then quantise',
      },
    );
  }
}

export interface CombineInputs {
  /** The version whose files are written anew. */
  ours: FilePage;
  /** The versions that are combined, in the order of their weights. */
  inputs: readonly FilePage[];
  /** The common base; null if the combination needs none. */
  base: FilePage | null;
  combination: Combination;
}

/** The checkpoint of a version that is the same as one of another, or the only one of its role; null if neither. */
function counterpart({ snapshots }: FilePage, { key, role }: Snapshot): Snapshot | null {
  const ofRole = snapshots.filter((snapshot) => snapshot.role === role);
  const same = ofRole.find((snapshot) => snapshot.key === key);
  return same ?? (ofRole.length === 1 ? (ofRole[0] as Snapshot) : null);
}

/** Where a tensor lies in its file, and what is combined there: tied weights have one place under several names. */
function placeKey(
  { entry, file, index, tensor }: PlacedTensor,
  others: readonly StoredTensor[],
): string {
  const { home: _, name: __, path: ___, ...view } = tensor;
  const part = file.skeleton?.tensors[index]?.part;
  const rest = others.map(({ name: _name, path: _path, ...other }) => other);
  return JSON.stringify([entry.path, part, view, rest]);
}

/** @param session  where combined files are stored; null to say only what would be done. */
export async function combineFiles(
  repo: LineAccess,
  { ours, inputs, base, combination }: CombineInputs,
  session: PackSession | null,
  context: OpContext,
): Promise<Combined> {
  const changed = new ChangedTensors();
  const left: string[] = [];
  let same = 0;
  const pages = base === null ? inputs : [base, ...inputs];
  for (const snapshot of ours.snapshots.filter(({ role }) => role === 'weights')) {
    const counterparts = pages.map((page) => counterpart(page, snapshot));
    if (counterparts.includes(null)) continue;
    const own = await weightsOf(repo, ours, snapshot, context);
    const found: Map<string, PlacedTensor>[] = [];
    for (const [i, page] of pages.entries()) {
      const theirs = await weightsOf(repo, page, counterparts[i] as Snapshot, context);
      const names = matchNames(theirs, own);
      found.push(
        new Map([...names].map(([name, other]) => [name, theirs.get(other) as PlacedTensor])),
      );
    }
    const tied = new Map<string, TensorStream>();
    for (const [name, placed] of own) {
      const { tensor } = placed;
      if (!isWritable(tensor)) {
        await refuseQuantised(repo, name, [
          tensor,
          ...found.flatMap((weights) => weights.get(name)?.tensor ?? []),
        ]);
        continue;
      }
      const rest = found.map((weights) => weights.get(name)?.tensor);
      const fits = rest.every(
        (other) =>
          other !== undefined &&
          isWritable(other) &&
          JSON.stringify(other.shape) === JSON.stringify(tensor.shape),
      );
      if (!fits) {
        left.push(name);
        continue;
      }
      // Of equal values every method makes these values.
      if (rest.every((other) => sameBytes(other as StoredTensor, tensor))) {
        same++;
        continue;
      }
      const sources = rest.map((other) => valuesOf(repo, other as StoredTensor));
      const first = base === null ? null : (sources.shift() as Source);
      const values = () => combineTensor(combination, { name, base: first, inputs: sources });
      const key = placeKey(placed, rest as StoredTensor[]);
      const stream = tied.get(key) ?? bytesOfValues(tensor, values, context);
      tied.set(key, stream);
      changed.set(placed, stream);
    }
  }
  if (changed.count + same === 0) {
    throw new ConflictError('these versions have no weights of the same names and shapes', {
      hint: "'dlv diff' of two versions shows what they have in common",
    });
  }
  const files = await changed.store(repo, session, context);
  const target: FilePage = { files, snapshots: ours.snapshots };
  return { changes: { target, removes: [] }, tensors: changed.count, left };
}
