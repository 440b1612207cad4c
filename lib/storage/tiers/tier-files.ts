/**
 * Makes the replacements of exact files: the values of chosen extents are replaced by those of a
 * tier, and the file is written once to a temporary place and stored like any other file.
 *
 * A replacement has the size of the file, its tensors, its names and its format; checksums inside
 * it are corrected. Every exact segment is verified against its extent id before its values are
 * used. Start at `TierWork`. @see docs/format/tier.md
 */

import path from 'node:path';
import { throwIfAborted } from '../../base/bytes/abort.js';
import type { Id } from '../../base/bytes/hash.js';
import { assert } from '../../base/errors.js';
import { makeDirectory, ReadFile, removeFile, WriteFile } from '../../base/files/files.js';
import { TIERED_EXTENT_BYTES } from '../../base/limits.js';
import { encodeSegment } from '../../pure/codec/segment.js';
import { DTYPES } from '../../pure/tensor/dtype.js';
import { cutFile } from '../../pure/tensor/file-parts.js';
import { blobLayout, type FileLayout } from '../../pure/tensor/layout.js';
import { extentsOf } from '../../pure/tensor/recipe-extents.js';
import { appliesTo, type FloatDType, type Tier } from '../../pure/tensor/tier.js';
import { ErrorSum } from '../../pure/tensor/tier-errors.js';
import { type BaseFile, BaseFinder } from '../ingest/bases/named-bases.js';
import { type IngestedFile, ingestFile } from '../ingest/ingest.js';
import type { ObjectAccess, SettingAccess } from '../objects/access.js';
import { segmentElements } from '../objects/planes/segment-head.js';
import type { PackSession } from '../objects/session.js';
import { streamUnchecked } from '../objects/stored/rebuild.js';
import type { StoredFile } from '../objects/stored/stored-file.js';
import type { Layout } from '../repo/layout.js';
import { segmentCount } from '../store/types.js';
import { hasChecksums, mendChecksums } from './mend-checksums.js';
import { type TierExtent, TieredPlanes } from './tiered-planes.js';

/** Bytes read or made at once while nothing else of the extent is held. */
interface RunOptions {
  onBytes?: (count: number) => void;
  signal?: AbortSignal;
}

/**
 * The extents of a file and what a tier can do with each: its dtype if it is long enough and all its
 * views are of one float dtype with more bits than the tier, else null.
 */
export function tierExtents(file: StoredFile, tier: Tier): Map<Id, TierExtent | null> {
  const found = new Map<Id, TierExtent | null>();
  const views = new Map<number, Set<string>>();
  for (const { part, dtype } of file.skeleton?.tensors ?? []) {
    views.set(part, (views.get(part) ?? new Set<string>()).add(dtype));
  }
  for (const { id, width, count, part } of extentsOf(file)) {
    const dtypes = [...(views.get(part) ?? [])];
    const dtype = dtypes[0] as FloatDType | undefined;
    const fits =
      dtype !== undefined &&
      dtypes.length === 1 &&
      width * count >= TIERED_EXTENT_BYTES &&
      appliesTo(tier, dtype) &&
      DTYPES[dtype].width === width;
    const extent = fits ? { dtype, width, count } : null;
    const known = found.get(id);
    const same = known === undefined || (extent !== null && known?.dtype === extent.dtype);
    found.set(id, same ? extent : null);
  }
  return found;
}

/** The layout that the parts of a stored file came from: cut again, it gives the same parts. */
export function layoutOf(file: StoredFile): FileLayout {
  const { recipe, skeleton } = file;
  assert(recipe !== null && skeleton !== null, 'a file with extents has a skeleton');
  const layout: FileLayout = { ...blobLayout(), format: skeleton.format };
  const starts: number[] = [];
  let offset = 0;
  let variable = 0;
  let chunks = 0;
  for (const part of skeleton.parts) {
    starts.push(offset);
    let length: number;
    if (part.kind === 'extent') {
      const { width, count, byteSwap } = part;
      length = width * count;
      layout.extents.push({
        offset,
        width: width as 1 | 2 | 4 | 8,
        count,
        byteSwap,
        as: part.kind,
      });
    } else if (part.kind === 'data') {
      const width = part.width as 1 | 2 | 4 | 8;
      length = part.length;
      layout.extents.push({
        offset,
        width,
        count: length / width,
        byteSwap: part.byteSwap,
        as: part.kind,
      });
    } else if (part.kind === 'chunks') {
      length = (recipe.chunks[chunks++] ?? []).reduce((sum, chunk) => sum + chunk.length, 0);
      layout.variable.push({ offset, length, fixedLength: false });
    } else if (part.kind === 'variable') {
      length = part.length ?? (recipe.variableLengths[variable++] as number);
      layout.variable.push({ offset, length, fixedLength: part.length !== null });
    } else length = part.length;
    offset += length;
  }
  for (const { part, byteOffset, ...tensor } of skeleton.tensors) {
    layout.tensors.push({
      ...tensor,
      offset: part < 0 ? 0 : (starts[part] as number) + byteOffset,
    });
  }
  return layout;
}

