/** Texts as arrays of tokens, by a tokenizer.json: ids, which of them count, and their segments. */
import { UsageError } from '../../../base/errors.js';
import { readSmallFile } from '../../../base/files/files.js';
import { TEXT_TOKENS_MAX, TEXTS_BYTES_MAX } from '../../../base/limits.js';
import type { DataArray } from './array.js';
import { loadOptional } from './optional.js';

/** The part of @huggingface/tokenizers that is used. */
interface Tokenizer {
  encode(
    text: string,
    options?: { return_token_type_ids?: boolean },
  ): { ids: number[]; attention_mask: number[]; token_type_ids?: number[] };
}

interface TokenizerModule {
  Tokenizer: new (tokenizer: object, config: object) => Tokenizer;
}

/** What is taken from tokenizer.json besides its rules. */
interface TokenizerFile {
  truncation?: { max_length?: number } | null;
  padding?: { pad_id?: number } | null;
  added_tokens?: { id: number; content: string; special?: boolean }[];
  /** Of some kinds of models the tokens are no object by text. */
  model?: { vocab?: Record<string, unknown> };
}

const TOKENS_DEFAULT = 512;
/** Names that exporters give to inputs of tokens. */
export const TOKEN_INPUTS = {
  ids: ['input_ids', 'ids', 'tokens', 'input'],
  mask: ['attention_mask', 'input_mask', 'mask'],
  segments: ['token_type_ids', 'segment_ids'],
  positions: ['position_ids'],
} as const;

/** Texts of a file, one a line. Empty lines are texts, but for the last. @throws {IoError} {LimitError} */
export async function readLines(file: string): Promise<string[]> {
  const text = Buffer.from(await readSmallFile(file, TEXTS_BYTES_MAX)).toString('utf8');
  const lines = text.replace(/^\ufeff/, '').split(/\r?\n/);
  if (lines.at(-1) === '') lines.pop();
  return lines;
}

/**
 * Texts by the inputs that they go into. All are as long as the longest one, but no longer than `most`
 * tokens: what is beyond is cut off, a special token at the end is kept.
 * @throws {UsageError} for a tokenizer that cannot be read; {InferenceError} without the package
 */
export async function tokenizeTexts(
  texts: readonly string[],
  { tokenizer, most }: { tokenizer: string; most: number | null },
): Promise<Map<string, DataArray>> {
  const { limit, special, pad, encode } = await loadTokenizer(tokenizer, most);
  const encoded = texts.map((text) => {
    const { ids, segments } = encode(text);
    if (ids.length <= limit) return { ids, segments };
    const last = ids.at(-1) as number;
    const cut = ids.slice(0, limit);
    if (special.has(last)) cut[limit - 1] = last;
    return { ids: cut, segments: segments?.slice(0, limit) };
  });
  const length = encoded.reduce((longest, { ids }) => Math.max(longest, ids.length), 1);
  const arrays = {
    ids: new Int32Array(texts.length * length).fill(pad),
    mask: new Int32Array(texts.length * length),
    segments: new Int32Array(texts.length * length),
    positions: new Int32Array(texts.length * length),
  };
  for (const [i, { ids, segments }] of encoded.entries()) {
    arrays.ids.set(ids, i * length);
    arrays.mask.fill(1, i * length, i * length + ids.length);
    if (segments !== undefined) arrays.segments.set(segments, i * length);
    for (let k = 0; k < length; k++) arrays.positions[i * length + k] = k;
  }
  const named = new Map<string, DataArray>();
  for (const key of Object.keys(TOKEN_INPUTS) as (keyof typeof TOKEN_INPUTS)[]) {
    const array = arrayOf(arrays[key], [texts.length, length], key);
    for (const name of TOKEN_INPUTS[key]) named.set(name, array);
  }
  return named;
}

/** A tokenizer that is ready, and what its file says besides. */
export interface LoadedTokenizer {
  /** Tokens that a network sees at once. */
  limit: number;
  /** Tokens that stand for no text. */
  special: ReadonlySet<number>;
  /** What shorter texts are filled up with. */
  pad: number;
  encode(text: string): { ids: number[]; segments: number[] | undefined };
  /** The number of a token. @throws {UsageError} if there is none. */
  idOf(token: string): number;
}

/**
 * @param most  tokens that a network sees at once; null: as the tokenizer says, else 512.
 * @throws {UsageError} for a tokenizer that cannot be read; {InferenceError} without the package
 */
export async function loadTokenizer(name: string, most: number | null): Promise<LoadedTokenizer> {
  const file = parseTokenizer(await readSmallFile(name, TEXTS_BYTES_MAX), name);
  const limit = most ?? Math.min(file.truncation?.max_length ?? TOKENS_DEFAULT, TEXT_TOKENS_MAX);
  if (!Number.isSafeInteger(limit) || limit < 1 || limit > TEXT_TOKENS_MAX) {
    throw new UsageError(`at most ${limit} tokens cannot be`, { option: '--max-tokens' });
  }
  const encoder = await openTokenizer(file, name);
  const added = file.added_tokens ?? [];
  return {
    limit,
    special: new Set(added.flatMap((one) => (one.special ? [one.id] : []))),
    pad: padOf(file),
    encode: (text) => {
      const { ids, token_type_ids } = encoder.encode(text, { return_token_type_ids: true });
      return { ids, segments: token_type_ids };
    },
    idOf: (token) => {
      const vocabulary = file.model?.vocab ?? {};
      const known = Object.hasOwn(vocabulary, token) ? vocabulary[token] : undefined;
      const id = added.find(({ content }) => content === token)?.id ?? known;
      if (typeof id === 'number') return id;
      throw new UsageError(`the tokenizer '${name}' has no token '${token}'`, { file: name });
    },
  };
}

function parseTokenizer(bytes: Uint8Array, name: string): TokenizerFile {
  try {
    const value = JSON.parse(Buffer.from(bytes).toString('utf8')) as unknown;
    if (typeof value === 'object' && value !== null && 'model' in value) {
      return value as TokenizerFile;
    }
  } catch {
    // Said below.
  }
  throw new UsageError(`'${name}' is no tokenizer.json`, { file: name });
}

async function openTokenizer(file: TokenizerFile, name: string): Promise<Tokenizer> {
  const { Tokenizer } = (await loadOptional('@huggingface/tokenizers')) as TokenizerModule;
  try {
    return new Tokenizer(file, {});
  } catch (error) {
    throw new UsageError(`the tokenizer '${name}' cannot be used: ${(error as Error).message}`, {
      file: name,
    });
  }
}

/** What texts that are shorter are filled up with. */
function padOf({ padding, added_tokens: added = [] }: TokenizerFile): number {
  const named = added.find(({ content }) => content === '[PAD]' || content === '<pad>');
  return padding?.pad_id ?? named?.id ?? 0;
}

/** Whole numbers in memory as an array of a data set. */
export function arrayOf(
  values: ArrayLike<number>,
  shape: readonly number[],
  name: string,
): DataArray {
  const size = shape.slice(1).reduce((product, one) => product * one, 1);
  return {
    name,
    isWhole: Array.prototype.every.call(values, Number.isInteger),
    shape,
    rows: async (first, count) =>
      Float64Array.from({ length: count * size }, (_, i) => values[first * size + i] as number),
    close: async () => {},
  };
}
