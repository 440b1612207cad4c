/**
 * Texts for language models: windows of tokens, and which token follows at each place.
 *
 * Every token of a text but the first is predicted once, from the tokens before it, of which a window
 * holds no more than a limit. The first window predicts all that follows within it; each later one predicts `stride`
 * tokens more, so that each of them is predicted from at least limit − stride + 1 tokens before it.
 */
import { LimitError, UsageError } from '../../../base/errors.js';
import { EXAMPLES_MAX, TEXT_TOKENS_MAX } from '../../../base/limits.js';
import { NO_TARGET } from '../../../pure/metrics/token-scores.js';
import { loadTokenizer } from './texts.js';

export interface WindowOptions {
  tokenizer: string;
  /** Tokens that a network sees at once; null: as the tokenizer says, else 512. */
  most: number | null;
  /** Tokens that each window after the first predicts; null: half of those that it sees. */
  stride: number | null;
  /** A token that every text begins with, so that its first own token is predicted, too. */
  start: string | null;
}

/** Windows of one length, one an example; shorter ones are filled up. */
export interface TokenWindows {
  examples: number;
  /** Tokens of a window. */
  length: number;
  /** Row-major, `length` an example. */
  ids: Int32Array;
  mask: Uint8Array;
  segments: Uint8Array;
  /** The token that follows at each place, or NO_TARGET. */
  targets: Int32Array;
  /** Of each window: words and bytes of its text, by its share of the tokens that are predicted. */
  words: Float32Array;
  bytes: Float32Array;
  /** The largest number of a token. */
  largest: number;
  /** Tokens that are predicted. */
  predicted: number;
}

interface Window {
  ids: readonly number[];
  segments: readonly number[];
  targets: readonly number[];
  words: number;
  bytes: number;
}

/**
 * Windows of texts. Texts of white space alone are left out. Special tokens are seen and not predicted, as the one
 * that ends a text.
 * @throws {UsageError} for a tokenizer that cannot be read, and texts of which nothing can be predicted; {LimitError}
 */
export async function tokenWindows(
  texts: readonly string[],
  options: WindowOptions,
): Promise<TokenWindows> {
  const tokenizer = await loadTokenizer(options.tokenizer, options.most);
  const { limit } = tokenizer;
  const stride = options.stride ?? Math.ceil(limit / 2);
  if (!Number.isSafeInteger(stride) || stride < 1 || stride > limit) {
    throw new UsageError(`a stride of ${stride} tokens cannot be`, {
      option: '--stride',
      hint: `a window has ${limit} tokens (--max-tokens): the stride is 1 to ${limit}`,
    });
  }
  const start = options.start === null ? null : tokenizer.idOf(options.start);
  const windows: Window[] = [];
  for (const text of texts) {
    if (text.trim() === '') continue;
    const encoded = tokenizer.encode(text);
    const ids = start === null || encoded.ids[0] === start ? encoded.ids : [start, ...encoded.ids];
    if (ids.length > TEXT_TOKENS_MAX * TOKENS_A_TEXT) throw tooLong(ids.length);
    const shift = ids.length - encoded.ids.length;
    const segments = [...new Array<number>(shift).fill(0), ...(encoded.segments ?? [])];
    const own = cut({ ids, segments, special: tokenizer.special }, { limit, stride });
    share(own, text);
    for (const window of own) windows.push(window);
    if (windows.length > EXAMPLES_MAX) throw tooMany(windows.length);
  }
  return joined(windows, tokenizer.pad);
}

/** Texts are longer than what a network sees at once, by this factor at most. */
const TOKENS_A_TEXT = 1024;

function tooLong(tokens: number): LimitError {
  return new LimitError(`a text of ${tokens} tokens`, {
    limit: 'TEXT_TOKENS_MAX',
    value: tokens,
    max: TEXT_TOKENS_MAX * TOKENS_A_TEXT,
    hint: 'cut the file into several texts, one a line',
  });
}

function tooMany(windows: number): LimitError {
  return new LimitError(`${windows} windows of texts`, {
    limit: 'EXAMPLES_MAX',
    value: windows,
    max: EXAMPLES_MAX,
    hint: 'a longer --stride makes fewer; --limit takes the first texts',
  });
}

function cut(
  text: { ids: readonly number[]; segments: readonly number[]; special: ReadonlySet<number> },
  { limit, stride }: { limit: number; stride: number },
): Window[] {
  const windows: Window[] = [];
  const { ids, segments, special } = text;
  // Tokens from `next` on are not predicted yet.
  for (let next = 1; next < ids.length; ) {
    const end = Math.min(ids.length, next === 1 ? limit + 1 : next + stride);
    const from = Math.max(0, end - 1 - limit);
    const fed = ids.slice(from, end - 1);
    const targets = fed.map((_, i) => {
      const place = from + i + 1;
      const token = ids[place] as number;
      return place < next || special.has(token) ? NO_TARGET : token;
    });
    if (targets.some((token) => token !== NO_TARGET)) {
      windows.push({
        ids: fed,
        segments: segments.slice(from, end - 1),
        targets,
        words: 0,
        bytes: 0,
      });
    }
    next = end;
  }
  return windows;
}

/** Gives each window its share of the words and bytes of a text. */
function share(windows: readonly Window[], text: string): void {
  const words = text.split(/\s+/u).filter((word) => word !== '').length;
  const bytes = Buffer.byteLength(text);
  const counts = windows.map(({ targets }) => targets.filter((one) => one !== NO_TARGET).length);
  const all = counts.reduce((sum, count) => sum + count, 0);
  for (const [i, window] of windows.entries()) {
    const part = (counts[i] as number) / all;
    window.words = words * part;
    window.bytes = bytes * part;
  }
}

function joined(windows: readonly Window[], pad: number): TokenWindows {
  if (windows.length === 0) {
    throw new UsageError('no text has a token that could be predicted', {
      hint: 'a text needs two tokens; --start-token puts one before each text',
    });
  }
  const length = windows.reduce((longest, { ids }) => Math.max(longest, ids.length), 1);
  const examples = windows.length;
  const found: TokenWindows = {
    examples,
    length,
    ids: new Int32Array(examples * length).fill(pad),
    mask: new Uint8Array(examples * length),
    segments: new Uint8Array(examples * length),
    targets: new Int32Array(examples * length).fill(NO_TARGET),
    words: Float32Array.from(windows, ({ words }) => words),
    bytes: Float32Array.from(windows, ({ bytes }) => bytes),
    largest: 0,
    predicted: 0,
  };
  for (const [i, { ids, segments, targets }] of windows.entries()) {
    found.ids.set(ids, i * length);
    found.mask.fill(1, i * length, i * length + ids.length);
    found.segments.set(segments, i * length);
    found.targets.set(targets, i * length);
    for (const token of [...ids, ...targets]) found.largest = Math.max(found.largest, token);
    found.predicted += targets.filter((token) => token !== NO_TARGET).length;
  }
  return found;
}
