/**
 * What a format reader says about one file: where its extents lie and which tensors view them.
 *
 * A reader (lib/formats) never copies tensor data; it gives byte ranges. `recipe.ts` turns a layout
 * into the recipe that rebuilds the file. Everything not covered by an extent is literal.
 */
import type { DType } from './dtype.js';

/** What a tensor is for: decides the snapshot (role) that it belongs to. */
export type Role = 'weights' | 'optimizer' | 'ema';
export const ROLES: readonly Role[] = ['weights', 'optimizer', 'ema'];

/** A run of equal-width elements in a file. Spans of one layout are sorted and never overlap. */
export interface ExtentSpan {
  /** Byte offset in the file. */
  offset: number;
  /** Bytes per element. */
  width: 1 | 2 | 4 | 8;
  /** Elements. `offset + width * count` ≤ file size. */
  count: number;
  /** Elements are big-endian in the file; the extent holds them little-endian. */
  byteSwap: boolean;
  /** What it is stored as already; the writer's limit decides where this is left out. */
  as?: 'extent' | 'data';
}

/** A named view of an extent. */
export interface TensorSpan {
  /** Unique among the tensors of one layout and role. */
  name: string;
  dtype: DType;
  /** Logical shape; [] is a scalar. A product of 0 means no bytes. */
  shape: number[];
  /** Element strides, or null for row-major contiguous. May be 0 or overlap; never negative. */
  strides: number[] | null;
  /** Byte offset in the file of the first element; within an extent span unless the tensor is empty. */
  offset: number;
  role: Role;
}

/** A literal range that is expected to differ between checkpoints of one layout. */
export interface VariableRange {
  offset: number;
  length: number;
  /** True if the format fixes the length (a checksum field, a length field). */
  fixedLength: boolean;
}

/** The answer of a format reader. */
export interface FileLayout {
  /** 'safetensors', 'onnx', 'torch', 'npy', 'npz', 'safetensors-index', 'blob' … */
  format: string;
  extents: ExtentSpan[];
  tensors: TensorSpan[];
  variable: VariableRange[];
  /** Training step, if the file says so. */
  step: number | null;
  /**
   * Files that belong to the same checkpoint (shards of an index, external data), as the file names
   * them, relative to its folder. Any text: who uses one checks that a version can hold such a path.
   */
  references: string[];
  /** Layouts that this file dictates for files that it references (ONNX external data). */
  external: { path: string; layout: FileLayout }[];
  /** Why the file (or a part of it) is kept as opaque bytes, one sentence each, for the user. */
  warnings: string[];
}

/** The layout of a file that is nothing but bytes. @param warnings why, when it looked like more. */
export function blobLayout(warnings: string[] = []): FileLayout {
  return {
    format: 'blob',
    extents: [],
    tensors: [],
    variable: [],
    step: null,
    references: [],
    external: [],
    warnings,
  };
}

/** Product of a shape; 1 for a scalar. May exceed 2^53 for hostile shapes: callers compare first. */
export function elementCount(shape: readonly number[]): number {
  return shape.reduce((product, extent) => product * extent, 1);
}

/** Row-major strides in elements. */
export function contiguousStrides(shape: readonly number[]): number[] {
  const strides = new Array<number>(shape.length);
  let stride = 1;
  for (let i = shape.length - 1; i >= 0; i--) {
    strides[i] = stride;
    stride *= shape[i] as number;
  }
  return strides;
}
