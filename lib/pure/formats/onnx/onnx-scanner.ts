/** The scanner of an ONNX file: what of it is wanted. */
import type { ByteSource } from '../../../base/bytes/byte-source.js';
import { ONNX_STRUCTURE_BYTES_MAX } from '../../../base/limits.js';
import { ProtoScanner } from './protobuf.js';

/** Charged for an object of the structure beyond its own bytes. */
export const OBJECT_BYTES = 256;

export class OnnxScanner extends ProtoScanner {
  /**
   * Only tensors are wanted and the names that lead to them. Of a graph of 100,000 operators hardly
   * anything is kept then.
   */
  readonly tensorsOnly: boolean;

  constructor(source: ByteSource, options: { tensorsOnly: boolean }, signal?: AbortSignal) {
    super(source, ONNX_STRUCTURE_BYTES_MAX, signal);
    this.tensorsOnly = options.tensorsOnly;
  }
}
