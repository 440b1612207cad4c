/**
 * Checks the answer of a format reader before anything is built from it, so that a mistake in one
 * reader can at worst cost deltas, never corrupt a recipe.
 *
 * What a hostile file can cause is an error of damage class in the reader; what gets as far as here
 * and is wrong is our own mistake (`BugError`), bounds apart.
 */
import { assert, LimitError } from '../../base/errors.js';
import { RANK_MAX, TENSORS_PER_FILE_MAX } from '../../base/limits.js';
import { pathProblem } from '../paths/version-path.js';
import { DTYPES, type DType, dtypeBytes, isDType } from '../tensor/dtype.js';
import { cutProblem } from '../tensor/file-parts.js';
import {
  type ExtentSpan,
  elementCount,
  type FileLayout,
  ROLES,
  type TensorSpan,
} from '../tensor/layout.js';
import { isWellFormed } from './format.js';

/**
 * Checks that `layout` describes a file of `size` bytes.
 *
 * Spans are sorted, disjoint, not empty and inside the file; the whole strided footprint of every
 * tensor with elements lies in one span and starts on one of its elements; names are unique per role;
 * variable ranges are sorted, disjoint, not empty and outside the spans. Layouts for external files
 * are checked but for their size, which is not known here: check them again with the size.
 *
 * @throws {BugError} DLV_BUG if it does not; {LimitError} DLV_LIMIT beyond the bounds of a file.
 */
export function validateLayout(layout: FileLayout, size: number): void {
  if (layout.tensors.length > TENSORS_PER_FILE_MAX) {
    const value = layout.tensors.length;
    throw new LimitError(`${value} tensors in one file`, {
      limit: 'TENSORS_PER_FILE_MAX',
      value,
      max: TENSORS_PER_FILE_MAX,
    });
  }
  checkSpans(layout.extents, size);
  checkTensors(layout.tensors, layout.extents);
  checkVariable(layout, size);
  const problem = cutProblem(layout, size);
  if (problem !== null) throw new LimitError(`it cannot be stored by its tensors: ${problem}`, {});
  const { step } = layout;
  assert(step === null || (Number.isSafeInteger(step) && step >= 0), `step ${step}`);
  const paths = new Set<string>();
  for (const { path, layout: outside } of layout.external) {
    const problem = pathProblem(path);
    assert(problem === null, `external file '${path}': ${problem}`);
    assert(!paths.has(path), `external file '${path}' is described twice`);
    paths.add(path);
    assert(outside.external.length === 0, 'external files have no external files');
    validateLayout(outside, Number.MAX_SAFE_INTEGER);
  }
}

function isOffset(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 0;
}

function checkSpans(spans: readonly ExtentSpan[], size: number): void {
  let end = 0;
  for (const { offset, width, count, byteSwap } of spans) {
    assert([1, 2, 4, 8].includes(width), `extent width ${width}`);
    assert(isOffset(offset) && isOffset(count) && count > 0, `extent of ${count} at ${offset}`);
    assert(offset >= end, `extent at ${offset} begins before ${end}, the end of the one before`);
    end = offset + width * count;
    assert(end <= size, `extent ends at ${end}, the file at ${size}`);
    assert(!byteSwap || width > 1, 'an extent of single bytes has no byte order');
  }
}

/**
 * Bytes from the first to past the last element of a view; 0 for one without elements.
 *
 * @param strides in elements, ≥ 0, or null for row-major contiguous; null for sub-byte dtypes.
 * @returns may be beyond 2^53, inexact: compare before use.
 */
export function footprintBytes(
  dtype: DType,
  shape: readonly number[],
  strides: readonly number[] | null,
): number {
  if (shape.includes(0)) return 0;
  if (strides === null) return dtypeBytes(dtype, elementCount(shape));
  let last = 0;
  for (let i = 0; i < shape.length; i++) last += ((shape[i] ?? 1) - 1) * (strides[i] ?? 0);
  return dtypeBytes(dtype, last + 1);
}

function checkTensors(tensors: readonly TensorSpan[], spans: readonly ExtentSpan[]): void {
  const names = new Map(ROLES.map((role) => [role, new Set<string>()]));
  for (const tensor of tensors) {
    const { name, dtype, shape, strides, offset, role } = tensor;
    const known = names.get(role);
    assert(known !== undefined, `role '${role}' of tensor '${name}'`);
    assert(!known.has(name), `two tensors of role ${role} are named '${name}'`);
    known.add(name);
    assert(isWellFormed(name), 'a tensor name is not Unicode');
    assert(isDType(dtype), `dtype '${dtype}' of tensor '${name}'`);
    if (shape.length > RANK_MAX) {
      throw new LimitError(`tensor '${name}' has ${shape.length} dimensions`, {
        limit: 'RANK_MAX',
        value: shape.length,
        max: RANK_MAX,
      });
    }
    assert(shape.every(isOffset) && isOffset(offset), `shape or offset of tensor '${name}'`);
    assert(
      strides === null ||
        (strides.length === shape.length && strides.every(isOffset) && DTYPES[dtype].bits >= 8),
      `strides of tensor '${name}'`,
    );
    const bytes = footprintBytes(dtype, shape, strides);
    if (bytes > 0) checkPlace(tensor, bytes, spans);
  }
}

function checkPlace(tensor: TensorSpan, bytes: number, spans: readonly ExtentSpan[]): void {
  const { name, offset, dtype } = tensor;
  let low = 0;
  let high = spans.length - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if ((spans[middle] as ExtentSpan).offset <= offset) low = middle;
    else high = middle - 1;
  }
  const span = spans[low];
  const inside =
    span !== undefined &&
    offset >= span.offset &&
    offset + bytes <= span.offset + span.width * span.count;
  assert(inside, `tensor '${name}' is not inside one extent`);
  assert((offset - span.offset) % span.width === 0, `tensor '${name}' begins inside an element`);
  assert(
    !span.byteSwap || DTYPES[dtype].width === span.width,
    `tensor '${name}' is of another width than its big-endian extent`,
  );
}

function checkVariable(layout: FileLayout, size: number): void {
  let end = 0;
  let next = 0;
  for (const { offset, length } of layout.variable) {
    assert(isOffset(offset) && isOffset(length) && length > 0, `variable range at ${offset}`);
    assert(offset >= end, `variable range at ${offset} begins before ${end}`);
    end = offset + length;
    assert(end <= size, `variable range ends at ${end}, the file at ${size}`);
    // Both lists are sorted: skip the extents that end before this range.
    let span = layout.extents[next];
    while (span !== undefined && span.offset + span.width * span.count <= offset) {
      span = layout.extents[++next];
    }
    assert(span === undefined || span.offset >= end, `variable range at ${offset} cuts an extent`);
  }
}
