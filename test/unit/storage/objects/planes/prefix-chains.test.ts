/**
 * Goal: the leading planes of an extent, read through a chain of deltas of every transform, are exact
 * and checked, and nothing below the common stop is read, decoded or verified; the bounds they give
 * hold the values.
 * Method: chains of segments made by the reference encoder, transforms and masks forced, behind
 * records that note which classes were asked for and give garbage for none.
 */

import test from 'ava';
import fc from 'fast-check';
import { type PrefixBounds, prefixBounds } from '../../../../../benchmarks/paper/prefix-bounds.js';
import type { Id } from '../../../../../lib/base/bytes/hash.js';
import type { DType } from '../../../../../lib/pure/tensor/dtype.js';
import { widen } from '../../../../../lib/pure/tensor/dtype.js';
import { idOfHashes, runHash } from '../../../../../lib/pure/tensor/extent-id.js';
import { mergePlanes, splitPlanes } from '../../../../../lib/pure/tensor/planes.js';
import { ChainReader } from '../../../../../lib/storage/objects/planes/chain-reader.js';
import type { SegmentRecords } from '../../../../../lib/storage/objects/planes/plane-reader.js';
import { RunHashes } from '../../../../../lib/storage/objects/planes/run-hashes.js';
import { encodeSegmentHead } from '../../../../../lib/storage/objects/planes/segment-head.js';
import type { SegmentHeadAt } from '../../../../../lib/storage/store/packs/read-records.js';
import type {
  PlaneClass,
  SegmentEntry,
  SegmentRecord,
  SetId,
} from '../../../../../lib/storage/store/types.js';
import { randomBytes, seededRandom } from '../../../../helpers/rng.js';
import { encodeReferenceAs } from '../../../../oracles/kernel/encode.js';
import { safetensors } from '../../../../trust/model-files.js';
import { WorkRepository } from '../work-repository.js';

const RAW = 0;
const SUB16_TWICE = 3;
const SUB32 = 4;

/** What reading a prefix took. */
class CountedRecords implements SegmentRecords {
  readonly records = new Map<Id, SegmentRecord>();
  readonly asked = new Set<PlaneClass>();
  bytes = 0;

  async readSegment(
    id: Id,
    _segment: number,
    classes: PlaneClass[],
  ): Promise<SegmentRecord | null> {
    const record = this.records.get(id);
    if (!record) return null;
    const give = (name: PlaneClass): Uint8Array => {
      if (!classes.includes(name)) return new Uint8Array(0);
      this.asked.add(name);
      this.bytes += record[name].length;
      return record[name];
    };
    return { ...record, hi: give('hi'), mid: give('mid'), low: give('low') };
  }

  async findSegment(id: Id): Promise<SegmentEntry | null> {
    const record = this.records.get(id);
    if (!record) return null;
    const { head, hi, mid, low, ...place } = record;
    const bytes = { hiBytes: hi.length, midBytes: mid.length, lowBytes: low.length };
    const where = { set: '0'.repeat(32) as SetId, offset: 0, midOffset: 0, lowOffset: 0, crc: 0 };
    return { ...place, headBytes: head.length, ...bytes, ...where, inline: false };
  }

  async openSegment(id: Id): Promise<SegmentHeadAt | null> {
    const [entry, record] = [await this.findSegment(id), await this.readSegment(id, 0, [])];
    return entry && record && { entry, record, crcs: { hi: 0, mid: 0, low: 0 } };
  }

  readPlanes({ entry }: SegmentHeadAt, classes: PlaneClass[]): Promise<SegmentRecord | null> {
    return this.readSegment(entry.id, 0, classes);
  }

  /** Bytes of the classes that each link of a chain has to give, from the root to the child. */
  bytesOf(links: readonly (readonly PlaneClass[])[]): number {
    let sum = 0;
    for (const [link, record] of [...this.records.values()].entries()) {
      for (const name of links[link]!) sum += record[name].length;
    }
    return sum;
  }
}

