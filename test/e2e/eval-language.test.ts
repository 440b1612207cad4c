/**
 * `dlv eval` on texts without labels: perplexity of a language model of pairs of tokens, whose probabilities are
 * counted here by hand. Needs the optional packages; without them the tests say so and check nothing.
 */
import { createRequire } from 'node:module';
import test, { type ExecutionContext } from 'ava';
import type { EvalResult } from '../../lib/use/ops/eval.js';
import { bigramNetwork, letterTokenizer, START, TOKENS } from '../helpers/language.js';
import { hasRuntime } from '../helpers/linear-network.js';
import { TestRepository } from '../helpers/repository.js';
import { seededRandom } from '../helpers/rng.js';

function skipped(t: ExecutionContext): boolean {
  try {
    createRequire(import.meta.url).resolve('@huggingface/tokenizers');
    if (hasRuntime()) return false;
  } catch {
    // Said below.
  }
  t.log('SKIPPED: onnxruntime-node or @huggingface/tokenizers is not installed');
  t.pass();
  return true;
}

/** Two tables of scores: random ones, and the same made flatter. */
function tables(): number[][][] {
  const random = seededRandom(5);
  const sharp = Array.from({ length: TOKENS }, () =>
    Array.from({ length: TOKENS }, () => 8 * random() - 4),
  );
  return [sharp, sharp.map((row) => row.map((score) => score / 4))];
}

/** −ln p of each token but the first, in float64. */
function losses(table: readonly number[][], ids: readonly number[]): number[] {
  return ids.slice(1).map((token, i) => {
    const row = (table[ids[i] as number] as number[]).map(Math.fround);
    const sum = row.reduce((total, score) => total + Math.exp(score), 0);
    return Math.log(sum) - (row[token] as number);
  });
}

const TEXT = 'lower low\n\nlowlow er\nw\nlow lower lowerer low\n';
/** Its lines as tokens, without the one of one token. */
const LINES = [
  [6, 7, 8, 6],
  [6, 6, 8, 7],
  [6, 8, 6, 7, 8, 6, 7, 7, 8, 6],
];

function mean(values: readonly number[]): number {
  return values.reduce((sum, one) => sum + one, 0) / values.length;
}

async function twoModels(t: ExecutionContext): Promise<TestRepository> {
  const repo = await TestRepository.create(t);
  for (const [i, table] of tables().entries()) {
    await repo.write('lm.onnx', bigramNetwork(table, { past: i === 1 }));
    await repo.commit(`table ${i}`);
  }
  await repo.write('texts.txt', TEXT);
  await repo.write('tokenizer.json', letterTokenizer());
  return repo;
}

const SET = ['--data', 'texts.txt', '--tokenizer', 'tokenizer.json'];
const METRICS = 'perplexity,loss,accuracy,word-perplexity,byte-perplexity,bits-per-byte';

test('perplexity: is that of all tokens together, however texts are cut and put into batches', async (t) => {
  if (skipped(t)) return;
  const repo = await twoModels(t);
  const [sharp, flat] = tables() as [number[][], number[][]];
  const [one, other] = [sharp, flat].map((table) => LINES.flatMap((ids) => losses(table, ids)));
  const run = (...more: string[]) =>
    repo.json<EvalResult>('eval', 'net@1', 'net@2', ...SET, '--metric', METRICS, ...more);
  const value = ({ versions }: EvalResult, at: number, name: string): number =>
    versions[at]?.metrics.find((metric) => metric.name === name)?.value as number;
  const first = await run();
  t.deepEqual([first.task, first.data.tokens, first.data.examples], ['tokens', 15, 3]);
  for (const more of [
    [],
    ['--max-tokens', '3'],
    ['--max-tokens', '4', '--stride', '1'],
    ['--max-tokens', '2', '--stride', '2', '--batch', '2'],
  ]) {
    const result = await run(...more);
    t.is(result.data.tokens, 15, more.join(' '));
    for (const [at, all] of [one, other].entries()) {
      t.true(Math.abs(value(result, at, 'loss') - mean(all as number[])) < 1e-6, more.join(' '));
      const perplexity = Math.exp(mean(all as number[]));
      t.true(Math.abs(value(result, at, 'perplexity') / perplexity - 1) < 1e-6);
    }
  }
  // Words and bytes are those of the three lines of which something is predicted.
  const sum = mean(one as number[]) * 15;
  const lines = TEXT.split('\n').filter((line) => line.length > 1);
  const bytes = lines.join('').length;
  t.true(Math.abs(value(first, 0, 'byte-perplexity') / Math.exp(sum / bytes) - 1) < 1e-6);
  t.true(Math.abs(value(first, 0, 'bits-per-byte') - sum / bytes / Math.LN2) < 1e-6);
  t.true(Math.abs(value(first, 0, 'word-perplexity') / Math.exp(sum / 8) - 1) < 1e-6);
  const best = LINES.flatMap((ids) =>
    ids.slice(1).map((token, i) => {
      const row = sharp[ids[i] as number] as number[];
      return row.indexOf(Math.max(...row)) === token;
    }),
  );
  t.is(value(first, 0, 'accuracy'), best.filter(Boolean).length / 15);
  // The same outcomes are kept, and compared text by text.
  const again = await run();
  t.true(again.versions.every(({ known }) => known));
  t.deepEqual(again.versions[0]?.metrics, first.versions[0]?.metrics);
  t.is(first.comparisons.length, 6);
  t.is(first.comparisons[0]?.test, 'bootstrap');
});

