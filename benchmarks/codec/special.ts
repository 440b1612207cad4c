/**
 * What a table of files does not show: two threads, WebAssembly, planes that hardly change, and a
 * version whose extents are all stored already.
 */
import { createHash } from 'node:crypto';
import fs from 'node:fs/promises';
import path from 'node:path';
import { ReadFile } from '../../lib/base/files/files.js';
import { RUN_ELEMENTS } from '../../lib/base/limits.js';
import { load } from '../../lib/base/native/kernel.js';
import { splitFast } from '../../lib/pure/codec/planes.js';
import { decodeRans, encodeRans } from '../../lib/pure/codec/planes-rans.js';
import { SeededRandom } from '../../lib/pure/plan/steps.js';
import { ExtentHasher } from '../../lib/pure/tensor/extent-id.js';
import type { OpContext } from '../../lib/use/context.js';
import { add } from '../../lib/use/ops/add.js';
import { commit } from '../../lib/use/ops/commit.js';
import { init } from '../../lib/use/ops/init.js';
import { withRepository } from '../../lib/use/ops/with-repository.js';
import { noProgress } from '../../lib/use/progress.js';
import { writeCheckpoint } from '../data/checkpoint.js';
import { type Spread, spreadOf } from '../harness.js';
import { type Clock, sample } from './clock.js';
import { readModel, type Segment, segmentOf } from './models.js';

/** A child that differs from its base in this share of its elements. */
const CHANGED_SHARE = 0.0005;
const MADE_ELEMENTS = 1 << 22;

/** Ratio of the time of one thread to that of two, for the same segments. */
export interface ThreadScaling {
  encode: Spread;
  decode: Spread;
}

/** Segments of a round, and how many of them wait for the two threads at a time, as in a commit. */
const SEGMENTS = 16;
const AT_ONCE = 4;

/** Codes and decodes segments one after the other, then on both threads of the pool. Wall time. */
export async function measureThreads(
  child: Segment,
  base: Segment | null,
  rounds: number,
): Promise<ThreadScaling> {
  const { width, count, planes } = child;
  const basePlanes = base?.planes ?? null;
  const coded = await encodeRans(planes, basePlanes);
  const from = coded.usesBase ? basePlanes : null;
  const places = Array.from({ length: AT_ONCE }, (_, place) => place);
  const outs = places.map(() => planes.map((plane) => plane.slice()));
  const rooms = places.map(() => new Uint8Array(width * count).fill(1));
  const encode = (place: number) => encodeRans(planes, basePlanes, { room: rooms[place] });
  const decode = (place: number) =>
    decodeRans(coded, { width, count, wanted: width, base: from, file: 'extent' }, outs[place]);
  const scale = async (work: (place: number) => Promise<unknown>): Promise<Spread> => {
    const ratios: number[] = [];
    for (let round = 0; round < rounds; round++) {
      const one = await sample(async () => {
        for (let i = 0; i < SEGMENTS; i++) await work(0);
      });
      const two = await sample(() =>
        Promise.all(
          places.map(async (place) => {
            for (let i = 0; i < SEGMENTS / AT_ONCE; i++) await work(place);
          }),
        ),
      );
      ratios.push(one.wall / two.wall);
    }
    return spreadOf(ratios);
  };
  return { encode: await scale(encode), decode: await scale(decode) };
}

/** Speed of WebAssembly ÷ that of the addon; null without the addon. */
export async function measureWasm(
  child: Segment,
  base: Segment | null,
  { rounds, clock }: { rounds: number; clock: Clock },
): Promise<ThreadScaling | null> {
  const native = load(undefined).native;
  if (native === null) return null;
  const wasm = load('wasm').kernel;
  const { width, count, planes } = child;
  const basePlanes = base?.planes ?? null;
  const coded = await native.encode(planes, basePlanes, 1, false);
  const from = coded.usesBase ? basePlanes : null;
  const classes = [coded.hi, coded.mid, coded.low] as const;
  const out = planes.map((plane) => plane.slice());
  const room = new Uint8Array(width * count).fill(1);
  const ratios: { encode: number[]; decode: number[] } = { encode: [], decode: [] };
  for (let round = 0; round < rounds; round++) {
    const times = [];
    for (const kernel of [native, wasm]) {
      times.push({
        encode: await sample(() => kernel.encode(planes, basePlanes, 1, false, undefined, room)),
        decode: await sample(() =>
          kernel.decode(coded.head, [...classes], from, count, width, width, out),
        ),
      });
    }
    const [fast, slow] = times as [(typeof times)[0], (typeof times)[0]];
    ratios.encode.push(fast.encode[clock] / slow.encode[clock]);
    ratios.decode.push(fast.decode[clock] / slow.decode[clock]);
  }
  return { encode: spreadOf(ratios.encode), decode: spreadOf(ratios.decode) };
}

