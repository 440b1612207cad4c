/** Data sets as trainers take them: arrays of inputs and targets, in files that every trainer can read. */
import path from 'node:path';
import { throwIfAborted } from '../../base/bytes/abort.js';
import { makeDirectory, renameFile, statOrNull, WriteFile } from '../../base/files/files.js';
import type { DataSet } from '../inference/data/data-set.js';
import type { Preprocess } from '../inference/data/preprocess.js';
import { Feeder } from '../inference/feeds.js';
import type { ArraysPlace } from './job.js';

/** Rows that are written at once. */
const ROWS = 256;

/** A data set and what part of it is meant. */
export interface PreparedPart {
  set: DataSet;
  preprocess: Preprocess;
  /** Which examples, in order. */
  rows: readonly number[];
  /** Input of the network: its name, and its shape with open sizes as 0. */
  input: { name: string; example: readonly number[] };
  label: string;
}

function npyHeader(descr: string, shape: readonly number[]): Buffer {
  const text = `{'descr': '${descr}', 'fortran_order': False, 'shape': (${shape.join(', ')},), }`;
  const length = Math.ceil((10 + text.length + 1) / 64) * 64;
  const header = Buffer.alloc(length, ' ');
  header.write('\x93NUMPY\x01\x00', 0, 'latin1');
  header.writeUInt16LE(length - 10, 8);
  header.write(text, 10, 'latin1');
  header[length - 1] = 10;
  return header;
}

/**
 * Writes the arrays of a part of a data set into a folder, unless they are there.
 * @param key  names the files. @throws {UsageError} if the data do not fit the input; {IoError} {AbortedError}
 */
export async function prepareArrays(
  folder: string,
  key: string,
  part: PreparedPart,
  signal?: AbortSignal,
): Promise<ArraysPlace> {
  const place = {
    inputs: path.join(folder, `${key}-inputs.npy`),
    targets: path.join(folder, `${key}-targets.npy`),
  };
  if ((await statOrNull(place.inputs)) !== null && (await statOrNull(place.targets)) !== null) {
    return place;
  }
  await makeDirectory(folder);
  const { set, rows } = part;
  const { name, example } = part.input;
  const value = { name, type: 'float32', shape: [-1, ...example] };
  const feeder = new Feeder([value], { label: part.label, set, preprocess: part.preprocess });
  await writeArray(place.inputs, async (out) => {
    let isBegun = false;
    for (const [first, count] of runsOf(rows)) {
      throwIfAborted(signal);
      const [fed] = await feeder.read(first, count, count);
      if (fed === undefined) continue;
      if (!isBegun) await out.write(npyHeader('<f4', [rows.length, ...fed.dims.slice(1)]));
      isBegun = true;
      await out.write(fed.bytes);
    }
  });
  await writeArray(place.targets, async (out) => {
    const { truth, truthWidth: width, areClasses } = set;
    const shape = width === 1 ? [rows.length] : [rows.length, width];
    await out.write(npyHeader(areClasses ? '<i8' : '<f4', shape));
    const values = rows.flatMap((row) => [...truth.subarray(row * width, (row + 1) * width)]);
    const typed = areClasses ? BigInt64Array.from(values, BigInt) : Float32Array.from(values);
    await out.write(new Uint8Array(typed.buffer));
  });
  return place;
}

/** Rows that follow each other, at most ROWS at once. */
function* runsOf(rows: readonly number[]): Generator<[first: number, count: number]> {
  for (let at = 0; at < rows.length; ) {
    const first = rows[at] as number;
    let count = 1;
    while (count < ROWS && rows[at + count] === first + count) count += 1;
    yield [first, count];
    at += count;
  }
}

async function writeArray(file: string, write: (out: WriteFile) => Promise<void>): Promise<void> {
  const out = await WriteFile.createTemporary(file);
  try {
    await write(out);
  } finally {
    await out.close();
  }
  await renameFile(out.path, file);
}