/** Adds a version to a chain; its base is the one before, if the transform needs one. */
function addLink(
  records: CountedRecords,
  planes: readonly Uint8Array[],
  base: { id: Id; planes: readonly Uint8Array[] } | null,
  how: { transform: number; masked: boolean },
): Id {
  const count = (planes[0] as Uint8Array).length;
  const width = planes.length;
  const hashes = planes.map(runHash);
  const id = idOfHashes(width, count, hashes);
  const coded = encodeReferenceAs(how, planes, base?.planes ?? null, 1);
  const head = encodeSegmentHead({ codec: coded.head, runHashes: Buffer.concat(hashes) });
  records.records.set(id, {
    ...{ id, segment: 0, segments: 1, width, count, head },
    ...{ base: coded.usesBase && base ? base.id : null, depth: coded.usesBase ? 1 : 0 },
    ...{ hi: coded.hi, mid: coded.mid, low: coded.low },
  });
  return id;
}

/** Of each version. */
const ELEMENTS = 300;

/** Random walks of values, a share of which rest in each step. */
function walk(width: number, links: number, seed: number): Uint8Array[][] {
  const random = seededRandom(seed);
  const bytes = new Uint8Array(ELEMENTS * width).map(() => Math.floor(random() * 256));
  const steps = [splitPlanes(bytes, width)];
  for (let link = 1; link < links; link++) {
    const rests = Array.from({ length: ELEMENTS }, () => random() < 0.3);
    const planes = (steps.at(-1) as Uint8Array[]).map((plane) =>
      plane.map((byte, i) => (rests[i] ? byte : byte + Math.floor(random() * 3) - 1)),
    );
    steps.push(planes);
  }
  return steps;
}

const TYPES: [DType, number][] = [
  ['F32', 4],
  ['BF16', 2],
  ['F16', 2],
  ['F64', 8],
  ['I32', 4],
  ['I16', 2],
  ['I8', 1],
  ['U64', 8],
];

function transformsOf(width: number): number[] {
  if (width === 1) return [0, 1];
  return width === 4 ? [0, 1, 2, SUB16_TWICE, SUB32] : [0, 1, 2];
}

/** Least stop of at least `wanted` planes of each link of a chain, from the root to the child. */
function stopsOf(transforms: readonly number[], width: number, wanted: number): number[] {
  const stops: number[] = [];
  let stop = wanted;
  for (const transform of [...transforms].reverse()) {
    stop = Math.min(width, Math.max(2, stop));
    if (transform === SUB32 || (transform === SUB16_TWICE && stop > 2)) stop = 4;
    stops.unshift(stop);
  }
  return stops;
}

function classesOf(width: number, stop: number): PlaneClass[] {
  if (stop <= 2) return ['hi'];
  return stop <= (width === 4 ? 3 : 4) ? ['hi', 'mid'] : ['hi', 'mid', 'low'];
}

test('prefix: planes through any chain are exact at the next common stop, and read no more', async (t) => {
  await fc.assert(
    fc.asyncProperty(
      fc
        .constantFrom(...TYPES)
        .chain(([dtype, width]) =>
          fc.tuple(
            fc.constant(dtype),
            fc.constant(width),
            fc.array(fc.constantFrom(...transformsOf(width)), { minLength: 1, maxLength: 6 }),
          ),
        ),
      fc.boolean(),
      fc.nat(),
      async ([dtype, width, transforms], masked, seed) => {
        const versions = walk(width, transforms.length, seed);
        const records = new CountedRecords();
        let base: { id: Id; planes: readonly Uint8Array[] } | null = null;
        const chain: number[] = [];
        for (const [link, planes] of versions.entries()) {
          const transform = link === 0 ? RAW : (transforms[link] as number);
          // Without a mask raw planes need no base: they begin a new chain.
          if (!masked && transform === RAW) {
            base = null;
            chain.length = 0;
            records.records.clear();
          }
          const id: Id = addLink(records, planes, base, {
            transform,
            masked: masked && link > 0,
          });
          chain.push(transform);
          base = { id, planes };
        }
        const { id, planes } = base as { id: Id; planes: readonly Uint8Array[] };
        for (let wanted = 1; wanted <= width; wanted++) {
          records.asked.clear();
          records.bytes = 0;
          const lease = await new ChainReader(records).lend({ id, segment: 0, planes: wanted });
          const found = lease.planes;
          await new RunHashes(records).check(id, 0, found);
          t.is(found.length, wanted);
          for (const [k, plane] of found.entries()) {
            if (Buffer.compare(plane, planes[k] as Uint8Array) !== 0) t.fail(`plane ${k}`);
          }
          const classes = stopsOf(chain, width, wanted).map((stop) => classesOf(width, stop));
          t.true([...records.asked].every((name) => classes.flat().includes(name)));
          t.is(records.bytes, records.bytesOf(classes), 'every class of the stops once, no other');
          holdsValues(found, planes, dtype, (why) => t.fail(why));
        }
      },
    ),
    { numRuns: 60 },
  );
});

