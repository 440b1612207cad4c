/**
 * The archives that one PyTorch file is made of. Most files are one; a file of a distributed checkpoint
 * (`.distcp`) is one for each piece, named by the `.metadata` file beside it.
 */
import { throwIfAborted } from '../../../base/bytes/abort.js';
import type { ByteSource } from '../../../base/bytes/byte-source.js';
import { quoteSome } from '../../../base/bytes/words/wording.js';
import { isDamage } from '../../../base/errors.js';
import type { Neighbours } from '../format.js';
import { END_BYTES, readZipEnd } from '../zip/zip-end.js';
import { METADATA_NAME, readMetadata, type StoredItem } from './torch-distributed.js';

/** A range of the file that is an archive. */
export interface ArchivePlace {
  start: number;
  end: number;
  /** What it holds, by the metadata or by number; null for a file that is one archive. */
  name: string | null;
}

/** More archives than a shard of a large model has pieces. */
const ARCHIVES_MAX = 200_000;

/**
 * Finds the archives of a file, in its order.
 * @returns also what the user is told where some of the file is none of them.
 * @throws {CorruptError} {LimitError} if the file does not end in an archive; {AbortedError}.
 */
export async function findArchives(
  source: ByteSource,
  neighbours: Neighbours | undefined,
  signal: AbortSignal | undefined,
): Promise<{ archives: ArchivePlace[]; warnings: string[] }> {
  const items = await itemsOf(source, neighbours);
  if (items !== null) {
    const named = await findNamed(source, items, signal);
    if (named !== null) return named;
  }
  const ends = [source.size];
  let start = (await readZipEnd(source)).start;
  while (start > 0 && ends.length < ARCHIVES_MAX) {
    throwIfAborted(signal);
    ends.push(start);
    try {
      start = (await readZipEnd(source, start)).start;
    } catch (error) {
      if (!isDamage(error)) throw error;
      ends.pop();
      break;
    }
  }
  ends.reverse();
  if (ends.length === 1 && start === 0) {
    return { archives: [{ start, end: source.size, name: null }], warnings: [] };
  }
  const archives = ends.map((end, i) => {
    return { start: i === 0 ? start : (ends[i - 1] as number), end, name: `archive.${i}` };
  });
  return { archives, warnings: [numbered(source, ends.length, start)] };
}

/** Why the tensors of a file are numbered. */
function numbered({ name }: ByteSource, count: number, start: number): string {
  if (start > 0) {
    return `begins with ${start} bytes that are not an archive and are kept as opaque bytes; its tensors are numbered`;
  }
  const many = `is ${count} archives, one after another`;
  return /\.distcp$/i.test(name)
    ? `${many}; no '${METADATA_NAME}' file beside it names them, so its tensors are numbered: add both together`
    : `${many}: its tensors are numbered in that order, and PyTorch reads one of them alone`;
}

/** What the metadata beside the file says of it, or null. */
async function itemsOf(
  source: ByteSource,
  neighbours: Neighbours | undefined,
): Promise<readonly StoredItem[] | null> {
  const known = await neighbours?.parsed(METADATA_NAME, readMetadata);
  const own = source.name.split(/[/\\]/).at(-1) as string;
  return known?.get(own) ?? null;
}

/** The archives of the pieces; null if the metadata is of another file, as of another step. */
async function findNamed(
  source: ByteSource,
  items: readonly StoredItem[],
  signal: AbortSignal | undefined,
): Promise<{ archives: ArchivePlace[]; warnings: string[] } | null> {
  const archives: ArchivePlace[] = [];
  const other: string[] = [];
  let at = 0;
  for (const { name, offset, length } of items) {
    const end = offset + length;
    if (offset < at || end > source.size) return null;
    at = end;
    throwIfAborted(signal);
    if (await isArchive(source, offset, end)) archives.push({ start: offset, end, name });
    else other.push(name);
  }
  if (archives.length === 0) return null;
  const warnings: string[] = [];
  if (other.length > 0) {
    warnings.push(
      `holds pieces that are not archives and are kept as opaque bytes: ${quoteSome(other)}`,
    );
  }
  return { archives, warnings };
}

/** Looks no further back than the piece begins: of pieces that do not overlap, that is the file once. */
async function isArchive(source: ByteSource, start: number, end: number): Promise<boolean> {
  if (end - start < END_BYTES) return false;
  try {
    return (await readZipEnd(source, end, start)).start === start;
  } catch (error) {
    if (isDamage(error)) return false;
    throw error;
  }
}
