/** A data set: examples and what is true of them, from files. */
import { createHash, type Hash } from 'node:crypto';
import path from 'node:path';
import { throwIfAborted } from '../../../base/bytes/abort.js';
import { LimitError, UsageError } from '../../../base/errors.js';
import { ReadFile, statOrNull } from '../../../base/files/files.js';
import { leadsTo } from '../../../base/files/places/user-paths.js';
import { EXAMPLES_MAX } from '../../../base/limits.js';
import { type DataArray, openArray, type Wanted } from './array.js';
import { openImageFolder } from './images/image-folder.js';
import type { PictureOptions } from './images/pictures.js';
import { loadModuleData } from './module-data.js';
import { DataRoom } from './packed-source.js';
import { AS_IS } from './preprocess.js';
import { Table } from './table.js';
import { arrayOf, readLines, tokenizeTexts } from './texts.js';
import { type TokenWindows, tokenWindows } from './token-windows.js';

/** What a data set is made of. */
export interface DataSetOptions {
  /**
   * A file, or `file#array` of a .npz, `file#column,column` of a table; a folder of pictures; with a
   * tokenizer a file of texts, one a line, or a column of a table. Null: `module` gives all.
   */
  data: string | null;
  /** Null: pictures lie in folders of their classes, or `module` gives labels. */
  labels: string | null;
  /** A module of the user, which is run. */
  module?: string | undefined;
  /** A tokenizer.json, for texts. */
  tokenizer?: string | undefined;
  maxTokens?: number | undefined;
  /** For texts whose next tokens are predicted, which need no labels: see token-windows.ts. */
  language?: LanguageOptions | undefined;
  /** Names of classes in order, for labels that are names. */
  classes?: readonly string[] | undefined;
  /** What is done to pictures. */
  pictures?: PictureOptions | undefined;
  /** Takes the first examples only. */
  limit?: number | undefined;
}

/** How texts are cut for a language model. */
export interface LanguageOptions {
  stride?: number | undefined;
  startToken?: string | undefined;
  /** The file is one text, and not one a line. */
  oneText?: boolean | undefined;
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
  /** Windows of texts whose next tokens are predicted; then there are no labels. */
  windows: TokenWindows | null;
  /** sha256 of the files and of which parts of them are meant. */
  sha256: string;
  close(): Promise<void>;
}

interface Place {
  file: string;
  part: string | null;
}

/** Examples, and where they are from. */
interface Examples {
  data: DataArray;
  named: ReadonlyMap<string, DataArray> | null;
  /** Those of folders of classes, or of a module. */
  labels: DataArray | null;
  classes: readonly string[] | null;
  hash: Hash;
}

/** @throws {IoError} {UsageError} if labels and examples are not as many; as `openArray`. */
export async function openDataSet(options: DataSetOptions, signal?: AbortSignal): Promise<DataSet> {
  if (options.language !== undefined) return openLanguageSet(options, options.language, signal);
  // One for both.
  const room = new DataRoom();
  const examples = await openExamples(options, room, signal);
  try {
    const wanted = { rows: options.limit, room };
    const labels = examples.labels ?? (await openLabels(options, examples.hash, wanted, signal));
    try {
      return await join({ examples, labels, options });
    } finally {
      await labels.close();
    }
  } catch (error) {
    await examples.data.close();
    throw error;
  }
}

async function openExamples(
  options: DataSetOptions,
  room: DataRoom,
  signal?: AbortSignal,
): Promise<Examples> {
  const { data, tokenizer, module, limit } = options;
  const hash = createHash('sha256');
  if (module !== undefined) {
    if (data !== null || options.labels !== null) {
      throw new UsageError('--module gives data and labels: --data and --labels are not needed');
    }
    const given = await loadModuleData(module, limit ?? null);
    hash.update(given.sha256);
    const { named, labels, classes } = given;
    return { data: given.data, named, labels, classes, hash };
  }
  if (data === null) {
    throw new UsageError('no data are given', {
      hint: 'name a file or a folder: --data; or a module: --module',
    });
  }
  if ((await leadsTo(data)) === 'folder') return imageExamples(data, options, hash, signal);
  const place = await placeOf(data);
  hash.update(`${await sha256OfFile(place.file, signal)}\0${place.part ?? ''}\0`);
  const classes = options.classes ?? null;
  if (tokenizer !== undefined) {
    hash.update(`${await sha256OfFile(tokenizer, signal)}\0${options.maxTokens ?? ''}\0`);
    const texts = await textsOf(place);
    const named = await tokenizeTexts(limit === undefined ? texts : texts.slice(0, limit), {
      tokenizer,
      most: options.maxTokens ?? null,
    });
    return { data: named.get('input_ids') as DataArray, named, labels: null, classes, hash };
  }
  const truths = options.labels === null ? null : await placeOf(options.labels);
  const array = await open(place, { classes: [], not: truths, wanted: { rows: limit, room } });
  return { data: array, named: null, labels: null, classes, hash };
}

