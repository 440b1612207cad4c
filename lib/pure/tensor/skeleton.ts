/**
 * The bytes of a skeleton. A file may have a million tensors, so neither side holds the packed rows of
 * all of them at once, and parts and dtypes that are equal are one object.
 *
 * @see docs/format/recipe.md
 */

import { Fields } from '../../base/bytes/msgpack/fields.js';
import {
  arrayHeader,
  binaryHeader,
  encodeCanonical,
  encodeLongArray,
  type Packed,
} from '../../base/bytes/msgpack/msgpack.js';
import { CanonicalCursor } from '../../base/bytes/msgpack/msgpack-cursor.js';
import { CorruptError, LimitError } from '../../base/errors.js';
import { BLOB_MEMORY_BYTES_MAX, RANK_MAX, TENSORS_PER_FILE_MAX } from '../../base/limits.js';
import { dtypeNamed } from './dtype.js';
import { ROLES, type Role } from './layout.js';
import {
  FORMAT_VERSION,
  type Part,
  type Skeleton,
  type SkeletonTensor,
  unpackNumbers,
  unpackWidth,
} from './recipe.js';

/** Version, format, fixed literal, parts, tensors. */
const SKELETON_FIELDS = 5;
const PART_CODES = { fixed: 0, variable: 1, data: 2, extent: 3, chunks: 4, swapped: 5 } as const;

/** Parts that are equal to a late one are the same object: a million small tensors are often alike. */
export class RepeatedParts {
  readonly #last = new Map<string, Part>();

  share(part: Part): Part {
    const last = this.#last.get(part.kind);
    if (last !== undefined && isSamePart(last, part)) return last;
    this.#last.set(part.kind, part);
    return part;
  }
}

function isSamePart(a: Part, b: Part): boolean {
  if (a.kind === 'extent' || b.kind === 'extent') return false;
  if (a.kind === 'chunks' || b.kind === 'chunks') return a.kind === b.kind;
  if (a.kind !== b.kind || a.length !== b.length) return false;
  if (a.kind !== 'data' || b.kind !== 'data') return true;
  return a.width === b.width && a.byteSwap === b.byteSwap;
}

function packPart(part: Part): Packed[] {
  switch (part.kind) {
    case 'fixed':
      return [PART_CODES.fixed, part.length];
    case 'variable':
      return [PART_CODES.variable, part.length];
    case 'data':
      return [part.byteSwap ? PART_CODES.swapped : PART_CODES.data, part.width, part.length];
    case 'extent':
      return [PART_CODES.extent, part.width, part.count, part.byteSwap ? 1 : 0];
    case 'chunks':
      return [PART_CODES.chunks];
  }
}

/** Canonical bytes of a skeleton. A million rows are made one by one, never all at once. */
export function encodeSkeleton(skeleton: Skeleton): Uint8Array {
  const { format, fixed, parts, tensors } = skeleton;
  return Buffer.concat([
    arrayHeader(SKELETON_FIELDS),
    encodeCanonical(FORMAT_VERSION),
    encodeCanonical(format),
    binaryHeader(fixed.length),
    fixed,
    ...encodeLongArray(parts.length, packedParts(parts)),
    ...encodeLongArray(tensors.length, packedTensors(tensors)),
  ]);
}

function* packedParts(parts: readonly Part[]): Generator<Packed> {
  for (const part of parts) yield packPart(part);
}

function* packedTensors(tensors: readonly SkeletonTensor[]): Generator<Packed> {
  for (const { name, dtype, shape, strides, role, part, byteOffset } of tensors) {
    yield [name, dtype, shape, strides, ROLES.indexOf(role), part + 1, byteOffset];
  }
}

function unpackPart(value: Packed, file: string): Part {
  const fields = new Fields(value, file);
  const code = fields.count('part kind', PART_CODES.swapped);
  let part: Part;
  if (code === PART_CODES.fixed) part = { kind: 'fixed', length: fields.count('length') };
  else if (code === PART_CODES.variable) {
    const length = fields.any('length');
    if (
      length !== null &&
      (typeof length !== 'number' || !Number.isSafeInteger(length) || length < 0)
    ) {
      throw new CorruptError(`'${file}': bad variable length`, { file });
    }
    part = { kind: 'variable', length };
  } else if (code === PART_CODES.data || code === PART_CODES.swapped) {
    const byteSwap = code === PART_CODES.swapped;
    part = { kind: 'data', width: unpackWidth(fields), length: fields.count('length'), byteSwap };
    if (byteSwap && (part.width === 1 || part.length % part.width !== 0)) {
      throw new CorruptError(`'${file}': ${part.length} swapped bytes`, { file });
    }
  } else if (code === PART_CODES.extent) {
    part = {
      kind: 'extent',
      width: unpackWidth(fields),
      count: fields.count('count'),
      byteSwap: fields.count('byteSwap', 1) === 1,
    };
  } else part = { kind: 'chunks' };
  fields.end();
  return part;
}