/** Encoder effort, the highest: this is written once, to take few bytes. */
const LEVEL = 2;
/** What making tiers is handed of a repository. */
export interface TieredRepository extends ObjectAccess, SettingAccess {
  readonly layout: Layout;
}

/** One tier being applied to the extents of a repository. */
export class TierWork {
  readonly #repo: TieredRepository;
  readonly #extents: ReadonlyMap<Id, TierExtent>;
  readonly #tiered: TieredPlanes;
  readonly #options: RunOptions;
  readonly #dir: string;
  #files = 0;

  /** @param extents  those to be replaced; all others of a file stay as they are. */
  constructor(
    repo: TieredRepository,
    tier: Tier,
    extents: ReadonlyMap<Id, TierExtent>,
    options: RunOptions = {},
  ) {
    this.#repo = repo;
    this.#extents = extents;
    this.#options = options;
    this.#tiered = new TieredPlanes(repo, tier, extents, options.signal);
    this.#dir = repo.layout.newWork('tier');
  }

  /** Errors of an extent that was replaced or measured. */
  errorsOf(id: Id): ErrorSum {
    return this.#tiered.errors.get(id) ?? new ErrorSum();
  }

  /**
   * Encodes what the tier makes of one extent and stores nothing.
   * @returns bytes that it would take alone, without a base.
   */
  async measure(id: Id): Promise<number> {
    const { width, count } = this.#extents.get(id) as TierExtent;
    let bytes = 0;
    for (let segment = 0; segment < segmentCount(count); segment++) {
      throwIfAborted(this.#options.signal);
      const lease = await this.#tiered.lend({ id, segment });
      const { head, hi, mid, low } = await encodeSegment(lease.planes, null, { level: LEVEL });
      lease.release();
      bytes += head.length + hi.length + mid.length + low.length;
      this.#options.onBytes?.(segmentElements(count, segment) * width);
    }
    return bytes;
  }

  /**
   * Stores the replacement of a file.
   * @param bases     tiered files that it is probably close to, best first.
   * @param isUsable  false for extents that are being replaced: as a base, such an extent would have to stay.
   * @throws {CorruptError} if an exact segment is damaged; {IoError}.
   */
  async store(
    session: PackSession,
    file: StoredFile,
    bases: readonly BaseFile[],
    isUsable: (id: Id) => boolean,
  ): Promise<IngestedFile> {
    const { signal } = this.#options;
    await makeDirectory(this.#dir);
    const temporary = path.join(this.#dir, String(this.#files++));
    try {
      await this.#write(temporary, file);
      const layout = layoutOf(file);
      if (hasChecksums(layout.format)) await mendChecksums(temporary, file.ref.path, signal);
      const source = await ReadFile.open(temporary, file.ref.path);
      try {
        return await ingestFile(session, source, cutFile(layout, source.size), {
          bases: new BaseFinder(bases),
          chainDepth: this.#repo.config.get('chain.depth'),
          chainCost: this.#repo.config.get('chain.cost'),
          level: LEVEL,
          isUsable,
          ...(signal ? { signal } : {}),
        });
      } finally {
        await source.close();
      }
    } finally {
      await removeFile(temporary);
    }
  }

  async #write(temporary: string, file: StoredFile): Promise<void> {
    const { onBytes, signal } = this.#options;
    const readers = { blobs: this.#repo.blobs, planes: this.#tiered };
    const target = await WriteFile.create(temporary);
    try {
      for await (const bytes of streamUnchecked(readers, file)) {
        throwIfAborted(signal);
        await target.write(bytes);
        onBytes?.(bytes.length);
      }
    } finally {
      await target.close();
    }
    assert(target.offset === file.ref.size, 'a tier keeps the size of a file');
  }
}