/** Made fp32 values, and a child of which one in two thousand differs. */
export function makeUnchanged(): { child: Segment; base: Segment } {
  const random = new SeededRandom(7);
  const values = new Float32Array(MADE_ELEMENTS);
  for (let i = 0; i < values.length; i++) values[i] = (random.next() + random.next() - 1) / 16;
  const changed = values.slice();
  for (let i = 0; i < MADE_ELEMENTS * CHANGED_SHARE; i++) {
    const at = random.below(MADE_ELEMENTS);
    changed[at] = (changed[at] as number) * (1 + 1e-3 * random.next());
  }
  return {
    child: segmentOf(new Uint8Array(changed.buffer), 4),
    base: segmentOf(new Uint8Array(values.buffer), 4),
  };
}

/** Decoding planes that hardly change ÷ copying as many bytes, planes to planes. */
export async function measureUnchangedPlanes(
  { child, base }: { child: Segment; base: Segment },
  { rounds, clock }: { rounds: number; clock: Clock },
): Promise<Spread> {
  const { width, count, planes } = child;
  const coded = await encodeRans(planes, base.planes);
  const out = planes.map((plane) => plane.slice());
  const ratios: number[] = [];
  for (let round = 0; round < rounds; round++) {
    const copy = await sample(() => {
      for (const [k, plane] of planes.entries()) out[k]?.set(plane);
    });
    const decode = await sample(() =>
      decodeRans(coded, { width, count, wanted: width, base: base.planes, file: 'made' }, out),
    );
    ratios.push(copy[clock] / decode[clock]);
  }
  return spreadOf(ratios);
}

/** A version of extents that are stored already, against hashing the same file. */
export interface IdenticalVersion {
  fileBytes: number;
  planeBytes: number;
  /** Time of add and commit ÷ that of reading, sha256 of the file and hashes of its planes. */
  toHashing: Spread;
}

/** @param bytes  size of the made file. */
export async function measureIdentical(
  scratch: string,
  bytes: number,
  rounds: number,
): Promise<IdenticalVersion> {
  const folder = await fs.mkdtemp(path.join(scratch, 'identical-'));
  try {
    const context: OpContext = { cwd: folder, progress: noProgress, warn() {} };
    await init(context, { model: 'model' });
    const first = path.join(folder, '0.safetensors');
    await writeCheckpoint(first, { bytes, change: 0 });
    const put = (name: string) =>
      withRepository(context, async (repo) => {
        const kinds = () => repo.store.sets().map((set) => set.bytes);
        const planes = () => kinds().reduce((sum, b) => sum + b.hi + b.mid + b.low, 0);
        const before = planes();
        await add(repo, { paths: [name] }, context);
        await commit(repo, { message: name }, context);
        return planes() - before;
      });
    await put('0.safetensors');
    const ratios: number[] = [];
    let planeBytes = 0;
    for (let round = 1; round <= rounds; round++) {
      const name = `${round}.safetensors`;
      await fs.link(first, path.join(folder, name));
      const hashing = await timed(() => hashFile(first));
      const version = await timed(async () => {
        planeBytes += await put(name);
      });
      ratios.push(version / hashing);
    }
    return { fileBytes: (await fs.stat(first)).size, planeBytes, toHashing: spreadOf(ratios) };
  } finally {
    await fs.rm(folder, { recursive: true, force: true });
  }
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const started = performance.now();
  await work();
  return (performance.now() - started) / 1000;
}

/** All hashes that a version of a file names: sha256 of its bytes, and of the planes of its extents. */
async function hashFile(file: string): Promise<void> {
  const model = await readModel(file, path.basename(file));
  const source = await ReadFile.open(file);
  const hash = createHash('sha256');
  const blockBytes = 4 * RUN_ELEMENTS;
  try {
    let at = 0;
    const readTo = async (end: number): Promise<Uint8Array> => {
      const bytes = await source.read(at, end - at);
      at = end;
      hash.update(bytes);
      return bytes;
    };
    for (const { offset, width, count } of model?.extents ?? []) {
      while (at < offset) await readTo(Math.min(offset, at + blockBytes));
      const hasher = new ExtentHasher(width, count);
      for (let done = 0; done < count; done += RUN_ELEMENTS) {
        const elements = Math.min(RUN_ELEMENTS, count - done);
        const bytes = await readTo(at + elements * width);
        const planes = Array.from({ length: width }, () => new Uint8Array(elements));
        splitFast(bytes, planes);
        await hasher.addRun(planes);
      }
      await hasher.finish();
    }
    while (at < source.size) await readTo(Math.min(source.size, at + blockBytes));
    hash.digest('hex');
  } finally {
    await source.close();
  }
}
