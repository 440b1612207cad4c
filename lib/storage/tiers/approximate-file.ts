/**
 * Copies of files in which floats have their leading planes alone: the same container, tensors and
 * names, values near the exact ones. They are marked, and stored nowhere.
 */
import { throwIfAborted } from '../../base/bytes/abort.js';
import { CorruptError } from '../../base/errors.js';
import type { WriteFile } from '../../base/files/files.js';
import {
  HEADER_START_BYTES,
  headerBytesOf,
  markHeader,
} from '../../pure/formats/approximate-mark.js';
import { leadingOf } from '../../pure/tensor/prefix.js';
import type { ObjectAccess } from '../objects/access.js';
import { floatExtents, LeadingPlanes } from '../objects/planes/leading-planes.js';
import { streamUnchecked } from '../objects/stored/rebuild.js';
import type { StoredFile } from '../objects/stored/stored-file.js';
import { hasChecksums, mendChecksums } from './mend-checksums.js';

export interface ApproximateOptions {
  /** Leading planes of floats. */
  readonly planes: number;
  /** The version that the file is of, for the mark. */
  readonly version: string;
  readonly signal?: AbortSignal;
  onBytes?(count: number): void;
}

/** True if a file has floats of which leading planes leave something out. */
export function isShortened(file: StoredFile, planes: number): boolean {
  for (const { dtype, width } of floatExtents(file).values()) {
    if (leadingOf(dtype, planes) < width) return true;
  }
  return false;
}

/** What a marked file says of itself. */
export function approximateMark({ planes, version }: ApproximateOptions, sha256: string): string {
  return `${planes} leading planes of sha256 ${sha256.slice(0, 10)} in version ${version.slice(0, 10)}`;
}

/** Bytes of an approximate copy in order; checksums inside are those of the exact file. @throws {CorruptError} */
export async function* approximateBytes(
  repo: ObjectAccess,
  file: StoredFile,
  options: ApproximateOptions,
): AsyncGenerator<Uint8Array> {
  const { ref, skeleton } = file;
  const readers = { blobs: repo.blobs, planes: new LeadingPlanes(repo, file, options.planes) };
  let start: Uint8Array[] | null = skeleton?.format === 'safetensors' ? [] : null;
  let size = 0;
  for await (const bytes of streamUnchecked(readers, file)) {
    throwIfAborted(options.signal);
    size += bytes.length;
    if (size > ref.size) break;
    options.onBytes?.(bytes.length);
    if (start === null) {
      yield bytes;
      continue;
    }
    start.push(bytes);
    const known = Buffer.concat(start);
    const header = headerBytesOf(known);
    if (known.length < (header ?? HEADER_START_BYTES)) continue;
    start = null;
    if (header === null) yield known;
    else {
      yield markHeader(known.subarray(0, header), approximateMark(options, ref.sha256));
      if (known.length > header) yield known.subarray(header);
    }
  }
  if (start !== null && start.length > 0) yield Buffer.concat(start);
  if (size !== ref.size) {
    throw new CorruptError(`'${ref.path}' cannot be rebuilt: it has not ${ref.size} bytes`, {
      file: ref.path,
      hint: "run 'dlv fsck'",
    });
  }
}

/** Bytes of an approximate copy: its mark may make it longer than the file. */
export async function approximateSize(
  repo: ObjectAccess,
  file: StoredFile,
  options: ApproximateOptions,
): Promise<number> {
  const { ref, skeleton } = file;
  if (skeleton?.format !== 'safetensors') return ref.size;
  const pieces: Uint8Array[] = [];
  for await (const bytes of streamUnchecked(repo, file)) {
    pieces.push(bytes);
    const known = Buffer.concat(pieces);
    const header = headerBytesOf(known);
    if (known.length < (header ?? HEADER_START_BYTES)) continue;
    if (header === null) return ref.size;
    const mark = approximateMark(options, ref.sha256);
    return ref.size - header + markHeader(known.subarray(0, header), mark).length;
  }
  return ref.size;
}

/** Writes an approximate copy into a new file, whose checksums are right then. */
export async function writeApproximate(
  repo: ObjectAccess,
  file: StoredFile,
  target: WriteFile,
  options: ApproximateOptions,
): Promise<void> {
  for await (const bytes of approximateBytes(repo, file, options)) await target.write(bytes);
  if (file.skeleton !== null && hasChecksums(file.skeleton.format)) {
    await mendChecksums(target.path, file.ref.path, options.signal);
  }
}
