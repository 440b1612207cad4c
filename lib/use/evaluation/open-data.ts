/** The data set of an evaluation: files or a module, and what is done to numbers before a network sees them. */
import path from 'node:path';
import { UsageError } from '../../base/errors.js';
import { readSmallFile, statOrNull } from '../../base/files/files.js';
import { USER_TEXT_BYTES_MAX } from '../../base/limits.js';
import {
  type DataSet,
  type LanguageOptions,
  openDataSet,
} from '../../knowledge/inference/data/data-set.js';
import {
  checkPreprocess,
  type Preprocess,
  parsePreprocess,
} from '../../knowledge/inference/data/preprocess.js';
import type { Outcomes } from '../../pure/metrics/outcomes.js';
import type { OpContext } from '../context.js';

/** Where examples and labels are. */
export interface DataOptions {
  /**
   * .npy, .npz, IDX or CSV file, where `file#part` names an array or columns; a folder of pictures; with
   * `tokenizer` a file of texts.
   */
  data?: string;
  /** Default: the names of the folders that pictures lie in. */
  labels?: string;
  /** A module that gives data and labels in their place. It is run. */
  module?: string;
  /** A tokenizer.json, and how many tokens a text has at most. */
  tokenizer?: string;
  maxTokens?: number;
  /** Of a language model: tokens that each window after the first predicts; default half of `maxTokens`. */
  stride?: number;
  /** A token that every text begins with. */
  startToken?: string;
  /** The file of texts is one text, and not one a line. */
  oneText?: boolean;
  /** Names of classes in order, where labels are names. */
  classes?: readonly string[];
  /** Scale, mean, std and layout; they override those of `preprocessFile`. */
  preprocess?: Partial<Preprocess>;
  /** JSON with the same; default: the data's name and '.preprocess.json', if there is one. */
  preprocessFile?: string;
  /** Takes the first examples only. */
  limit?: number;
}

/** Opens the data set that options name. Close it. @throws {UsageError} {NotFoundError} {CorruptError} {IoError} */
export async function openData(
  options: DataOptions & { task?: Outcomes['task'] | undefined },
  context: OpContext,
): Promise<{ set: DataSet; preprocess: Preprocess }> {
  const preprocess = await declaredPreprocess(options, context);
  const placeOf = (file: string | undefined): string | null =>
    file === undefined ? null : path.resolve(context.cwd, file);
  const set = await openDataSet(
    {
      data: placeOf(options.data),
      labels: placeOf(options.labels),
      module: placeOf(options.module) ?? undefined,
      tokenizer: placeOf(options.tokenizer) ?? undefined,
      maxTokens: options.maxTokens,
      classes: options.classes,
      limit: options.limit,
      pictures: preprocess,
      language: languageOptions(options),
    },
    context.signal,
  );
  if (await areRawBytes(set, preprocess)) {
    context.warn(
      `numbers of '${set.data.name}' are bytes, up to 255, and go in as they are: --scale 1/255 makes them 0 to 1, ` +
        'if that is what the network was trained with',
      'last',
    );
  }
  return { set, preprocess };
}

/** Rows that are looked at for large bytes. */
const LOOKED_AT_ROWS = 64;
/** Above it, a byte is the grey of a picture rather than a class or a count. */
const LARGE_BYTE = 127;

async function areRawBytes(
  { data, named, windows, examples }: DataSet,
  { scale, mean, std }: Preprocess,
): Promise<boolean> {
  if (data.isBytes !== true || named !== null || windows !== null || scale !== 1) return false;
  if ([...mean, ...std.map((one) => one - 1)].some((one) => one !== 0)) return false;
  const values = await data.rows(0, Math.min(examples, LOOKED_AT_ROWS));
  return values.some((value) => value > LARGE_BYTE);
}

async function declaredPreprocess(
  { data, preprocessFile, preprocess = {} }: DataOptions,
  { cwd }: OpContext,
): Promise<Preprocess> {
  const given = preprocessFile ?? (data === undefined ? null : `${data}.preprocess.json`);
  const beside = given === null ? null : path.resolve(cwd, given);
  const isThere =
    preprocessFile !== undefined || (beside !== null && (await statOrNull(beside)) !== null);
  const said =
    beside !== null && isThere
      ? parsePreprocess(
          Buffer.from(await readSmallFile(beside, USER_TEXT_BYTES_MAX)).toString('utf8'),
          beside,
        )
      : {};
  return checkPreprocess({ ...said, ...preprocess });
}

/** How texts are cut if their next tokens are predicted; undefined if that is not asked for. */
function languageOptions(
  options: DataOptions & { task?: Outcomes['task'] | undefined },
): LanguageOptions | undefined {
  const { task, tokenizer, labels, stride, startToken, oneText } = options;
  const isAsked = task === 'tokens' || (task === undefined && tokenizer !== undefined && !labels);
  if (isAsked) return { stride, startToken, oneText };
  const given = {
    '--stride': stride,
    '--start-token': startToken,
    '--one-text': oneText || undefined,
  };
  for (const [option, value] of Object.entries(given)) {
    if (value === undefined) continue;
    throw new UsageError(`${option} is for texts whose next tokens are predicted`, {
      option,
      hint: 'those have a --tokenizer and no --labels',
    });
  }
  return undefined;
}
