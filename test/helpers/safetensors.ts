/** Small safetensors files with values that a seed decides. */
import { seededRandom } from './rng.js';

/** Tensors by name: shape, and values of float32. */
export type Tensors = Record<string, { shape: number[]; values: Float32Array }>;

/** Float32 tensors of the given shapes; the same seed gives the same values. */
export function randomTensors(shapes: Record<string, number[]>, seed: number): Tensors {
  const random = seededRandom(seed);
  const tensors: Tensors = {};
  for (const [name, shape] of Object.entries(shapes)) {
    const count = shape.reduce((product, length) => product * length, 1);
    const values = new Float32Array(count).map(() => random() - 0.5);
    tensors[name] = { shape, values };
  }
  return tensors;
}

/** The same tensors, each value moved by up to `step`. */
export function nudge(tensors: Tensors, step: number, seed: number): Tensors {
  const random = seededRandom(seed);
  return Object.fromEntries(
    Object.entries(tensors).map(([name, { shape, values }]) => [
      name,
      { shape, values: values.map((value) => value + step * (random() - 0.5)) },
    ]),
  );
}

/** The bytes of a safetensors file. */
export function safetensors(tensors: Tensors, metadata: Record<string, string> = {}): Buffer {
  const header: Record<string, unknown> = {};
  if (Object.keys(metadata).length > 0) header.__metadata__ = metadata;
  let at = 0;
  for (const [name, { shape, values }] of Object.entries(tensors)) {
    header[name] = { dtype: 'F32', shape, data_offsets: [at, at + values.byteLength] };
    at += values.byteLength;
  }
  const text = JSON.stringify(header);
  const json = Buffer.from(text.padEnd(Math.ceil(text.length / 8) * 8));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(json.length));
  const data = Object.values(tensors).map(({ values }) => Buffer.from(values.buffer));
  return Buffer.concat([length, json, ...data]);
}
