/**
 * How little of two tensors has to be read to say how far they are apart: their sketches, a few elements that
 * stand in their heads, tell about how far, and that tells which leading planes are enough.
 */
import { valueError } from '../../../pure/codec/drift.js';
import { countMasked, readSketch } from '../../../storage/objects/extent-facts.js';
import { type StoredTensor, tensorElements } from '../../../storage/objects/stored/tensors.js';
import type { ObjectStore } from '../../../storage/store/object-store.js';
import { canLead } from './compare.js';

/** A bound of this share of what sketches say is asked for; one of twice as much of the number is enough. */
const BOUND_SHARE = 0.05;

/** Leading planes that are about enough; undefined: all have to be read. */
export async function enoughPlanes(
  store: ObjectStore,
  a: StoredTensor,
  b: StoredTensor,
): Promise<number | undefined> {
  if (!canLead(a, b)) return undefined;
  const [x, y] = [await sketchOf(store, a.home), await sketchOf(store, b.home)];
  if (x === null || y === null || x.length !== y.length) return undefined;
  let [change, before] = [0, 0];
  const value = b.dtype === 'F64' ? doubleAt : floatAt;
  for (let at = 0; at < y.length; at += b.dtype === 'F64' ? 8 : 4) {
    const [u, v] = [value(x, at), value(y, at)];
    if (!Number.isFinite(u) || !Number.isFinite(v)) continue;
    change += (v - u) ** 2;
    before += u * u;
  }
  if (before === 0) return undefined;
  const about = Math.sqrt(change / before);
  return [2, 3].find((planes) => 2 * valueError(b.dtype, planes) <= BOUND_SHARE * about);
}

/** True if a comparison by leading planes says enough. */
export function isEnough({
  relativeL2,
  bound,
}: {
  relativeL2: number | null;
  bound: { relativeL2: number } | null;
}): boolean {
  return (
    bound === null || (relativeL2 !== null && bound.relativeL2 <= 2 * BOUND_SHARE * relativeL2)
  );
}

async function sketchOf(store: ObjectStore, home: StoredTensor['home']): Promise<Buffer | null> {
  return home.kind === 'extent' ? readSketch(store, home.id) : null;
}

const floatAt = (sketch: Buffer, at: number): number => sketch.readFloatBE(at);
const doubleAt = (sketch: Buffer, at: number): number => sketch.readDoubleBE(at);

/** Elements that differ, of two tensors that are whole extents; null where their records do not say. */
export async function maskedChanges(
  store: ObjectStore,
  a: StoredTensor,
  b: StoredTensor,
): Promise<number | null> {
  const [x, y] = [a.home, b.home];
  if (x.kind !== 'extent' || y.kind !== 'extent' || x.count !== y.count) return null;
  if (tensorElements(a) !== x.count || tensorElements(b) !== y.count) return null;
  return (await countMasked(store, y.id, x.id)) ?? countMasked(store, x.id, y.id);
}
