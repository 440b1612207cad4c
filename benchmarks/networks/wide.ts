/** A network of one wide layer of random features and the nearest mean of classes, as large as time is to count. */
import fs from 'node:fs/promises';
import { promisify } from 'node:util';
import { gunzip } from 'node:zlib';
import { encodeOnnx } from '../../lib/pure/formats/onnx/onnx-writer.js';
import { seededRandom } from '../../test/helpers/rng.js';

/** Of an image of the set. */
export const PIXELS = 784;
const CLASSES = 10;
/** Images that means are made of. */
const IMAGES = 300;

/** Images or labels of an IDX file in gzip, without its head. */
export async function readIdx(file: string, head: 8 | 16): Promise<Uint8Array> {
  return (await promisify(gunzip)(await fs.readFile(file))).subarray(head);
}

/** An ONNX file of `features` · 794 weights. Means are of images from number 1000 on, pixels divided by 255. */
export async function wideNetwork(
  features: number,
  images: string,
  labels: string,
): Promise<Uint8Array> {
  const pixels = await readIdx(images, 16);
  const classes = await readIdx(labels, 8);
  const rng = seededRandom(14);
  const w = Float32Array.from({ length: features * PIXELS }, () => (rng() - 0.5) / 8);
  const means = new Float32Array(CLASSES * features);
  const counts = new Array<number>(CLASSES).fill(0);
  for (let i = 1000; i < 1000 + IMAGES; i++) {
    const label = classes[i] as number;
    counts[label] = (counts[label] as number) + 1;
    const image = Float32Array.from(
      pixels.subarray(i * PIXELS, (i + 1) * PIXELS),
      (one) => one / 255,
    );
    for (let h = 0; h < features; h++) {
      let sum = 0;
      for (let p = 0; p < PIXELS; p++) sum += (image[p] as number) * (w[h * PIXELS + p] as number);
      (means[label * features + h] as number) += Math.max(0, sum);
    }
  }
  const v = means.map((sum, i) => sum / (counts[Math.floor(i / features)] || 1));
  const b = Float32Array.from({ length: CLASSES }, (_, c) => {
    const mean = v.subarray(c * features, (c + 1) * features);
    return -mean.reduce((sum, one) => sum + one * one, 0) / 2;
  });
  const tensor = (name: string, dims: number[], values: Float32Array) => ({
    name,
    type: 'float32' as const,
    dims,
    bytes: new Uint8Array(values.buffer, values.byteOffset, values.byteLength),
  });
  const gemm = { transB: { int: 1 } };
  return encodeOnnx(
    {
      nodes: [
        { op: 'Flatten', inputs: ['image'], outputs: ['x'] },
        { op: 'Gemm', inputs: ['x', 'w'], outputs: ['z'], attributes: gemm },
        { op: 'Relu', inputs: ['z'], outputs: ['a'] },
        { op: 'Gemm', inputs: ['a', 'v', 'b'], outputs: ['scores'], attributes: gemm },
      ],
      inputs: [{ name: 'image', type: 'float32', dims: ['N', 1, 28, 28] }],
      outputs: [{ name: 'scores', type: 'float32', dims: null }],
      initializers: [
        tensor('w', [features, PIXELS], w),
        tensor('v', [CLASSES, features], v),
        tensor('b', [CLASSES], b),
      ],
    },
    13,
  );
}
