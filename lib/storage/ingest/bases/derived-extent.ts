/** New extents and stored ones, as they are seen where a base of another kind is looked for. */
import type { Id } from '../../../base/bytes/hash.js';
import type { DType } from '../../../pure/tensor/dtype.js';
import type { NamedExtent } from '../../objects/planes/plane-reader.js';

/** How a tensor that is all of an extent sees it. */
export interface ExtentView {
  readonly dtype: DType;
  readonly shape: readonly number[];
}

/** A stored extent and how a tensor of some name sees it. */
export interface ViewedExtent extends NamedExtent {
  /** null: no tensor is all of it. */
  readonly view: ExtentView | null;
}

/** A new extent: its size, its view, and its elements by place, each most significant byte first. */
export interface DerivedExtent {
  readonly id: Id;
  readonly width: number;
  readonly count: number;
  readonly view: ExtentView | null;
  /** Its sketch. */
  readonly sketch: Uint8Array;
  /** The planes of its segments, where they are at hand. */
  readonly kept: readonly (readonly Uint8Array[] | null)[];
  elementAt(place: number): Promise<Uint8Array>;
}
