/**
 * What a format reader is: one per container format, told by content and never by name.
 *
 * A reader answers with byte ranges (`FileLayout`) and copies no tensor data. For bytes that lie or
 * that it does not understand it throws an error of damage class; `detect.ts` turns that into a blob
 * with a warning. It must check every number before it allocates or seeks by it.
 */

import type { ByteSource } from '../../base/bytes/byte-source.js';
import { PLAIN } from '../../base/bytes/printable.js';
import { CorruptError } from '../../base/errors.js';
import type { FileLayout } from '../tensor/layout.js';

/** Bytes of the head that `matches` sees, at most. */
export const HEAD_BYTES = 64 * 1024;

/** What to do about a file that ends too early. */
export const CUT_HINT = 'it may be truncated: copy or export it again';

/**
 * Formats of files that say how others are laid out: models with external data, and the metadata of
 * distributed checkpoints. If such a file changes, so do the tensors of the files that it references.
 */
export const DESCRIBING_FORMATS: ReadonlySet<string> = new Set(['onnx', 'torch-distributed']);

/** Files that lie beside the one that is read, for formats whose names are in another file. */
export interface Neighbours {
  /**
   * What `parse` makes of a file of the same folder, read once for all that ask; null if there is no
   * such file, or it is not what `parse` reads.
   */
  parsed<T>(name: string, parse: (source: ByteSource) => Promise<T>): Promise<T | null>;
}

/** Reads one container format. */
export interface FormatReader {
  /** The format's name, as in `FileLayout.format` and in warnings. */
  readonly name: string;
  /**
   * Says whether the file looks like this format. Cheap: reads nothing but `head`.
   * @param head the first HEAD_BYTES of the file, or all of a shorter one.
   */
  matches(head: Uint8Array, source: ByteSource): boolean;
  /**
   * Says where the extents and tensors of the file lie.
   * @param neighbours  files beside it; absent where there are none or they do not matter.
   * @throws {CorruptError} DLV_CORRUPT, {TruncatedError} or {LimitError} for content that lies, is
   * not supported, or is beyond a bound; errors of reading and aborts pass through.
   */
  layout(source: ByteSource, signal?: AbortSignal, neighbours?: Neighbours): Promise<FileLayout>;
}

/** An error that says what of `source` is wrong or not supported, to be thrown by a reader. */
export function corrupt(source: { name: string }, what: string, offset?: number): CorruptError {
  return new CorruptError(`'${source.name}': ${what}`, {
    file: source.name,
    ...(offset === undefined ? {} : { offset }),
  });
}

/** True if `text` is Unicode that UTF-8 can hold: it has no half of a surrogate pair. */
export function isWellFormed(text: string): boolean {
  return PLAIN.test(text) || !/\p{Surrogate}/u.test(text);
}
