/**
 * Speed on one thread: encode from bytes to coded planes and decode back to bytes, for dlv and its
 * peers in turn, so that what disturbs one of them disturbs all.
 *
 * The base of a delta is in memory as planes for everybody, as it is while a chain is rebuilt. GB are
 * 10^9 bytes of the elements, whatever they are coded in.
 */
import { mergeFast, splitFast } from '../../lib/pure/codec/planes.js';
import { decodeRans, encodeRans } from '../../lib/pure/codec/planes-rans.js';
import type { EncodedSegment } from '../../lib/pure/codec/segment.js';
import { type Spread, spreadOf } from '../harness.js';
import { type Clock, type Sample, sample } from './clock.js';
import { type Pair, pairName, type SegmentPair, segmentsOf } from './models.js';
import { makePeer, PEER_NAMES } from './peers.js';
import { LEVELS, payloadBytes } from './ratios.js';

/** Extents below this say more about calls than about codecs. */
export const SPEED_ELEMENTS_MIN = 1_000_000;

/** One codec on one segment. */
export interface SpeedRow {
  codec: string;
  ratio: number;
  /** GB/s; null where there is no such direction. */
  encode: Spread | null;
  decode: Spread | null;
  /** Decode ÷ memcpy of the same bytes, round by round. */
  memcpyShare: Spread;
  /** This ÷ zstd -3, round by round; null without zstd. */
  encodeToZstd: Spread | null;
  decodeToZstd: Spread | null;
}

export interface SpeedTable {
  /** Pair and tensor. */
  name: string;
  alone: boolean;
  elements: number;
  bytes: number;
  rows: SpeedRow[];
}

interface Contender {
  codec: string;
  codedBytes: number;
  encode(): Promise<unknown> | unknown;
  decode(): Promise<unknown> | unknown;
  encodes: Sample[];
  decodes: Sample[];
}

/** The long extents of a pair, one table each. */
export async function measureSpeeds(
  pair: Pair,
  options: { rounds: number; clock: Clock },
): Promise<SpeedTable[]> {
  const tables: SpeedTable[] = [];
  for await (const segment of segmentsOf(pair, (e) => e.count >= SPEED_ELEMENTS_MIN)) {
    if (segment.child.count < SPEED_ELEMENTS_MIN) continue;
    if (pair.base !== null && segment.base === null) continue;
    const name = `${pairName(pair)}, ${segment.extent.names[0] ?? 'extent'}`;
    tables.push(await measureSegment(name, segment, options));
  }
  return tables;
}

/** @param segment  of the child, with that of the base for a delta. */
export async function measureSegment(
  name: string,
  { child, base }: Pick<SegmentPair, 'child' | 'base'>,
  { rounds, clock }: { rounds: number; clock: Clock },
): Promise<SpeedTable> {
  const { bytes } = child;
  const copy = new Uint8Array(bytes.length).fill(1);
  const contenders = await makeContenders(name, { child, base });
  const copies: Sample[] = [];
  for (let round = 0; round < rounds; round++) {
    copies.push(await sample(() => copy.set(bytes)));
    for (const contender of contenders) {
      if (contender.codec === 'gzip' && round >= 3) continue;
      contender.encodes.push(await sample(() => contender.encode()));
      contender.decodes.push(await sample(() => contender.decode()));
    }
  }
  const zstd = contenders.find((contender) => contender.codec === 'zstd -3');
  const gigabytes = bytes.length / 1e9;
  const speed = (samples: Sample[]): Spread => spreadOf(samples.map((s) => gigabytes / s[clock]));
  const against = (samples: Sample[], others: Sample[]): Spread =>
    spreadOf(samples.map((s, i) => (others[i] as Sample)[clock] / s[clock]));
  const rows = contenders.map(
    ({ codec, codedBytes, encodes, decodes }): SpeedRow => ({
      codec,
      ratio: bytes.length / codedBytes,
      encode: speed(encodes),
      decode: speed(decodes),
      memcpyShare: against(decodes, copies),
      encodeToZstd: zstd ? against(encodes, zstd.encodes) : null,
      decodeToZstd: zstd ? against(decodes, zstd.decodes) : null,
    }),
  );
  rows.push({
    codec: 'memcpy',
    ratio: 1,
    encode: null,
    decode: speed(copies),
    memcpyShare: against(copies, copies),
    encodeToZstd: null,
    decodeToZstd: null,
  });
  return { name, alone: base === null, elements: child.count, bytes: bytes.length, rows };
}

async function makeContenders(
  name: string,
  { child, base }: Pick<SegmentPair, 'child' | 'base'>,
): Promise<Contender[]> {
  const { bytes, width, count } = child;
  const basePlanes = base?.planes ?? null;
  const contenders: Contender[] = [];
  for (const { name: codec, level, noPrefix } of LEVELS) {
    const planes = child.planes.map((plane) => plane.slice());
    const out = child.planes.map((plane) => plane.slice());
    const restored = new Uint8Array(bytes.length).fill(1);
    const options = { level, noPrefix, room: new Uint8Array(bytes.length).fill(1) };
    let coded: EncodedSegment = await encodeRans(planes, basePlanes, options);
    const contender: Contender = {
      codec: `dlv ${codec}`,
      codedBytes: payloadBytes(coded),
      encodes: [],
      decodes: [],
      async encode() {
        splitFast(bytes, planes);
        coded = await encodeRans(planes, basePlanes, options);
      },
      async decode() {
        const from = coded.usesBase ? basePlanes : null;
        await decodeRans(coded, { width, count, wanted: width, base: from, file: name }, out);
        mergeFast(out, restored);
      },
    };
    await check(contender, restored, bytes);
    contenders.push(contender);
  }
  for (const codec of PEER_NAMES) {
    const peer = makePeer(codec, { bytes, width, base: basePlanes });
    if (peer === null) continue;
    const contender: Contender = {
      codec,
      codedBytes: peer.encode(),
      encodes: [],
      decodes: [],
      encode: () => peer.encode(),
      decode: () => peer.decode(),
    };
    peer.decode();
    if (Buffer.compare(peer.restored, bytes) !== 0) throw new Error(`${codec} changed ${name}`);
    contenders.push(contender);
  }
  return contenders;
}

/** Warms up, and compares what comes back. */
async function check(contender: Contender, restored: Uint8Array, bytes: Uint8Array): Promise<void> {
  await contender.encode();
  await contender.decode();
  if (Buffer.compare(restored, bytes) !== 0) throw new Error(`${contender.codec} changed bytes`);
}
