/**
 * Stores a file in which some tensors have other bytes: the container, its other tensors and all between them stay
 * as they are. Checksums inside are corrected, and the file is stored like any other.
 */
import path from 'node:path';
import { throwIfAborted } from '../../base/bytes/abort.js';
import { sha256 } from '../../base/bytes/hash.js';
import { ConflictError } from '../../base/errors.js';
import { makeDirectory, removeFile, WriteFile } from '../../base/files/files.js';
import { swapBytes } from '../../pure/tensor/planes.js';
import { ingestBatch, ingestSettings } from '../../storage/ingest/batch.js';
import type { PackSession } from '../../storage/objects/session.js';
import { streamFile } from '../../storage/objects/stored/rebuild.js';
import type { StoredFile } from '../../storage/objects/stored/stored-file.js';
import { isContiguous, tensorBytes, tensorsOf } from '../../storage/objects/stored/tensors.js';
import type { FileEntry } from '../../storage/repo/version/file-page.js';
import { hasChecksums, mendChecksums } from '../../storage/tiers/mend-checksums.js';
import { layoutOf } from '../../storage/tiers/tier-files.js';
import type { OpContext } from '../context.js';
import type { LineAccess } from '../history/access.js';

/**
 * Bytes of a tensor, row-major and little-endian, as many as it has; from the start each time.
 * @param isAgain  true where they are only compared: nothing is told of them twice.
 */
export type TensorStream = (isAgain?: boolean) => AsyncIterable<Uint8Array>;

/** What a merged file is made of. */
export interface MergedFile {
  entry: FileEntry;
  file: StoredFile;
  /** New bytes of tensors, by their index in the file. */
  changed: ReadonlyMap<number, TensorStream>;
}

/** Bytes of the file that others take the place of. */
interface Patch {
  offset: number;
  length: number;
  stream: TensorStream;
  /** Bytes of each element, if the file has them the other way round. */
  swap: number | null;
}

/** Where the changed tensors lie, in the order of the file. @throws {ConflictError} for a view that is not plain. */
async function patchesOf({ entry, file, changed }: MergedFile): Promise<Patch[]> {
  const layout = layoutOf(file);
  const tensors = tensorsOf(file);
  const patches: Patch[] = [];
  for (const [index, stream] of changed) {
    const tensor = tensors[index];
    const placed = layout.tensors[index];
    if (tensor === undefined || placed === undefined) continue;
    const length = tensorBytes(tensor);
    if (length === 0) continue;
    if (!isContiguous(tensor)) {
      throw new ConflictError(
        `'${entry.path}#${tensor.name}' is a strided view, which cannot be written alone`,
        { path: entry.path, tensor: tensor.name, hint: 'save it contiguous' },
      );
    }
    const { offset } = placed;
    const span = layout.extents.find((one) => {
      return offset >= one.offset && offset < one.offset + one.width * one.count;
    });
    const swap = span?.byteSwap && span.width > 1 ? span.width : null;
    patches.push({ offset, length, stream, swap });
  }
  patches.sort((a, b) => a.offset - b.offset || b.length - a.length);
  const places: Patch[] = [];
  for (const patch of patches) {
    const before = places.at(-1);
    if (before === undefined || before.offset + before.length <= patch.offset) places.push(patch);
    else if (!(await agrees(before, patch))) {
      throw new ConflictError(`'${entry.path}' has tensors that share some of their bytes`, {
        path: entry.path,
        hint: 'save its tensors apart',
      });
    }
  }
  return places;
}

/** True if one place lies in another one, and both are to have the same bytes: tied weights, and views. */
async function agrees(outer: Patch, inner: Patch): Promise<boolean> {
  const from = inner.offset - outer.offset;
  if (from + inner.length > outer.length) return false;
  const [part, own] = [sha256(), sha256()];
  let at = 0;
  for await (const bytes of outer.stream(true)) {
    part.update(bytes.subarray(Math.max(0, from - at), Math.max(0, from + inner.length - at)));
    at += bytes.length;
  }
  for await (const bytes of inner.stream(true)) own.update(bytes);
  return part.digest().equals(own.digest());
}

/** `stream` with other bytes where patches lie. */
async function* overlay(
  stream: AsyncIterable<Uint8Array>,
  patches: readonly Patch[],
): AsyncGenerator<Uint8Array> {
  let at = 0;
  let next = 0;
  for await (const bytes of stream) {
    let from = 0;
    while (from < bytes.length) {
      const patch = patches[next];
      const position = at + from;
      if (patch === undefined || position + bytes.length - from <= patch.offset) {
        yield bytes.subarray(from);
        break;
      }
      if (position < patch.offset) {
        yield bytes.subarray(from, from + patch.offset - position);
        from += patch.offset - position;
        continue;
      }
      if (position === patch.offset) yield* patchBytes(patch);
      const skipped = Math.min(bytes.length - from, patch.offset + patch.length - position);
      from += skipped;
      if (position + skipped === patch.offset + patch.length) next++;
    }
    at += bytes.length;
  }
}

async function* patchBytes({ stream, length, swap }: Patch): AsyncGenerator<Uint8Array> {
  let written = 0;
  for await (const bytes of stream()) {
    written += bytes.length;
    if (swap === null) yield bytes;
    else {
      const turned = Uint8Array.from(bytes);
      swapBytes(turned, swap);
      yield turned;
    }
  }
  if (written !== length) {
    throw new ConflictError(`a merged tensor has ${written} bytes, not ${length}`);
  }
}

/** Stores a merged file in the session. @returns its entry, with the mode of the file that it was made of. */
export async function storeMerged(
  repo: LineAccess,
  session: PackSession,
  merged: MergedFile,
  context: OpContext,
): Promise<FileEntry> {
  const { entry, file } = merged;
  const stream = overlay(streamFile(repo, file), await patchesOf(merged));
  const mends = file.skeleton !== null && hasChecksums(file.skeleton.format);
  return storeStream(repo, session, { entry, stream, mends }, context);
}

/** Stores a stream of bytes as a new state of a file. */
export async function storeStream(
  repo: LineAccess,
  session: PackSession,
  {
    entry,
    stream,
    mends,
  }: {
    entry: FileEntry;
    stream: AsyncIterable<Uint8Array>;
    /** It holds checksums, which are corrected. */
    mends: boolean;
  },
  { signal, warn }: OpContext,
): Promise<FileEntry> {
  const dir = repo.layout.newWork('merge');
  await makeDirectory(dir);
  // The layout of some formats is told by the name of the file.
  const temporary = path.join(dir, path.posix.basename(entry.path));
  try {
    const target = await WriteFile.create(temporary, 0o666, entry.path);
    try {
      for await (const bytes of stream) {
        throwIfAborted(signal);
        await target.write(bytes);
      }
    } finally {
      await target.close();
    }
    if (mends) await mendChecksums(temporary, entry.path, signal);
    for await (const result of ingestBatch(session, [{ path: entry.path, file: temporary }], {
      parentFiles: [{ entry, step: null }],
      ...ingestSettings(repo.config),
      ...(signal ? { signal } : {}),
    })) {
      for (const warning of result.warnings) warn(`'${entry.path}' ${warning}`);
      const { size, sha256, gitSha1, recipe } = result;
      return { path: entry.path, mode: entry.mode, size, sha256, gitSha1, recipe };
    }
    throw new ConflictError(`'${entry.path}' was not stored`, { path: entry.path });
  } finally {
    await removeFile(temporary).catch(() => {});
  }
}
