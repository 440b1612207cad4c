/**
 * The peers that dlv's codec is measured against: the system's zstd and lz4, byte shuffle before
 * zstd, XOR and canonical Huffman codes per plane, gzip. All work on one thread, on memory that is
 * there before the clock starts; peers.c is compiled when the benchmark starts.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, renameSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { gunzipSync, gzipSync } from 'node:zlib';
import { mergeFast, splitFast } from '../../lib/pure/codec/planes.js';
import { PROJECT_ROOT } from '../harness.js';

interface PeersAddon {
  zstdVersion(): string | null;
  zstdCompress(level: number, source: Uint8Array, target: Uint8Array): number;
  zstdDecompress(source: Uint8Array, target: Uint8Array): number;
  /** −1 without the library. */
  lz4Compress(source: Uint8Array, target: Uint8Array): number;
  lz4Decompress(source: Uint8Array, target: Uint8Array): number;
  xor(a: Uint8Array, b: Uint8Array, target: Uint8Array): void;
  huffmanEncode(plane: Uint8Array, target: Uint8Array): number;
  huffmanDecode(source: Uint8Array, plane: Uint8Array): void;
}

/** Elements of equal width and, for a delta, those of the base, as planes. */
export interface PeerInput {
  bytes: Uint8Array;
  width: number;
  base: readonly Uint8Array[] | null;
}

/** One peer on one input: `encode` gives the bytes it takes, `decode` makes `restored` from them. */
export interface Peer {
  encode(): number;
  decode(): void;
  /** The elements as they come back; compared by the caller. */
  restored: Uint8Array;
}

export const PEER_NAMES = ['zstd -3', 'lz4', 'shuffle + zstd -3', 'XOR + Huffman', 'gzip'] as const;
export type PeerName = (typeof PEER_NAMES)[number];

let addon: PeersAddon | null = null;

/** Compiles and loads the peers. @throws without a C compiler or Node's headers. */
export function loadPeers(): PeersAddon {
  if (addon !== null) return addon;
  const headers = [
    path.join(path.dirname(process.execPath), '..', 'include', 'node'),
    '/usr/include/node',
    '/usr/local/include/node',
  ].find((dir) => existsSync(path.join(dir, 'node_api.h')));
  if (headers === undefined) throw new Error("Node's headers (node_api.h) are not installed");
  const folder = path.join(PROJECT_ROOT, 'native/build');
  mkdirSync(folder, { recursive: true });
  const built = path.join(folder, 'peers.node');
  const temporary = `${built}-${process.pid}.tmp`;
  const source = path.join(PROJECT_ROOT, 'benchmarks/codec/peers.c');
  const flags = ['-std=gnu11', '-O3', '-march=native', '-fPIC', '-shared', '-Wall', '-Wextra'];
  const args = [...flags, `-I${headers}`, source, '-o', temporary, '-ldl'];
  const result = spawnSync(process.env.CC ?? 'cc', args, { encoding: 'utf8' });
  if (result.error) throw new Error(`the peers need a C compiler: ${result.error.message}`);
  if (result.status !== 0) throw new Error(`the peers do not compile:\n${result.stderr}`);
  renameSync(temporary, built);
  addon = createRequire(import.meta.url)(built) as PeersAddon;
  return addon;
}

/** Version of the system's zstd, or null if it has none. */
export function zstdVersion(): string | null {
  return loadPeers().zstdVersion();
}

/** A peer ready to run, or null if this machine does not have it. */
export function makePeer(name: PeerName, input: PeerInput): Peer | null {
  switch (name) {
    case 'zstd -3':
      return zstdPeer(input, false);
    case 'shuffle + zstd -3':
      return zstdPeer(input, true);
    case 'lz4':
      return lz4Peer(input);
    case 'XOR + Huffman':
      return huffmanPeer(input);
    case 'gzip':
      return gzipPeer(input);
  }
}

/** Planes that lie one after the other in one piece of memory, which is what a shuffle gives. */
function planesIn(memory: Uint8Array, width: number): Uint8Array[] {
  const count = memory.length / width;
  return Array.from({ length: width }, (_, k) => memory.subarray(k * count, (k + 1) * count));
}

/** Memory whose pages are there: a first touch is not what is measured. */
function room(bytes: number): Uint8Array {
  return new Uint8Array(bytes).fill(1);
}

function zstdPeer({ bytes, width }: PeerInput, shuffled: boolean): Peer | null {
  const peers = loadPeers();
  if (peers.zstdVersion() === null) return null;
  const coded = room(bytes.length + (bytes.length >> 7) + 1024);
  const restored = room(bytes.length);
  const memory = room(bytes.length);
  const planes = planesIn(memory, width);
  let length = 0;
  return {
    restored,
    encode() {
      if (shuffled) splitFast(bytes, planes);
      length = peers.zstdCompress(3, shuffled ? memory : bytes, coded);
      return length;
    },
    decode() {
      peers.zstdDecompress(coded.subarray(0, length), shuffled ? memory : restored);
      if (shuffled) mergeFast(planes, restored);
    },
  };
}

function lz4Peer({ bytes }: PeerInput): Peer | null {
  const peers = loadPeers();
  const coded = room(bytes.length + (bytes.length >> 7) + 1024);
  const restored = room(bytes.length);
  let length = peers.lz4Compress(bytes, coded);
  if (length < 0) return null;
  return {
    restored,
    encode() {
      length = peers.lz4Compress(bytes, coded);
      return length;
    },
    decode() {
      peers.lz4Decompress(coded.subarray(0, length), restored);
    },
  };
}

/** Planes of the difference (or of the elements, without a base), one table each. */
function huffmanPeer({ bytes, width, base }: PeerInput): Peer {
  const peers = loadPeers();
  const count = bytes.length / width;
  const planes = planesIn(room(bytes.length), width);
  const coded = planes.map(() => room(2 * count + 2048));
  const lengths = planes.map(() => 0);
  const restored = room(bytes.length);
  return {
    restored,
    encode() {
      splitFast(bytes, planes);
      return planes.reduce((sum, plane, k) => {
        if (base !== null) peers.xor(plane, base[k] as Uint8Array, plane);
        lengths[k] = peers.huffmanEncode(plane, coded[k] as Uint8Array);
        return sum + lengths[k];
      }, 0);
    },
    decode() {
      for (const [k, plane] of planes.entries()) {
        peers.huffmanDecode(coded[k] as Uint8Array, plane);
        if (base !== null) peers.xor(plane, base[k] as Uint8Array, plane);
      }
      mergeFast(planes, restored);
    },
  };
}

function gzipPeer({ bytes }: PeerInput): Peer {
  let coded: Uint8Array = new Uint8Array(0);
  const peer = {
    restored: new Uint8Array(0) as Uint8Array,
    encode() {
      coded = gzipSync(bytes);
      return coded.length;
    },
    decode() {
      peer.restored = gunzipSync(coded);
    },
  };
  return peer;
}
