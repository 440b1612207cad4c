/**
 * Moments of AdamW for the weights of a checkpoint: `exp_avg` and `exp_avg_sq` of every tensor, seeded.
 *
 * Gradients of a row and column have a spread of their own, and 200 steps apart share nothing. So the
 * first moment is new noise of that spread at each step; the second, an average over a thousand steps, is
 * the square of the spread times a factor that drifts slowly.
 */
import fs from 'node:fs/promises';
import { WriteFile } from '../../lib/base/files/files.js';

export interface MomentsOptions {
  /** A safetensors file of fp32 weights. */
  like: string;
  /** Number of the checkpoint: others have other numbers. */
  step: number;
}

const TABLE = 1_048_583;
const ELEMENTS = 1 << 18;
/** Spread of the logarithm of a row's or column's scale, and of what each element adds to v. */
const SCALE_SPREAD = 0.7;
const OWN_SPREAD = 0.35;
/** Share of an element's own part of v that a step keeps. */
const KEPT = 0.8;

function normals(length: number, seed: number): Float64Array {
  let state = seed >>> 0 || 1;
  const random = (): number => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
  return Float64Array.from({ length }, () => {
    return Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
  });
}

async function shapesOf(file: string): Promise<Map<string, number[]>> {
  const handle = await fs.open(file);
  try {
    const length = Buffer.alloc(8);
    await handle.read(length, 0, 8, 0);
    const text = Buffer.alloc(Number(length.readBigUInt64LE()));
    await handle.read(text, 0, text.length, 8);
    const header = JSON.parse(text.toString()) as Record<string, { shape?: number[] }>;
    const shapes = Object.entries(header).filter(([, { shape }]) => shape !== undefined);
    return new Map(shapes.map(([name, { shape }]) => [name, shape as number[]]));
  } finally {
    await handle.close();
  }
}

/** Writes the moments of a checkpoint to a new file; the same options give the same bytes. */
export async function writeMoments(file: string, { like, step }: MomentsOptions): Promise<void> {
  const shapes = await shapesOf(like);
  const header: Record<string, unknown> = {};
  let at = 0;
  for (const [name, shape] of shapes) {
    for (const moment of ['exp_avg', 'exp_avg_sq']) {
      const end = at + 4 * shape.reduce((a, b) => a * b, 1);
      header[`${name}.${moment}`] = { dtype: 'F32', shape, data_offsets: [at, end] };
      at = end;
    }
  }
  const json = JSON.stringify(header);
  const text = Buffer.from(json.padEnd(Math.ceil(json.length / 8) * 8));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(text.length));
  const fixed = normals(TABLE, 11);
  const fresh = normals(TABLE, 1000 + step);
  const drifts = Array.from({ length: step + 1 }, (_, k) => normals(TABLE, 2000 + k));
  const target = await WriteFile.create(file);
  await target.write(Buffer.concat([length, text]));
  let place = 0;
  for (const shape of shapes.values()) {
    const count = shape.reduce((a, b) => a * b, 1);
    const columns = shape.at(-1) as number;
    const scaleOf = (i: number): number => {
      const row = Math.floor(i / columns);
      const log =
        (fixed[(row + 7 * place) % TABLE] as number) + (fixed[(i % columns) + 99] as number);
      return 1e-4 * Math.exp(SCALE_SPREAD * log);
    };
    const first = (i: number): number => scaleOf(i) * (fresh[(i + place) % TABLE] as number);
    const second = (i: number): number => {
      const own = drifts.reduce(
        (sum, drift) =>
          KEPT * sum + Math.sqrt(1 - KEPT ** 2) * (drift[(3 * i + place) % TABLE] as number),
        0,
      );
      return scaleOf(i) ** 2 * Math.exp(OWN_SPREAD * own);
    };
    for (const value of [first, second]) {
      for (let from = 0; from < count; from += ELEMENTS) {
        const values = new Float32Array(Math.min(ELEMENTS, count - from));
        for (let i = 0; i < values.length; i++) values[i] = value(from + i);
        await target.write(new Uint8Array(values.buffer));
      }
    }
    place += 10_007;
  }
  await target.close();
}
