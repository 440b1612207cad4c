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

/** A tensor of any type, as its bytes. */
export interface RawTensor {
  dtype: string;
  shape: number[];
  bytes: Uint8Array | readonly number[];
}

/** The bytes of a safetensors file. */
export function safetensors(tensors: Tensors, metadata: Record<string, string> = {}): Buffer {
  const raw = Object.entries(tensors).map(([name, { shape, values }]): [string, RawTensor] => {
    const bytes = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
    return [name, { dtype: 'F32', shape, bytes }];
  });
  return rawSafetensors(Object.fromEntries(raw), metadata);
}

/** The same of tensors of any types. */
export function rawSafetensors(
  tensors: Record<string, RawTensor>,
  metadata: Record<string, string> = {},
): Buffer {
  const header: Record<string, unknown> = {};
  if (Object.keys(metadata).length > 0) header.__metadata__ = metadata;
  let at = 0;
  for (const [name, { dtype, shape, bytes }] of Object.entries(tensors)) {
    header[name] = { dtype, shape, data_offsets: [at, at + bytes.length] };
    at += bytes.length;
  }
  const text = JSON.stringify(header);
  const json = Buffer.from(text.padEnd(Math.ceil(text.length / 8) * 8));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(json.length));
  return Buffer.concat([
    length,
    json,
    ...Object.values(tensors).map(({ bytes }) => Buffer.from(bytes)),
  ]);
}