/** Compares bounds with the values of all planes. */
function holdsValues(
  known: readonly Uint8Array[],
  planes: readonly Uint8Array[],
  dtype: DType,
  fail: (why: string) => void,
): void {
  const bytes = new Uint8Array(planes.length * (planes[0] as Uint8Array).length);
  mergePlanes(planes, planes.length, bytes);
  const values = widen(dtype, bytes) as Float64Array;
  const { lower, upper, nan } = prefixBounds(dtype, known) as PrefixBounds;
  for (const [i, value] of values.entries()) {
    const inside = (lower[i] as number) <= value && value <= (upper[i] as number);
    if (Number.isNaN(value) ? nan[i] === 0 : !inside) {
      fail(`element ${i}: ${value} outside ${lower[i]} … ${upper[i]}`);
    }
  }
}

test('prefix: planes of versions on disk are read from the pack files of their class alone', async (t) => {
  t.timeout(300_000);
  const work = await WorkRepository.make(t);
  // Large enough that classes get files of their own in both sets.
  const count = 3_600_000;
  const planes = Array.from({ length: 4 }, (_, k) => randomBytes(count, k + 1));
  planes[0] = (planes[0] as Uint8Array).map((byte) => 56 + (byte & 3));
  const bytes = new Uint8Array(4 * count);
  for (let version = 0; version < 2; version++) {
    if (version > 0) {
      const steps = randomBytes(count, 9);
      planes[1] = (planes[1] as Uint8Array).map((byte, i) => byte + ((steps[i] as number) & 15));
      for (const k of [2, 3]) planes[k] = randomBytes(count, 10 + k);
    }
    mergePlanes(planes, 4, bytes);
    await work.commit({
      'a.safetensors': safetensors([{ name: 'w', dtype: 'F32', shape: [count], bytes }]),
    });
  }
  t.is((await work.packs('.low')).length, 2);
  await work.open(async (repo) => {
    const entries = [];
    for await (const entry of repo.store.segments()) entries.push(entry);
    const child = entries.find((entry) => entry.base !== null);
    t.truthy(child, 'the second version is a delta');
    const { backend } = repo.store;
    const read = backend.read.bind(backend);
    const taken = new Map<string, number>();
    backend.read = (name, offset, length) => {
      const suffix = name.slice(name.lastIndexOf('.'));
      taken.set(suffix, (taken.get(suffix) ?? 0) + length);
      return read(name, offset, length);
    };
    for (const [wanted, without] of [
      [2, ['.mid', '.low']],
      [3, ['.low']],
    ] as const) {
      taken.clear();
      const { id } = child as { id: Id };
      const { planes: found } = await repo.planes.lend({ id, segment: 0, planes: wanted });
      await repo.hashes.check(id, 0, found);
      for (const [k, plane] of found.entries()) {
        t.is(Buffer.compare(plane, planes[k] as Uint8Array), 0, `plane ${k}`);
      }
      for (const suffix of without) t.is(taken.get(suffix) ?? 0, 0, `${suffix} for ${wanted}`);
      t.true((taken.get('.hi') ?? 0) < 2 * 2.1 * count, 'the planes of both versions, once');
    }
  });
});
