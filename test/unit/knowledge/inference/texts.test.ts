/** Texts by tokenizers of both kinds, and data that a module makes. */
import fs from 'node:fs/promises';
import { createRequire } from 'node:module';
import path from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { openDataSet } from '../../../../lib/knowledge/inference/data/data-set.js';
import { loadModuleData } from '../../../../lib/knowledge/inference/data/module-data.js';
import { tempDir } from '../../../helpers/temp-dir.js';

function skipped(t: ExecutionContext): boolean {
  try {
    createRequire(import.meta.url).resolve('@huggingface/tokenizers');
    return false;
  } catch {
    t.log('SKIPPED: @huggingface/tokenizers is not installed; tokenizers are NOT tested');
    t.pass();
    return true;
  }
}

const special = (id: number, content: string) => ({
  id,
  content,
  special: true,
  single_word: false,
  lstrip: false,
  rstrip: false,
  normalized: false,
});

/** [CLS] text [SEP], pieces of words behind ##. */
const WORD_PIECES = {
  version: '1.0',
  truncation: null,
  padding: null,
  added_tokens: [
    special(0, '[PAD]'),
    special(1, '[CLS]'),
    special(2, '[SEP]'),
    special(3, '[UNK]'),
  ],
  normalizer: {
    type: 'BertNormalizer',
    clean_text: true,
    handle_chinese_chars: true,
    strip_accents: null,
    lowercase: true,
  },
  pre_tokenizer: { type: 'BertPreTokenizer' },
  post_processor: {
    type: 'TemplateProcessing',
    single: [
      { SpecialToken: { id: '[CLS]', type_id: 0 } },
      { Sequence: { id: 'A', type_id: 0 } },
      { SpecialToken: { id: '[SEP]', type_id: 0 } },
    ],
    pair: [],
    special_tokens: {
      '[CLS]': { id: '[CLS]', ids: [1], tokens: ['[CLS]'] },
      '[SEP]': { id: '[SEP]', ids: [2], tokens: ['[SEP]'] },
    },
  },
  decoder: null,
  model: {
    type: 'WordPiece',
    unk_token: '[UNK]',
    continuing_subword_prefix: '##',
    max_input_chars_per_word: 100,
    vocab: { '[PAD]': 0, '[CLS]': 1, '[SEP]': 2, '[UNK]': 3, good: 4, bad: 5, '##ly': 6, film: 7 },
  },
};

/** Bytes that are merged: l o w, lo + w, low + er. */
const BYTE_PAIRS = {
  version: '1.0',
  truncation: { max_length: 4, stride: 0, strategy: 'LongestFirst', direction: 'Right' },
  padding: {
    strategy: 'BatchLongest',
    direction: 'Right',
    pad_id: 9,
    pad_type_id: 0,
    pad_token: '<pad>',
    pad_to_multiple_of: null,
  },
  added_tokens: [],
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
    vocab: { l: 0, o: 1, w: 2, e: 3, r: 4, lo: 5, low: 6, er: 7, '\u0120': 8 },
    merges: ['l o', 'lo w', 'e r'],
  },
};

async function files(
  t: ExecutionContext,
  contents: Record<string, unknown>,
): Promise<(name: string) => string> {
  const dir = await tempDir(t);
  for (const [name, content] of Object.entries(contents)) {
    const text = typeof content === 'string' ? content : JSON.stringify(content);
    await fs.writeFile(path.join(dir, name), text);
  }
  return (name) => path.join(dir, name);
}

