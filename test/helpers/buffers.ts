/** Memory that JavaScript can share, resize and take away; newer than the types of the project. */

interface Resizable {
  resize(bytes: number): void;
  grow(bytes: number): void;
}

const ResizableBuffer = ArrayBuffer as unknown as new (
  bytes: number,
  options: { maxByteLength: number },
) => ArrayBuffer;
const GrowableBuffer = SharedArrayBuffer as unknown as new (
  bytes: number,
  options: { maxByteLength: number },
) => SharedArrayBuffer;

/** A view of a resizable buffer, whose length follows it. */
export function resizable(bytes: number, most: number): Uint8Array {
  return new Uint8Array(new ResizableBuffer(bytes, { maxByteLength: most }));
}

/** A view of shared memory. */
export function shared(bytes: number): Uint8Array {
  return new Uint8Array(new SharedArrayBuffer(bytes));
}

/** A view of shared memory that can grow; its length follows. */
export function growable(bytes: number, most: number): Uint8Array {
  return new Uint8Array(new GrowableBuffer(bytes, { maxByteLength: most }));
}

/** Resizes the buffer under a view. */
export function resize(view: Uint8Array, bytes: number): void {
  (view.buffer as unknown as Resizable).resize(bytes);
}

/** Transfers the buffer under a view to nobody: it is detached, its memory garbage. */
export function detach(view: Uint8Array): void {
  structuredClone(null, { transfer: [view.buffer as ArrayBuffer] });
}