test('perplexity: a token that begins texts, one long text, and a network of a fixed length', async (t) => {
  if (skipped(t)) return;
  const repo = await twoModels(t);
  const [sharp] = tables() as [number[][]];
  const loss = async (...args: string[]) => {
    const { versions, data } = await repo.json<EvalResult>('eval', ...args, '--metric', 'loss');
    return { loss: versions[0]?.metrics[0]?.value as number, tokens: data.tokens };
  };
  const started = await loss('net@1', ...SET, '--start-token', START.content);
  const all = [[2], ...LINES].flatMap((ids) => losses(sharp, [START.id, ...ids]));
  t.is(started.tokens, all.length);
  t.true(Math.abs(started.loss - mean(all)) < 1e-6);
  await repo.write('one.txt', 'low\nlow');
  const whole = ['--data', 'one.txt', '--tokenizer', 'tokenizer.json'];
  await repo.write('lm.onnx', bigramNetwork(sharp, { length: 6 }));
  await repo.commit('fixed');
  t.is((await repo.fails(2, 'eval', ...whole)).code, 'DLV_USAGE');
  await repo.write('one.txt', 'low low lower er low low low');
  t.regex((await repo.fails(2, 'eval', ...whole)).data.hint ?? '', /--max-tokens 6/);
  const fixed = await loss('HEAD', ...whole, '--one-text', '--max-tokens', '6');
  const ids = [6, 8, 6, 8, 6, 7, 8, 7, 8, 6, 8, 6, 8, 6];
  t.is(fixed.tokens, ids.length - 1);
  t.true(Math.abs(fixed.loss - mean(losses(sharp, ids))) < 1e-6);
});

test('perplexity: what does not fit is told', async (t) => {
  if (skipped(t)) return;
  const repo = await twoModels(t);
  const told = async (code: number, ...args: string[]) =>
    (await repo.fails(code, 'eval', ...args)).message;
  t.regex(await told(2, ...SET, '--metric', 'auc'), /is not for language models/);
  t.regex(await told(2, ...SET, '--stride', '5', '--max-tokens', '4'), /stride of 5/);
  t.regex(await told(2, ...SET, '--start-token', 'none'), /no token 'none'/);
  t.regex(await told(2, ...SET, '--labels', 'texts.txt', '--stride', '4'), /--stride/);
  t.regex(await told(2, '--data', 'texts.txt', '--task', 'tokens'), /predicted of texts/);
  await repo.write('short.txt', 'w\n\n');
  t.regex(
    await told(2, '--data', 'short.txt', '--tokenizer', 'tokenizer.json'),
    /no text has a token/,
  );
  // A network with fewer tokens than the tokenizer, and one whose scores are not finite.
  const [sharp] = tables() as [number[][]];
  await repo.write('lm.onnx', bigramNetwork(sharp.map((row) => row.slice(0, 7))));
  await repo.commit('few');
  t.regex(await told(2, ...SET), /has 7 tokens/);
  const odd = sharp.map((row, i) => (i === 7 ? row.map(() => Number.NaN) : row));
  await repo.write('lm.onnx', bigramNetwork(odd));
  await repo.commit('odd');
  const result = await repo.json<EvalResult>('eval', ...SET);
  t.is(result.versions[0]?.metrics[0]?.value, null);
  t.is(result.versions[0]?.metrics[0]?.why, 'some scores are not finite');
  t.is(result.versions[0]?.notFinite, 2);
});