/** Memory of a part and of a tensor of a skeleton, without what differs. */
const PART_CHARGE = 56;
const TENSOR_CHARGE = 200;

/** Decodes and checks a skeleton. @throws {CorruptError} {FormatVersionError} {LimitError} */
export function decodeSkeleton(bytes: Uint8Array, file: string): Skeleton {
  const parts: Part[] = [];
  const tensors: SkeletonTensor[] = [];
  const head = walkSkeleton(bytes, file, {
    part: (part) => parts.push(part),
    tensor: (tensor) => tensors.push(tensor),
  });
  return { ...head, parts, tensors };
}

/** Checks that a skeleton can be decoded, and keeps nothing of it. @throws as `decodeSkeleton`. */
export function checkSkeleton(bytes: Uint8Array, file: string): void {
  walkSkeleton(bytes, file, { part() {}, tensor() {} });
}

/** Gives the parts and tensors of a skeleton one by one: its rows are never all there as values. */
function walkSkeleton(
  bytes: Uint8Array,
  file: string,
  sink: { part(part: Part): void; tensor(tensor: SkeletonTensor): void },
): Pick<Skeleton, 'format' | 'fixed'> {
  const cursor = new CanonicalCursor(bytes, file);
  const fields = new SkeletonFields(file);
  const fieldCount = cursor.openArray();
  // A later form may have other fields: it is told first.
  new Fields([cursor.value()], file).form('skeleton form', FORMAT_VERSION);
  if (fieldCount !== SKELETON_FIELDS) {
    throw new CorruptError(`'${file}' has ${fieldCount} fields, not those of a skeleton`, { file });
  }
  const head = new Fields([cursor.value(), cursor.value()], file);
  const format = head.string('format');
  const fixed = head.bytes('fixed literal');
  const partCount = cursor.openArray();
  let used = 0;
  for (const value of cursor.values(partCount)) {
    const part = fields.part(value);
    if (part.kind === 'fixed') used += part.length;
    sink.part(part);
  }
  const count = cursor.openArray();
  if (count > TENSORS_PER_FILE_MAX) throw new CorruptError(`'${file}': too many tensors`, { file });
  for (const row of cursor.values(count)) sink.tensor(fields.tensor(row, partCount));
  cursor.end();
  if (used !== fixed.length) {
    throw new CorruptError(`'${file}': parts use ${used} fixed bytes of ${fixed.length}`, { file });
  }
  return { format, fixed };
}

/** Makes the parts and tensors of one skeleton, in bounded memory. */
class SkeletonFields {
  readonly #file: string;
  readonly #repeated = new RepeatedParts();
  #memory = 0;

  constructor(file: string) {
    this.#file = file;
  }

  #charge(bytes: number): void {
    this.#memory += bytes;
    if (this.#memory <= BLOB_MEMORY_BYTES_MAX) return;
    throw new LimitError(`'${this.#file}' would take too much memory`, {
      file: this.#file,
      limit: 'BLOB_MEMORY_BYTES_MAX',
      value: this.#memory,
      max: BLOB_MEMORY_BYTES_MAX,
    });
  }

  part(value: Packed): Part {
    this.#charge(PART_CHARGE);
    return this.#repeated.share(unpackPart(value, this.#file));
  }

  tensor(row: Packed, partCount: number): SkeletonTensor {
    const file = this.#file;
    const t = new Fields(row, file, 7);
    const name = t.string('tensor name');
    const text = t.string('dtype');
    const dtype = dtypeNamed(text);
    if (dtype === null) throw new CorruptError(`'${file}': unknown dtype '${text}'`, { file });
    const shape = unpackNumbers(t.any('shape'), file, 'shape', RANK_MAX);
    const packed = t.any('strides');
    const strides = packed === null ? null : unpackNumbers(packed, file, 'strides', RANK_MAX);
    const role = ROLES[t.count('role', ROLES.length - 1)] as Role;
    const part = t.count('part', partCount) - 1;
    const byteOffset = t.count('byte offset');
    t.end();
    this.#charge(TENSOR_CHARGE + 2 * name.length + 8 * (shape.length + (strides?.length ?? 0)));
    return { name, dtype, shape, strides, role, part, byteOffset };
  }
}
