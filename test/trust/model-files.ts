/** Small checkpoints for the trust tests: safetensors files that drift from step to step. */
import { randomBytes, seededRandom } from '../helpers/rng.js';

/** One tensor of a file to be made. */
export interface MadeTensor {
  name: string;
  dtype: string;
  shape: number[];
  bytes: Uint8Array;
}

/** The bytes of a safetensors file. */
export function safetensors(
  tensors: readonly MadeTensor[],
  metadata: Record<string, string> = {},
): Buffer {
  const header: Record<string, unknown> = { __metadata__: metadata };
  let at = 0;
  for (const { name, dtype, shape, bytes } of tensors) {
    header[name] = { dtype, shape, data_offsets: [at, at + bytes.length] };
    at += bytes.length;
  }
  const text = Buffer.from(JSON.stringify(header));
  const pad = Buffer.alloc((8 - (text.length % 8)) % 8, 0x20);
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(text.length + pad.length));
  return Buffer.concat([length, text, pad, ...tensors.map((t) => t.bytes)]);
}

/** `count` float32 values near those of step 0, as after `step` steps of training. */
function weights(count: number, seed: number, step: number): Uint8Array {
  const start = seededRandom(seed);
  const values = new Float32Array(count).map(() => start() - 0.5);
  const drift = seededRandom(seed + 7919 * step);
  if (step > 0) for (let i = 0; i < count; i++) values[i]! += 1e-3 * (drift() - 0.5);
  return new Uint8Array(values.buffer);
}

/**
 * A checkpoint of two extents (float32 and, unlike them, noise), one small tensor and metadata.
 * @param scale  elements are a multiple of it: 1 gives some 41 KB.
 */
export function checkpoint(seed: number, step: number, scale = 1): Buffer {
  const rows = 40 * scale;
  return safetensors(
    [
      {
        name: 'a.weight',
        dtype: 'F32',
        shape: [rows, 128],
        bytes: weights(rows * 128, seed, step),
      },
      { name: 'b.weight', dtype: 'BF16', shape: [100, 100], bytes: randomBytes(20_000, seed) },
      { name: 'c.bias', dtype: 'F32', shape: [64], bytes: weights(64, seed + 1, step) },
    ],
    { step: String(step) },
  );
}
