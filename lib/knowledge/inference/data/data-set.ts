/** A data set: examples and what is true of them, from files. */
import { createHash } from 'node:crypto';
import { throwIfAborted } from '../../../base/bytes/abort.js';
import { LimitError, UsageError } from '../../../base/errors.js';
import { ReadFile, statOrNull } from '../../../base/files/files.js';
import { EXAMPLES_MAX } from '../../../base/limits.js';
import { type DataArray, openArray } from './array.js';
import { Table } from './table.js';

/** What a data set is made of. */
export interface DataSetOptions {
  /** A file, or `file#array` of a .npz, `file#column,column` of a table. */
  data: string;
  labels: string;
  /** Names of classes in order, for labels that are names. */
  classes?: readonly string[];
  /** Takes the first examples only. */
  limit?: number;
}

/** An open data set. Close it. */
export interface DataSet {
  data: DataArray;
  /** Arrays by the input that they go into, where there are several or they go in as they are; else null. */
  named: ReadonlyMap<string, DataArray> | null;
  /** Names of classes in order, where they are known. */
  classes: readonly string[] | null;
  /** Numbers of the truth, row-major: classes if `isWhole`. */
  truth: Float64Array;
  /** Numbers that the truth of one example has. */
  truthWidth: number;
  /** True if every truth is a whole number from 0. */
  areClasses: boolean;
  examples: number;
  /** sha256 of the files and of which parts of them are meant. */
  sha256: string;
  close(): Promise<void>;
}

interface Place {
  file: string;
  part: string | null;
}

/** @throws {IoError} {UsageError} if labels and examples are not as many; as `openArray`. */
export async function openDataSet(options: DataSetOptions, signal?: AbortSignal): Promise<DataSet> {
  const [place, truths] = [await placeOf(options.data), await placeOf(options.labels)];
  const data = await open(place, { classes: [], not: truths });
  try {
    const labels = await open(truths, { classes: options.classes ?? [], not: null });
    try {
      return await join({ data, labels, place, truths, options, signal });
    } finally {
      await labels.close();
    }
  } catch (error) {
    await data.close();
    throw error;
  }
}

async function join({
  data,
  labels,
  place,
  truths,
  options,
  signal,
}: {
  data: DataArray;
  labels: DataArray;
  place: Place;
  truths: Place;
  options: DataSetOptions;
  signal: AbortSignal | undefined;
}): Promise<DataSet> {
  const [count = 0] = data.shape;
  const [others = 0] = labels.shape;
  if (count !== others) {
    throw new UsageError(
      `'${options.data}' has ${count} examples, '${options.labels}' labels of ${others}`,
    );
  }
  const examples = Math.min(count, options.limit ?? count);
  if (examples === 0) throw new UsageError(`'${options.data}' has no examples`);
  if (examples > EXAMPLES_MAX) {
    throw new LimitError(`'${options.data}' has ${examples} examples`, {
      limit: 'EXAMPLES_MAX',
      value: examples,
      max: EXAMPLES_MAX,
      hint: `--limit ${EXAMPLES_MAX} takes the first ones`,
    });
  }
  const truthWidth = labels.shape.slice(1).reduce((product, one) => product * one, 1);
  const truth = await labels.rows(0, examples);
  const hash = createHash('sha256');
  for (const { file, part } of [place, truths]) {
    hash.update(`${await sha256OfFile(file, signal)}\0${part ?? ''}\0`);
  }
  hash.update((options.classes ?? []).join('\0'));
  return {
    data,
    named: null,
    classes: options.classes ?? null,
    truth,
    truthWidth,
    areClasses: labels.isWhole && truthWidth === 1 && truth.every((one) => one >= 0),
    examples,
    sha256: hash.digest('hex'),
    close: () => data.close(),
  };
}

/** `file#part`, unless a file of the whole name exists. */
async function placeOf(text: string): Promise<Place> {
  const at = text.lastIndexOf('#');
  if (at <= 0 || (await statOrNull(text)) !== null) return { file: text, part: null };
  return { file: text.slice(0, at), part: text.slice(at + 1) };
}

async function open(
  { file, part }: Place,
  { classes, not }: { classes: readonly string[]; not: Place | null },
): Promise<DataArray> {
  const array = await openArray(file, part);
  if (array !== null) return array;
  const table = await Table.read(file);
  if (part !== null) return table.array(table.places(part.split(',')), classes);
  // Of one file that holds both, the labels are no inputs.
  const labels = not?.file === file && not.part !== null ? table.places(not.part.split(',')) : [];
  const places = table.columns.map((_, i) => i).filter((i) => !labels.includes(i));
  return table.array(places, classes);
}

async function sha256OfFile(path: string, signal: AbortSignal | undefined): Promise<string> {
  const file = await ReadFile.open(path);
  try {
    const hash = createHash('sha256');
    const step = 1 << 22;
    for (let at = 0; at < file.size; at += step) {
      throwIfAborted(signal);
      hash.update(await file.read(at, Math.min(step, file.size - at)));
    }
    return hash.digest('hex');
  } finally {
    await file.close();
  }
}