test('texts: word pieces, one text a line, filled up to the longest', async (t) => {
  if (skipped(t)) return;
  const at = await files(t, {
    'tokenizer.json': WORD_PIECES,
    'texts.txt': 'A Goodly film\n\nbad\n',
    'labels.csv': 'y\n1\n0\n0\n',
  });
  const set = await openDataSet({
    data: at('texts.txt'),
    labels: at('labels.csv'),
    tokenizer: at('tokenizer.json'),
  });
  t.is(set.examples, 3);
  const rows = async (name: string): Promise<number[][]> => {
    const array = set.named?.get(name);
    const all = [...((await array?.rows(0, 3)) ?? [])];
    return [all.slice(0, 6), all.slice(6, 12), all.slice(12)];
  };
  t.deepEqual(await rows('input_ids'), [
    [1, 3, 4, 6, 7, 2],
    [1, 2, 0, 0, 0, 0],
    [1, 5, 2, 0, 0, 0],
  ]);
  t.deepEqual(await rows('attention_mask'), [
    [1, 1, 1, 1, 1, 1],
    [1, 1, 0, 0, 0, 0],
    [1, 1, 1, 0, 0, 0],
  ]);
  t.deepEqual((await rows('position_ids'))[1], [0, 1, 2, 3, 4, 5]);
  const cut = await openDataSet({
    data: at('texts.txt'),
    labels: at('labels.csv'),
    tokenizer: at('tokenizer.json'),
    maxTokens: 4,
  });
  t.deepEqual([...((await cut.named?.get('input_ids')?.rows(0, 1)) ?? [])], [1, 3, 4, 2]);
  t.not(cut.sha256, set.sha256);
});

test('texts: byte pairs, a column of a table, the length and padding of the tokenizer', async (t) => {
  if (skipped(t)) return;
  const at = await files(t, {
    'tokenizer.json': BYTE_PAIRS,
    't.csv': 'text,y\nlower,1\n"low, low low low",0\nlow,1\n',
  });
  const place = {
    data: `${at('t.csv')}#text`,
    labels: `${at('t.csv')}#y`,
    tokenizer: at('tokenizer.json'),
  };
  const set = await openDataSet({ ...place, limit: 1 });
  t.deepEqual([...((await set.named?.get('input_ids')?.rows(0, 1)) ?? [])], [6, 7]);
  t.is(set.examples, 1);
  await t.throwsAsync(openDataSet({ ...place, tokenizer: at('t.csv') }), {
    message: /no tokenizer\.json/,
  });
});

test('modules: give arrays, are run because they are named, and say what is wrong', async (t) => {
  const at = await files(t, {
    'one.mjs':
      'export const load = ({ limit }) => ({ inputs: { values: new Float32Array([1, 2, 3, 4]), shape: [2, 2] }, labels: [0, limit ?? 1], classes: ["a", "b"] });',
    'two.mjs':
      'export default async () => ({ inputs: { ids: { values: [1n, 2n], shape: [2, 1] }, mask: { values: [1, 1], shape: [2, 1] } }, labels: { values: [0.5, 1.5] } });',
    'shape.mjs':
      'export const load = () => ({ inputs: { values: [1, 2, 3], shape: [2, 2] }, labels: [0, 1] });',
    'throws.mjs': 'export const load = () => { throw new Error("no disk"); };',
    'none.mjs': 'export const x = 1;',
    'labels.mjs': 'export const load = () => ({ inputs: { values: [1, 2] } });',
    'broken.mjs': 'export const = 1;',
  });
  const one = await openDataSet({ data: null, labels: null, module: at('one.mjs') });
  t.deepEqual(
    [one.data.shape, [...one.truth], one.areClasses, one.classes],
    [[2, 2], [0, 1], true, ['a', 'b']],
  );
  t.deepEqual([...(await one.data.rows(1, 1))], [3, 4]);
  const two = await openDataSet({ data: null, labels: null, module: at('two.mjs') });
  t.deepEqual([[...(two.named?.keys() ?? [])], two.areClasses], [['ids', 'mask'], false]);
  t.not(two.sha256, one.sha256);
  t.is(
    (await loadModuleData(at('one.mjs'), null)).sha256,
    (await loadModuleData(at('one.mjs'), null)).sha256,
  );
  for (const [name, message] of [
    ['shape.mjs', /shape \[2, 2\]/],
    ['throws.mjs', /no disk/],
    ['none.mjs', /no function load/],
    ['labels.mjs', /no labels/],
    ['broken.mjs', /cannot be loaded/],
    ['absent.mjs', /there is no module/],
  ] as const) {
    await t.throwsAsync(loadModuleData(at(name), null), { message }, name);
  }
  await t.throwsAsync(openDataSet({ data: 'x', labels: null, module: at('one.mjs') }), {
    code: 'DLV_USAGE',
  });
  await t.throwsAsync(openDataSet({ data: null, labels: null }), { code: 'DLV_USAGE' });
});
