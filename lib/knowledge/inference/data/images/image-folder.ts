/** A folder of pictures as an array: a folder for each class, or files in the order of their names. */

import path from 'node:path';
import { throwIfAborted } from '../../../../base/bytes/abort.js';
import { maxOf } from '../../../../base/bytes/many.js';
import { UsageError } from '../../../../base/errors.js';
import { listDirectory, readSmallFile } from '../../../../base/files/files.js';
import { leadsTo } from '../../../../base/files/places/user-paths.js';
import { PICTURE_BYTES_MAX } from '../../../../base/limits.js';
import type { DataArray } from '../array.js';
import { decodePicture, isPicture, type PictureOptions, preparePicture } from './pictures.js';
import type { Picture } from './png.js';

/** Pictures of a folder. */
export interface ImageFolder {
  /** Their shape is channels, height, width. */
  data: DataArray;
  /** Paths below the folder, in the order of the examples. */
  files: readonly string[];
  /** The class of each example; null where the folder has no folders of classes. */
  truth: Float64Array | null;
  classes: readonly string[] | null;
}

export interface FolderRequest {
  folder: string;
  pictures: PictureOptions;
  /** Names of classes in order; default: those of the folders, sorted. */
  classes: readonly string[] | null;
  /** True if the pictures lie in folders of their classes. */
  hasClasses: boolean;
  signal?: AbortSignal | undefined;
}

/** @throws {UsageError} for a folder without pictures, or with a class that is not among `classes`. */
export async function openImageFolder(request: FolderRequest): Promise<ImageFolder> {
  const { folder, hasClasses } = request;
  if (!hasClasses) {
    const files = (await picturesOf(folder)).sort();
    return { data: await arrayOf(files, request), files, truth: null, classes: null };
  }
  const found: string[] = [];
  for (const name of (await listDirectory(folder)).sort()) {
    if ((await leadsTo(path.join(folder, name))) === 'folder') found.push(name);
  }
  const classes = request.classes ?? found;
  const unknown = found.find((name) => !classes.includes(name));
  if (found.length === 0 || unknown !== undefined) {
    throw new UsageError(
      unknown === undefined
        ? `'${folder}' has no folders of classes`
        : `the folder '${unknown}' is not among the classes`,
      { file: folder, hint: 'each class has a folder of its name; or give --labels' },
    );
  }
  const lists: string[][] = [];
  for (const name of classes) {
    const own = found.includes(name) ? await picturesOf(path.join(folder, name)) : [];
    lists.push(own.sort().map((file) => `${name}/${file}`));
  }
  // One of each class in turn: the first examples are of all classes.
  const files: string[] = [];
  const truth: number[] = [];
  const longest = maxOf(lists.map((list) => list.length));
  for (let i = 0; i < longest; i++) {
    for (const [label, list] of lists.entries()) {
      const file = list[i];
      if (file === undefined) continue;
      files.push(file);
      truth.push(label);
    }
  }
  const data = await arrayOf(files, request);
  return { data, files, truth: Float64Array.from(truth), classes };
}

async function picturesOf(folder: string): Promise<string[]> {
  return (await listDirectory(folder)).filter(isPicture);
}

async function arrayOf(
  files: readonly string[],
  { folder, pictures, signal }: FolderRequest,
): Promise<DataArray> {
  const read = async (file: string): Promise<Picture> => {
    throwIfAborted(signal);
    const bytes = await readSmallFile(path.join(folder, file), PICTURE_BYTES_MAX);
    return preparePicture(await decodePicture(bytes, file), pictures, file);
  };
  const [first] = files;
  if (first === undefined) {
    throw new UsageError(`'${folder}' has no pictures`, {
      file: folder,
      hint: 'files called .png, .jpg and .jpeg are read',
    });
  }
  const { width, height, channels } = await read(first);
  const size = channels * height * width;
  return {
    name: folder,
    isWhole: true,
    isBytes: true,
    shape: [files.length, channels, height, width],
    rows: async (from, count) => {
      const values = new Float64Array(count * size);
      for (let i = 0; i < count; i++) {
        const file = files[from + i] as string;
        const picture = await read(file);
        if (picture.width !== width || picture.height !== height || picture.channels !== channels) {
          throw new UsageError(
            `'${file}' is ${shapeText(picture)}, '${first}' ${shapeText({ width, height, channels })}`,
            { file, hint: 'make them equal: --resize, --crop, --channels' },
          );
        }
        // Networks take one channel after another.
        const start = i * size;
        for (let c = 0; c < channels; c++) {
          for (let at = 0; at < width * height; at++) {
            values[start + c * width * height + at] = picture.bytes[at * channels + c] as number;
          }
        }
      }
      return values;
    },
    close: async () => {},
  };
}

function shapeText({ width, height, channels }: Omit<Picture, 'bytes'>): string {
  return `${height} × ${width} × ${channels}`;
}
