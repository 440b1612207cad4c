/** The digits that the project ships, as a training and a test set. */
import fs from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { assert } from '../../lib/base/errors.js';

/** Images as rows of 64 values in 0…1, and their labels. */
export interface DataSet {
  images: Float32Array;
  labels: Uint8Array;
  count: number;
}

/** Values per image. */
export const PIXELS = 64;
/** Every fifth image is kept for testing. */
const TEST_EVERY = 5;

const FOLDER = path.join(
  path.dirname(fileURLToPath(import.meta.url)),
  '../../../test/fixtures/digits',
);

/** Payload of a .npy file of uint8. */
async function readBytes(name: string): Promise<Uint8Array> {
  const bytes = await fs.readFile(path.join(FOLDER, name));
  assert(bytes.toString('latin1', 0, 6) === '\x93NUMPY', `${name} is a .npy file`);
  return bytes.subarray(10 + bytes.readUInt16LE(8));
}

/** The shipped digits, split into training and test set. */
export async function loadDigits(): Promise<{ train: DataSet; test: DataSet }> {
  const pixels = await readBytes('images.npy');
  const labels = await readBytes('labels.npy');
  const pick = (wanted: (index: number) => boolean): DataSet => {
    const rows = [...labels.keys()].filter(wanted);
    const images = new Float32Array(rows.length * PIXELS);
    for (const [i, row] of rows.entries()) {
      for (let p = 0; p < PIXELS; p++) {
        images[i * PIXELS + p] = (pixels[row * PIXELS + p] as number) / 16;
      }
    }
    return {
      images,
      labels: Uint8Array.from(rows, (row) => labels[row] as number),
      count: rows.length,
    };
  };
  return {
    train: pick((index) => index % TEST_EVERY !== 0),
    test: pick((index) => index % TEST_EVERY === 0),
  };
}
