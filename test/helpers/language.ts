/** A tokenizer of few letters and a language model that knows the last token alone. */
import { bytes, int, tensorProto } from './protobuf.js';

/** Tokens by their text: letters, three that are merged, a space, and one that begins texts. */
export const VOCABULARY = { l: 0, o: 1, w: 2, e: 3, r: 4, lo: 5, low: 6, er: 7, '\u0120': 8 };
export const START = { id: 9, content: '<s>' };
export const TOKENS = 10;

/** tokenizer.json. @param more  replaces what is given. */
export function letterTokenizer(more: object = {}): string {
  const flags = { single_word: false, lstrip: false, rstrip: false, normalized: false };
  return JSON.stringify({
    version: '1.0',
    truncation: null,
    padding: null,
    added_tokens: [{ ...START, special: true, ...flags }],
    normalizer: null,
    pre_tokenizer: {
      type: 'ByteLevel',
      add_prefix_space: false,
      trim_offsets: true,
      use_regex: true,
    },
    post_processor: null,
    decoder: { type: 'ByteLevel' },
    model: {
      type: 'BPE',
      dropout: null,
      unk_token: null,
      continuing_subword_prefix: '',
      end_of_word_suffix: '',
      fuse_unk: false,
      vocab: VOCABULARY,
      merges: ['l o', 'lo w', 'e r'],
    },
    ...more,
  });
}

const [FLOAT, INT64, BOOL] = [1, 7, 9];

function valueInfo(name: string, type: number, dims: readonly (number | string)[]): Buffer {
  const shape = dims.map((dim) => bytes(1, typeof dim === 'string' ? bytes(2, dim) : int(1, dim)));
  return Buffer.concat([bytes(1, name), bytes(2, bytes(1, int(1, type), bytes(2, ...shape)))]);
}

/**
 * logits[i, t] = table[ids[i, t]]: row a of the table has the scores of what follows token a.
 * @param options  the length that the network has fixed, and inputs for what was seen before, as exporters write them.
 */
export function bigramNetwork(
  table: readonly (readonly number[])[],
  { length = 'T', past = false }: { length?: number | string; past?: boolean } = {},
): Buffer {
  const width = table[0]?.length ?? 0;
  const raw = new Uint8Array(Float32Array.from(table.flat()).buffer);
  const node = bytes(
    1,
    ...['table', 'input_ids'].map((name) => bytes(1, name)),
    bytes(2, 'logits'),
    bytes(4, 'Gather'),
  );
  const inputs = [
    valueInfo('input_ids', INT64, ['N', length]),
    valueInfo('attention_mask', INT64, ['N', 'M']),
    ...(past
      ? [
          valueInfo('past_key_values.0.key', FLOAT, ['N', 2, 'P', 4]),
          valueInfo('use_cache_branch', BOOL, [1]),
        ]
      : []),
  ];
  return Buffer.concat([
    int(1, 8),
    bytes(
      7,
      node,
      bytes(2, 'bigrams'),
      bytes(5, tensorProto({ name: 'table', dims: [table.length, width], raw })),
      ...inputs.map((input) => bytes(11, input)),
      bytes(12, valueInfo('logits', FLOAT, ['N', length, width])),
    ),
    bytes(8, int(2, 17)),
  ]);
}
