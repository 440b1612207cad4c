/** An object store in memory that holds extents on chains of any shape, for tests of retrieval. */

import type { Id } from '../../lib/base/bytes/hash.js';
import { RUN_ELEMENTS, SEGMENT_ELEMENTS } from '../../lib/base/limits.js';
import { encodeRans } from '../../lib/pure/codec/planes-rans.js';
import { encodeTags, TAG_CODEC, TAG_RUN_HASHES } from '../../lib/pure/codec/tags.js';
import { ExtentHasher } from '../../lib/pure/tensor/extent-id.js';
import { splitInto } from '../../lib/pure/tensor/planes.js';
import type { Backend } from '../../lib/storage/store/backends/backend.js';
import { MemoryBackend } from '../../lib/storage/store/backends/memory-backend.js';
import { ObjectStore } from '../../lib/storage/store/object-store.js';
import { PackSetWriter } from '../../lib/storage/store/packs/pack-writer.js';
import { segmentCount } from '../../lib/storage/store/types.js';
import { seededRandom } from './rng.js';

export interface MadeChains {
  store: ObjectStore;
  backend: Backend;
  /** Id and bytes of extent i. */
  ids: Id[];
  contents: Uint8Array[];
  count: number;
  width: number;
  /** Links below each segment as they were stored: a delta that does not pay is stored alone. */
  bases: (number | null)[];
}

export interface ChainsOptions {
  seed?: number;
  /** Elements of each extent. */
  count?: number;
  width?: 1 | 2 | 4 | 8;
  /** Extents coded so that only whole elements are exact. */
  isWhole?: (extent: number) => boolean;
  /** Sets with more planes than this have a file for each class. */
  smallSetBytes?: number;
  backend?: Backend;
}

/** Numbers of a normal kind that drift from one extent to the next. */
function contentOf(
  width: number,
  count: number,
  seed: number,
  base: Uint8Array | null,
): Uint8Array {
  const random = seededRandom(seed);
  const bytes = new Uint8Array(width * count);
  if (width === 4) {
    const old = base === null ? null : new Float32Array(base.slice().buffer);
    const values = new Float32Array(bytes.buffer);
    for (let i = 0; i < count; i++) {
      values[i] = (old?.[i] ?? random() - 0.5) + (old === null ? 0 : 1e-4 * (random() - 0.5));
    }
    return bytes;
  }
  for (let i = 0; i < bytes.length; i++) {
    const old = base?.[i] ?? Math.floor(random() * 200);
    bytes[i] = old + (random() < 0.1 ? 1 : 0);
  }
  return bytes;
}

/** Little-endian elements as planes, most significant first. */
export function planesOf(bytes: Uint8Array, width: number): Uint8Array[] {
  const planes = Array.from({ length: width }, () => new Uint8Array(bytes.length / width));
  splitInto(bytes, planes);
  return planes;
}

/**
 * Stores extents.
 * @param parents  base of each extent, an earlier one, or null.
 */
export async function makeChains(
  parents: readonly (number | null)[],
  options: ChainsOptions = {},
): Promise<MadeChains> {
  const { seed = 1, count = 3000, width = 4, backend = new MemoryBackend() } = options;
  await ObjectStore.init(backend);
  const store = await ObjectStore.open(backend);
  const small = options.smallSetBytes;
  const writer = await PackSetWriter.create(
    backend,
    'tmp/1-1/0',
    small === undefined ? {} : { smallSetBytes: small },
  );
  const made: MadeChains = { store, backend, ids: [], contents: [], count, width, bases: [] };
  const depths: number[] = [];
  for (const [i, parent] of parents.entries()) {
    const under = parent === null ? null : (made.contents[parent] as Uint8Array);
    const bytes = contentOf(width, count, 1000 * seed + i, under);
    const planes = planesOf(bytes, width);
    const basePlanes = under === null ? null : planesOf(under, width);
    const hasher = new ExtentHasher(width, count);
    for (let from = 0; from < count; from += RUN_ELEMENTS) {
      await hasher.addRun(planes.map((plane) => plane.subarray(from, from + RUN_ELEMENTS)));
    }
    const { id, hashes } = await hasher.finish();
    let usesBase = false;
    for (let segment = 0; segment < segmentCount(count); segment++) {
      const cut = (plane: Uint8Array): Uint8Array =>
        plane.slice(segment * SEGMENT_ELEMENTS, (segment + 1) * SEGMENT_ELEMENTS);
      const coded = await encodeRans(planes.map(cut), basePlanes?.map(cut) ?? null, {
        level: 0,
        noPrefix: options.isWhole?.(i),
      });
      usesBase ||= coded.usesBase;
      const codec = { tag: TAG_CODEC, required: true, value: coded.head };
      const runs = { tag: TAG_RUN_HASHES, required: true, value: Buffer.concat(hashes) };
      await writer.addSegment({
        id,
        segment,
        segments: segmentCount(count),
        width,
        count,
        base: coded.usesBase ? (made.ids[parent as number] as Id) : null,
        depth: coded.usesBase ? (depths[parent as number] as number) + 1 : 0,
        head: encodeTags(segment === 0 ? [codec, runs] : [codec]),
        hi: coded.hi,
        mid: coded.mid,
        low: coded.low,
      });
    }
    made.ids.push(id);
    made.contents.push(bytes);
    made.bases.push(usesBase ? parent : null);
    depths.push(usesBase ? (depths[parent as number] as number) + 1 : 0);
  }
  await store.publish([await writer.finish()]);
  return made;
}

/** Bytes that a backend gives from packs while `action` runs, without indexes. */
export async function packBytesRead(
  backend: Backend,
  action: () => Promise<unknown>,
): Promise<number> {
  const read = backend.read;
  let bytes = 0;
  backend.read = (name, offset, length) => {
    if (!name.endsWith('.idx')) bytes += length;
    return read.call(backend, name, offset, length);
  };
  try {
    await action();
  } finally {
    backend.read = read;
  }
  return bytes;
}