async function openLanguageSet(
  { data, labels, tokenizer, maxTokens, limit }: DataSetOptions,
  { stride, startToken, oneText = false }: LanguageOptions,
  signal?: AbortSignal,
): Promise<DataSet> {
  if (data === null || tokenizer === undefined) {
    throw new UsageError('the next tokens are predicted of texts', {
      hint: 'name a file of texts and its tokenizer: --data texts.txt --tokenizer tokenizer.json',
    });
  }
  if (labels !== null) {
    throw new UsageError('where the next tokens are predicted there are no labels', {
      hint: "leave out --labels, or '--task tokens'",
    });
  }
  const place = await placeOf(data);
  if (oneText && place.part !== null) {
    throw new UsageError('a column of a table is not one text', { option: '--one-text' });
  }
  const found = oneText ? [(await readLines(place.file)).join('\n')] : await textsOf(place);
  const texts = limit === undefined ? found : found.slice(0, limit);
  const options = { tokenizer, most: maxTokens ?? null };
  const windows = await tokenWindows(texts, {
    ...options,
    stride: stride ?? null,
    start: startToken ?? null,
  });
  const hash = createHash('sha256');
  hash.update(`${await sha256OfFile(place.file, signal)}\0${place.part ?? ''}\0`);
  hash.update(`${await sha256OfFile(tokenizer, signal)}\0`);
  const cuts = [maxTokens ?? null, stride ?? null, startToken ?? null, oneText, limit ?? null];
  hash.update(JSON.stringify(['tokens', ...cuts]));
  return {
    data: arrayOf(windows.ids, [windows.examples, windows.length], data),
    named: null,
    classes: null,
    truth: new Float64Array(0),
    truthWidth: 0,
    areClasses: false,
    examples: windows.examples,
    windows,
    sha256: hash.digest('hex'),
    close: async () => {},
  };
}

async function imageExamples(
  folder: string,
  { labels, pictures = AS_IS, classes }: DataSetOptions,
  hash: Hash,
  signal?: AbortSignal,
): Promise<Examples> {
  const found = await openImageFolder({
    folder,
    pictures,
    classes: classes ?? null,
    hasClasses: labels === null,
    signal,
  });
  const { resize, crop, channels } = pictures;
  hash.update(JSON.stringify([resize, crop, channels]));
  for (const file of found.files) {
    hash.update(`${file}\0${await sha256OfFile(path.join(folder, file), signal)}\0`);
  }
  const { data, truth } = found;
  const own = truth === null ? null : arrayOf(truth, [truth.length], folder);
  return { data, named: null, labels: own, classes: found.classes ?? classes ?? null, hash };
}

async function openLabels(
  { labels, classes, tokenizer, limit }: DataSetOptions,
  hash: Hash,
  wanted: Wanted,
  signal?: AbortSignal,
): Promise<DataArray> {
  if (labels === null) {
    throw new UsageError('no labels are given', {
      hint: '--labels <file>; only folders of pictures may do without',
    });
  }
  const place = await placeOf(labels);
  hash.update(`${await sha256OfFile(place.file, signal)}\0${place.part ?? ''}\0`);
  const array = await open(place, { classes: classes ?? [], not: null, wanted });
  // Of texts the first ones alone were read.
  if (tokenizer === undefined || limit === undefined) return array;
  const [count = 0, ...rest] = array.shape;
  return {
    ...array,
    rows: (first, many) => array.rows(first, many),
    close: () => array.close(),
    shape: [Math.min(count, limit), ...rest],
  };
}

async function textsOf({ file, part }: Place): Promise<string[]> {
  if (part === null) return readLines(file);
  const table = await Table.read(file);
  const [place, more] = table.places(part.split(','));
  if (place === undefined || more !== undefined) {
    throw new UsageError(`texts are one column, not '${part}'`, { file });
  }
  return table.texts(place);
}

async function join({
  examples: { data, named, classes, hash },
  labels,
  options,
}: {
  examples: Examples;
  labels: DataArray;
  options: DataSetOptions;
}): Promise<DataSet> {
  const what = options.data ?? options.module ?? '';
  const [count = 0] = data.shape;
  const [others = 0] = labels.shape;
  const odd = [...(named?.values() ?? [])].find(({ shape }) => shape[0] !== count);
  if (count !== others || odd !== undefined) {
    throw new UsageError(
      `'${what}' has ${count} examples, '${odd?.name ?? options.labels ?? what}' ${odd === undefined ? `labels of ${others}` : odd.shape[0]}`,
    );
  }
  const examples = Math.min(count, options.limit ?? count);
  if (examples === 0) throw new UsageError(`'${what}' has no examples`);
  if (examples > EXAMPLES_MAX) {
    throw new LimitError(`'${what}' has ${examples} examples`, {
      limit: 'EXAMPLES_MAX',
      value: examples,
      max: EXAMPLES_MAX,
      hint: `--limit ${EXAMPLES_MAX} takes the first ones`,
    });
  }
  const truthWidth = labels.shape.slice(1).reduce((product, one) => product * one, 1);
  const truth = await labels.rows(0, examples);
  hash.update((options.classes ?? []).join('\0'));
  return {
    data,
    named,
    classes,
    truth,
    windows: null,
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
  { classes, not, wanted }: { classes: readonly string[]; not: Place | null; wanted: Wanted },
): Promise<DataArray> {
  const array = await openArray(file, part, wanted);
  if (array !== null) return array;
  const table = await Table.read(file);
  if (part !== null) return table.array(table.places(part.split(',')), classes);
  // Of one file that holds both, the labels are no inputs.
  const labels = not?.file === file && not.part !== null ? table.places(not.part.split(',')) : [];
  const places = table.columns.map((_, i) => i).filter((i) => !labels.includes(i));
  return table.array(places, classes);
}

async function sha256OfFile(place: string, signal: AbortSignal | undefined): Promise<string> {
  const file = await ReadFile.open(place);
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
