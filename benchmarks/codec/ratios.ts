/**
 * Bytes: what each codec makes of the extents of a file, and by how much a repository that holds the
 * base grows by the whole file.
 */
import fs from 'node:fs/promises';
import path from 'node:path';
import { encodeRans } from '../../lib/pure/codec/planes-rans.js';
import type { EncodedSegment } from '../../lib/pure/codec/segment.js';
import type { OpContext } from '../../lib/use/context.js';
import { add } from '../../lib/use/ops/add.js';
import { commit } from '../../lib/use/ops/commit.js';
import { init } from '../../lib/use/ops/init.js';
import { withRepository } from '../../lib/use/ops/with-repository.js';
import { noProgress } from '../../lib/use/progress.js';
import { BELOW_HUFFMAN, expectationOf, UNRELATED_SHARE } from './expectations.js';
import { type Pair, pairName, segmentsOf } from './models.js';
import { makePeer, PEER_NAMES, type PeerName } from './peers.js';

/** Ways dlv codes a segment. Full read: differences that are exact only when every plane is read. */
export const LEVELS = [
  { name: 'fast', level: 0, noPrefix: false },
  { name: 'default', level: 1, noPrefix: false },
  { name: 'max', level: 2, noPrefix: false },
  { name: 'full read', level: 1, noPrefix: true },
] as const;
export type LevelName = (typeof LEVELS)[number]['name'];

/** Bytes of a file by codec. */
export interface RatioRow {
  name: string;
  base: string | null;
  fileBytes: number;
  /** Bytes of the extents: the rest of the file is text and small tensors. */
  extentBytes: number;
  /** Heads and payloads of the extents by level. */
  levels: Record<LevelName, number>;
  /** The same without a base, default level. */
  aloneBytes: number;
  /** null: this machine does not have it. */
  peers: Record<PeerName, number | null>;
  /** Growth of the packs, default level, whole file; indexes apart. */
  packBytes: number;
  indexBytes: number;
}

/** Coded bytes of a segment: what goes into packs, save record headers. */
export function payloadBytes(coded: EncodedSegment): number {
  return coded.head.length + coded.hi.length + coded.mid.length + coded.low.length;
}

/** Measures one pair. Every peer's answer is decoded and compared. */
export async function measureRatio(pair: Pair, scratch: string): Promise<RatioRow> {
  const levels = { fast: 0, default: 0, max: 0, 'full read': 0 };
  const peers = Object.fromEntries(PEER_NAMES.map((name) => [name, 0])) as RatioRow['peers'];
  let aloneBytes = 0;
  for await (const { extent, child, base } of segmentsOf(pair)) {
    const basePlanes = base?.planes ?? null;
    for (const { name, level, noPrefix } of LEVELS) {
      levels[name] += payloadBytes(await encodeRans(child.planes, basePlanes, { level, noPrefix }));
    }
    aloneBytes += payloadBytes(await encodeRans(child.planes, null));
    const { width, bytes } = child;
    for (const name of PEER_NAMES) {
      const peer = makePeer(name, { bytes, width, base: basePlanes });
      const before = peers[name];
      if (peer === null || before === null) {
        peers[name] = null;
        continue;
      }
      peers[name] = before + peer.encode();
      peer.decode();
      if (Buffer.compare(peer.restored, bytes) !== 0) {
        throw new Error(`${name} changed ${extent.names[0]} of ${pair.child.name}`);
      }
    }
  }
  const { storedBytes, metadataBytes } = await growthOf(pair, scratch);
  return {
    name: pairName(pair),
    base: pair.base?.name ?? null,
    fileBytes: pair.child.size,
    extentBytes: pair.child.extents.reduce((sum, e) => sum + e.width * e.count, 0),
    levels,
    aloneBytes,
    peers,
    packBytes: storedBytes,
    indexBytes: metadataBytes,
  };
}

/** Commits the base, then the child in its place, to a repository of their own. */
async function growthOf({ child, base }: Pair, scratch: string) {
  const folder = await fs.mkdtemp(path.join(scratch, 'growth-'));
  try {
    const context: OpContext = { cwd: folder, progress: noProgress, warn() {} };
    await init(context, { model: 'model' });
    const name = `model${path.extname(child.file)}`;
    const put = async (file: string, message: string) => {
      await fs.rm(path.join(folder, name), { force: true });
      await fs.copyFile(file, path.join(folder, name));
      return withRepository(context, async (repo) => {
        await add(repo, { paths: [name] }, context);
        return commit(repo, { message }, context);
      });
    };
    if (base !== null) await put(base.file, 'base');
    return await put(child.file, 'child');
  } finally {
    await fs.rm(folder, { recursive: true, force: true });
  }
}

/** A target figure and the result. */
export interface Target {
  what: string;
  wanted: string;
  found: string;
  /** null: cannot be decided on this machine. */
  holds: boolean | null;
}

/** Judges a row by what is expected of its pair. */
export function judgeRatio(pair: Pair, row: RatioRow): Target[] {
  const expected = expectationOf(pair);
  const targets: Target[] = [];
  const add = (what: string, wanted: string, found: string, holds: boolean): void => {
    targets.push({ what: `${row.name}: ${what}`, wanted, found, holds });
  };
  const ratio = row.fileBytes / row.packBytes;
  if (expected?.packRatio) {
    const least = expected.packRatio;
    add('ratio in packs', `≥ ${least}`, ratio.toFixed(3), ratio >= least);
  }
  if (expected?.packShare) {
    const most = expected.packShare;
    add('share in packs', `≤ ${most}`, (1 / ratio).toFixed(3), 1 / ratio <= most);
  }
  if (expected?.fullReadRatio) {
    const least = expected.fullReadRatio;
    const bytes = row.packBytes - row.levels.default + row.levels['full read'];
    const found = row.fileBytes / bytes;
    add('ratio at full read', `≥ ${least}`, found.toFixed(3), found >= least);
  }
  if (row.base !== null) judgePair(row, expected?.belowHuffman, expected?.unrelated, add);
  return targets;
}

function judgePair(
  row: RatioRow,
  below: number | undefined,
  unrelated: true | undefined,
  add: (what: string, wanted: string, found: string, holds: boolean) => void,
): void {
  const coded = row.levels.default;
  // A base that nobody called related and that saves nothing is none.
  if (unrelated || (below === undefined && coded > 0.99 * row.aloneBytes)) {
    const more = coded / row.aloneBytes - 1;
    const holds = more <= UNRELATED_SHARE;
    add('against alone', `≤ + ${percent(UNRELATED_SHARE)}`, signed(more), holds);
    return;
  }
  const huffman = row.peers['XOR + Huffman'] as number;
  const saved = 1 - coded / huffman;
  const least = below ?? BELOW_HUFFMAN;
  add('below XOR + Huffman', `≥ ${percent(least)}`, percent(saved), saved >= least);
}

/** '8.1 %'. */
export function percent(share: number): string {
  return `${(100 * share).toFixed(1)} %`;
}

function signed(share: number): string {
  return `${share < 0 ? '−' : '+'} ${(100 * Math.abs(share)).toFixed(2)} %`;
}
