/**
 * What the tools store: series of versions, made from seeds and kept in a folder from run to run.
 */
import fs from 'node:fs/promises';
import path from 'node:path';
import { WriteFile } from '../../lib/base/files/files.js';
import { writeCheckpoint } from '../data/checkpoint.js';
import { writeMoments } from '../data/moments.js';

/** A file of a version: where it stands in the work tree, and where it is taken from. */
export interface InputFile {
  path: string;
  source: string;
}

export interface Series {
  name: string;
  what: string;
  /** Files that each version brings; those before stay unless they are replaced. */
  versions: InputFile[][];
}

/** Bytes of each kind of input; `--quick` divides them. */
const DENSE_BYTES = 342e6;
const SMALL_BYTES = 5.7e6;
const TRAINER_BYTES = 100e6;
const LARGE_BYTES = 1.4e9;
/** Update of a version, relative to the spread of each tensor. */
const CHANGE = 0.001;

export const SERIES_NAMES = ['dense', 'small', 'trainer', 'large'] as const;
export type SeriesName = (typeof SERIES_NAMES)[number];

/** Makes a file once: under another name first, so that a run that was ended leaves no half of one. */
async function once(file: string, make: (file: string) => Promise<void>): Promise<string> {
  if ((await fs.stat(file).catch(() => null)) !== null) return file;
  await fs.rm(`${file}.part`, { force: true });
  await make(`${file}.part`);
  await fs.rename(`${file}.part`, file);
  return file;
}

interface Chain {
  name: string;
  bytes: number;
  versions: number;
}

async function chainOf(dir: string, { name, bytes, versions }: Chain): Promise<Series> {
  const files: InputFile[][] = [];
  for (let step = 0; step < versions; step++) {
    const source = await once(path.join(dir, `${name}-of-${bytes}-${step}.safetensors`), (file) =>
      writeCheckpoint(file, { bytes, change: step === 0 ? 0 : CHANGE, steps: step }),
    );
    files.push([{ path: 'model.safetensors', source }]);
  }
  const size = (bytes / 1e6).toPrecision(3);
  const what = `${versions} versions of ${size} MB, fp32, every value changed by ${CHANGE} of its spread`;
  return { name, what, versions: files };
}

/** Folders of a training run: weights, and the two moments of AdamW. */
async function trainerOf(dir: string, bytes: number, versions: number): Promise<Series> {
  const files: InputFile[][] = [];
  for (let step = 0; step < versions; step++) {
    const weights = await once(path.join(dir, `dense-of-${bytes}-${step}.safetensors`), (file) =>
      writeCheckpoint(file, { bytes, change: step === 0 ? 0 : CHANGE, steps: step }),
    );
    const moments = await once(path.join(dir, `moments-of-${bytes}-${step}.safetensors`), (file) =>
      writeMoments(file, { like: weights, step }),
    );
    const folder = `checkpoint-${200 * (step + 1)}`;
    files.push([
      { path: `${folder}/model.safetensors`, source: weights },
      { path: `${folder}/optimizer.safetensors`, source: moments },
    ]);
  }
  const what = `${versions} checkpoints, each ${Math.round(bytes / 1e6)} MB of weights and twice as much of AdamW moments`;
  return { name: 'trainer', what, versions: files };
}

/** @param shrink  divides the bytes of all files. */
export function makeSeries(name: SeriesName, dir: string, shrink: number): Promise<Series> {
  const bytes = (full: number): number => Math.round(full / shrink);
  switch (name) {
    case 'dense':
      return chainOf(dir, { name, bytes: bytes(DENSE_BYTES), versions: 6 });
    case 'small':
      return chainOf(dir, { name, bytes: bytes(SMALL_BYTES), versions: 10 });
    case 'large':
      return chainOf(dir, { name, bytes: bytes(LARGE_BYTES), versions: 2 });
    case 'trainer':
      return trainerOf(dir, bytes(TRAINER_BYTES), 4);
  }
}

/** Puts the files of a version into a work tree by their names, as if a training run had left them. */
export async function placeVersion(tree: string, files: readonly InputFile[]): Promise<void> {
  for (const { path: name, source } of files) {
    const target = path.join(tree, name);
    await fs.mkdir(path.dirname(target), { recursive: true });
    await fs.rm(target, { force: true });
    // Hard links would share their times and pages with what other tools hold.
    await copyInto(source, target);
  }
}

const PIECE_BYTES = 256 * 1024;

async function copyInto(source: string, target: string): Promise<void> {
  const from = await fs.open(source, 'r');
  const to = await WriteFile.create(target);
  const piece = Buffer.allocUnsafeSlow(PIECE_BYTES);
  try {
    for (;;) {
      const { bytesRead } = await from.read(piece, 0, piece.length, null);
      if (bytesRead === 0) break;
      await to.write(piece.subarray(0, bytesRead));
    }
    await to.syncAndClose();
  } finally {
    await from.close();
    await to.close();
  }
}

/** Paths of all files that a work tree holds after `versions` versions, with what they must be. */
export function filesAfter(series: Series, versions = series.versions.length): InputFile[] {
  const files = new Map<string, InputFile>();
  for (const version of series.versions.slice(0, versions)) {
    for (const file of version) files.set(file.path, file);
  }
  return [...files.values()];
}
