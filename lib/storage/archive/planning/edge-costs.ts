/**
 * What an encoding would cost: measured by encoding, on a sample or in full.
 *
 * A sample is up to SAMPLE_ELEMENTS elements in blocks spread over the extent, the same places for
 * all extents of one size, so that the samples of two extents can be encoded against each other. An
 * extent no longer than that is its own sample, and the measure exact.
 */

import { throwIfAborted } from '../../../base/bytes/abort.js';
import type { Id } from '../../../base/bytes/hash.js';
import { LruCache } from '../../../base/bytes/lru-cache.js';
import {
  ARCHIVE_PLANES_BYTES,
  SAMPLE_CACHE_BYTES,
  SEGMENT_ELEMENTS,
} from '../../../base/limits.js';
import { encodeRans } from '../../../pure/codec/planes-rans.js';
import type { CodecLevel } from '../../../pure/codec/segment.js';
import type { ObjectAccess } from '../../objects/access.js';
import { lendUnder } from '../../objects/planes/base-planes.js';
import { ChainReader } from '../../objects/planes/chain-reader.js';
import type { PlaneReader } from '../../objects/planes/plane-reader.js';
import { segmentElements } from '../../objects/planes/segment-head.js';
import { recodeBase, recodedHeadBytes, storedSegment } from '../../objects/recode.js';
import { segmentHeaderBytes } from '../../store/types.js';
import type { SurveyedExtent } from '../numbered-extents.js';

/** Elements of one sample. */
const SAMPLE_ELEMENTS = 256 * 1024;
/** Elements of one block of it, and segments of one extent that are looked into. */
const BLOCK_ELEMENTS = 16 * 1024;
const SAMPLE_SEGMENTS = 3;

/** How a segment is to be encoded. */
export interface Encoding {
  /** 0 fast, 1 default, 2 max. */
  readonly level: CodecLevel;
  /** Allows differences that are exact only when read whole. */
  readonly noPrefix: boolean;
}

/** An encoding of a whole extent, measured on a sample. */
export interface MeasuredBytes {
  /** Bytes of its records: headers, heads and planes of all segments. */
  readonly bytes: number;
  /** False if every segment did better without the base. */
  readonly usesBase: boolean;
  readonly isExact: boolean;
}

/** What cannot be. */
const NO_WAY: MeasuredBytes = { bytes: Infinity, usesBase: false, isExact: true };

interface Sample {
  readonly planes: readonly Uint8Array[];
  readonly isWhole: boolean;
}

export class EdgeCosts {
  readonly #repo: ObjectAccess;
  readonly #signal: AbortSignal | undefined;
  readonly #samples = new LruCache<Id, Promise<Sample>>(SAMPLE_CACHE_BYTES);
  readonly #planes: PlaneReader;

