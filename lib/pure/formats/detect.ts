/**
 * Tells the format of a file by its content and reads its layout. Never refuses a file: what no
 * reader understands, and what lies, is a blob with a warning that says why.
 *
 * To add a format, write a reader (format.ts) and add it to READERS.
 */

import { throwIfAborted } from '../../base/bytes/abort.js';
import type { ByteSource } from '../../base/bytes/byte-source.js';
import { pushAll } from '../../base/bytes/many.js';
import { DlvError, type ErrorCode, isDamage } from '../../base/errors.js';
import { blobLayout, type FileLayout } from '../tensor/layout.js';
import { CUT_HINT, type FormatReader, HEAD_BYTES, type Neighbours } from './format.js';
import { describeLookalike } from './lookalike.js';
import { npyReader } from './npy/npy.js';
import { npzReader } from './npy/npz.js';
import { onnxReader } from './onnx/onnx.js';
import { safetensorsReader } from './safetensors/safetensors.js';
import { safetensorsIndexReader } from './safetensors/safetensors-index.js';
import { torchReader } from './torch/torch.js';
import { distributedReader } from './torch/torch-distributed.js';
import { validateLayout } from './validate.js';

/** Every reader, those with the surest signature first. */
export const READERS: readonly FormatReader[] = [
  npyReader,
  safetensorsReader,
  // Before npz, which takes any zip archive.
  torchReader,
  npzReader,
  distributedReader,
  safetensorsIndexReader,
  onnxReader,
];

export interface DetectOptions {
  /** Files beside the one that is read. */
  neighbours?: Neighbours;
  /** Throw what is a mistake of a reader instead of keeping the file as a blob. */
  strict?: boolean;
  /** Default: READERS. */
  readers?: readonly FormatReader[];
}

/**
 * The layout of a file, checked by `validateLayout`. A file that no reader knows is a blob; one that
 * looks like a format but lies or is not supported, or is named like a model and is none, is a blob with
 * a warning.
 *
 * @throws {IoError} {ChangedError} {AbortedError} only: errors of reading, never of the content.
 */
export async function readLayout(
  source: ByteSource,
  signal?: AbortSignal,
  options: DetectOptions = {},
): Promise<FileLayout> {
  const head = await source.read(0, Math.min(HEAD_BYTES, source.size));
  const warnings: string[] = [];
  for (const reader of options.readers ?? READERS) {
    throwIfAborted(signal);
    try {
      if (!reader.matches(head, source)) continue;
      const layout = await layoutWith(reader, source, signal, options.neighbours);
      if (layout.format !== 'blob') return layout;
      pushAll(warnings, layout.warnings);
    } catch (error) {
      if (passesThrough(error, signal)) throw error;
      if (options.strict && !isDamage(error)) throw error;
      pushAll(warnings, readable([warningOf(reader, error)]));
    }
  }
  if (warnings.length === 0) {
    const looksLike = await describeLookalike(source, head);
    if (looksLike !== null) warnings.push(looksLike);
  }
  return blobLayout(warnings);
}

/** What one reader says of a file, checked. @throws what the reader throws; {BugError} if it is wrong. */
export async function layoutWith(
  reader: FormatReader,
  source: ByteSource,
  signal?: AbortSignal,
  neighbours?: Neighbours,
): Promise<FileLayout> {
  const layout = await reader.layout(source, signal, neighbours);
  validateLayout(layout, source.size);
  return { ...layout, warnings: readable(layout.warnings) };
}

/** Warnings of one file that are passed on, and characters of each: a file of 100,000 bad entries
 *  with names of 60 KB is no reason to fill a terminal. */
const WARNINGS_MAX = 20;
const WARNING_CHARACTERS_MAX = 1000;

function readable(warnings: readonly string[]): string[] {
  const shown = warnings.slice(0, WARNINGS_MAX).map((text) => {
    const cut = text.length - WARNING_CHARACTERS_MAX;
    return cut > 0 ? `${text.slice(0, WARNING_CHARACTERS_MAX)} … (${cut} characters more)` : text;
  });
  const more = warnings.length - shown.length;
  return more > 0 ? [...shown, `and ${more} more warnings`] : shown;
}

const PASSING_CODES: readonly ErrorCode[] = ['DLV_IO', 'DLV_CHANGED', 'DLV_ABORTED'];

/** True for errors that are not about the content: aborts, and what the operating system refused. */
function passesThrough(error: unknown, signal?: AbortSignal): boolean {
  if (signal?.aborted) return true;
  if (error instanceof DlvError) return PASSING_CODES.includes(error.code);
  return error instanceof Error && 'syscall' in error;
}

function warningOf(reader: FormatReader, error: unknown): string {
  const reason = error instanceof Error ? error.message : String(error);
  const why = isDamage(error) ? reason : `dlv's own reader failed: ${reason}`;
  const hint = error instanceof DlvError ? (error.data.hint ?? hintOf(error.code)) : undefined;
  const remedy = hint === undefined ? '' : `; ${hint}`;
  return `looks like ${reader.name} but is kept as opaque bytes: ${why}${remedy}`;
}

function hintOf(code: ErrorCode): string | undefined {
  return code === 'DLV_TRUNCATED' ? CUT_HINT : undefined;
}