  constructor(repo: ObjectAccess, signal?: AbortSignal) {
    this.#repo = repo;
    this.#signal = signal;
    this.#planes = new ChainReader(repo.store, {
      cacheBytes: ARCHIVE_PLANES_BYTES,
      ...(signal ? { signal } : {}),
    });
  }

  /**
   * Measures an encoding on samples; in full if the base has another size or order.
   * @param base  null: alone.
   */
  async sampled(
    child: SurveyedExtent,
    base: SurveyedExtent | null,
    encoding: Encoding,
  ): Promise<MeasuredBytes> {
    throwIfAborted(this.#signal);
    const stored = await storedSegment(this.#repo.store, child.id, 0);
    const under = base === null ? null : recodeBase(stored, base);
    if (base !== null && under === null) return NO_WAY;
    if (under?.operation !== undefined) return this.#exact(child, base, encoding);
    const sample = await this.#sample(child);
    const baseSample = base === null ? null : await this.#sample(base);
    const { level, noPrefix } = encoding;
    const planes = baseSample?.planes ?? null;
    const coded = await encodeRans(sample.planes, planes, { level, noPrefix });
    const elements = sample.planes[0]?.length ?? 0;
    const payload = coded.hi.length + coded.mid.length + coded.low.length;
    const share = elements === 0 ? 1 : child.count / elements;
    const first = recodedHeadBytes(stored, coded, under);
    const header = segmentHeaderBytes(coded.usesBase, false);
    const rest = (child.segments - 1) * (header + coded.head.length + 8);
    return {
      bytes: Math.ceil(first + rest + payload * share),
      usesBase: coded.usesBase,
      isExact: sample.isWhole,
    };
  }

  /**
   * Measures the encoding of one segment by making it. To measure many, go along histories:
   * segment by segment, so that planes are still there.
   * @returns bytes of its record.
   */
  async exactSegment(
    child: SurveyedExtent,
    base: SurveyedExtent | null,
    segment: number,
    encoding: Encoding,
  ): Promise<number> {
    return (await this.#segment(child, base, segment, encoding)).bytes;
  }

  /** The whole extent, by making it. */
  async #exact(
    child: SurveyedExtent,
    base: SurveyedExtent | null,
    encoding: Encoding,
  ): Promise<MeasuredBytes> {
    const sum = { bytes: 0, usesBase: false, isExact: true };
    for (let segment = 0; segment < child.segments; segment++) {
      const { bytes, usesBase } = await this.#segment(child, base, segment, encoding);
      sum.bytes += bytes;
      sum.usesBase ||= usesBase;
    }
    return sum;
  }

  async #segment(
    child: SurveyedExtent,
    base: SurveyedExtent | null,
    segment: number,
    encoding: Encoding,
  ): Promise<{ bytes: number; usesBase: boolean }> {
    throwIfAborted(this.#signal);
    const { store } = this.#repo;
    const { id, width, count } = child;
    const stored = await storedSegment(store, id, segment);
    const on = base === null ? null : recodeBase(stored, base);
    const place = on && { id, width, count, segment, base: on.id, operation: on.operation };
    const lease = await this.#planes.lend({ id, segment });
    const under = place && (await lendUnder(store, this.#planes, place));
    const coded = await encodeRans(lease.planes, under?.planes ?? null, encoding);
    lease.release();
    under?.release();
    const head = recodedHeadBytes(stored, coded, on);
    const bytes = head + coded.hi.length + coded.mid.length + coded.low.length;
    return { bytes, usesBase: coded.usesBase };
  }

  #sample(extent: SurveyedExtent): Promise<Sample> {
    const known = this.#samples.get(extent.id);
    if (known !== undefined) return known;
    const sample = this.#readSample(extent);
    this.#samples.set(extent.id, sample, sampleBytes(extent));
    return sample;
  }

  async #readSample(extent: SurveyedExtent): Promise<Sample> {
    const { id, width, count } = extent;
    if (count <= SAMPLE_ELEMENTS) {
      const lease = await this.#planes.lend({ id, segment: 0 });
      const copy = lease.planes.map((plane) => plane.slice());
      lease.release();
      return { planes: copy, isWhole: true };
    }
    const planes = Array.from({ length: width }, () => new Uint8Array(SAMPLE_ELEMENTS));
    const places = samplePlaces(count);
    let at = 0;
    for (const [segment, blocks] of places) {
      throwIfAborted(this.#signal);
      const lease = await this.#planes.lend({ id, segment });
      for (const from of blocks) {
        for (const [k, plane] of planes.entries()) {
          plane.set((lease.planes[k] as Uint8Array).subarray(from, from + BLOCK_ELEMENTS), at);
        }
        at += BLOCK_ELEMENTS;
      }
      lease.release();
    }
    return { planes, isWhole: false };
  }
}

function sampleBytes({ width, count }: SurveyedExtent): number {
  return width * Math.min(count, SAMPLE_ELEMENTS);
}

/** Blocks of a sample by segment: segments spread over the extent, blocks spread over each. */
function samplePlaces(count: number): Map<number, number[]> {
  const all = Math.ceil(count / SEGMENT_ELEMENTS);
  // A last segment that is too short for its share of blocks is not looked into.
  const last = segmentElements(count, all - 1) < SAMPLE_ELEMENTS && all > 1 ? all - 2 : all - 1;
  const number = Math.min(SAMPLE_SEGMENTS, last + 1);
  const blocks = SAMPLE_ELEMENTS / BLOCK_ELEMENTS;
  const places = new Map<number, number[]>();
  for (let i = 0; i < number; i++) {
    const segment = number === 1 ? 0 : Math.round((i * last) / (number - 1));
    const share = Math.floor((blocks * (i + 1)) / number) - Math.floor((blocks * i) / number);
    const room = segmentElements(count, segment) - BLOCK_ELEMENTS;
    const own = places.get(segment) ?? [];
    for (let block = 0; block < share; block++) {
      own.push(Math.floor((room * block) / Math.max(1, share - 1)));
    }
    places.set(segment, own);
  }
  return places;
}
