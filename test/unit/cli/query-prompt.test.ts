/** The prompt of `dlv query` over streams: statements that go on, errors that do not end it, words that complete. */

import fs from 'node:fs/promises';
import path from 'node:path';
import { PassThrough } from 'node:stream';
import test from 'ava';
import { runPrompt } from '../../../lib/cli/query-prompt.js';
import { complete } from '../../../lib/pure/dql/complete.js';
import {
  addQueryHistory,
  readQueryHistory,
} from '../../../lib/storage/repo/settings/query-history.js';
import { isUnfinished, keepAsked, promptHistory } from '../../../lib/use/ops/query-prompt.js';
import { tempDir } from '../../helpers/temp-dir.js';

const WORDS = {
  columns: ['name', 'metrics.acc', 'metrics.loss', 'next'],
  texts: ['alexnet', 'good'],
  words: ['select', 'slice', 'RELU'],
};

/** What a prompt carries out and shows for some lines. */
async function typed(
  lines: readonly string[],
): Promise<{ asked: string[]; errors: string[]; shown: string }> {
  const input = new PassThrough();
  const output = new PassThrough();
  let shown = '';
  output.on('data', (bytes) => {
    shown += bytes;
  });
  const asked: string[] = [];
  const errors: string[] = [];
  const running = runPrompt({
    ...{ input, output, history: [], words: () => WORDS, isUnfinished },
    carryOut: async (text) => {
      asked.push(text);
      if (text.includes('bad')) throw new Error('it is bad');
    },
    help: () => output.write('HELP'),
    report: (error) => void errors.push((error as Error).message),
  });
  for (const line of lines) input.write(`${line}\n`);
  input.end();
  await running;
  return { asked, errors, shown };
}

test('prompt: a statement that is not whole goes on; errors are told and it stays', async (t) => {
  const { asked, errors, shown } = await typed([
    'select m where',
    'm.a > 1',
    '',
    'select bad',
    'help',
    'select m where m.a >',
    '',
    'select m2',
    'exit',
    'select never',
  ]);
  t.deepEqual(asked, [
    'select m where\nm.a > 1',
    'select bad',
    'select m where m.a >\n',
    'select m2',
  ]);
  t.deepEqual(errors, ['it is bad']);
  t.regex(shown, /HELP/);
});

test('prompt: words, columns and texts complete, each at its place', (t) => {
  t.deepEqual(complete('sel', WORDS), [['select'], 'sel']);
  t.deepEqual(complete('select m where m["conv1"].succ has re', WORDS), [['RELU'], 're']);
  t.deepEqual(complete('select m where m.me', WORDS), [['metrics.acc', 'metrics.loss'], 'me']);
  t.deepEqual(complete('select m where m.metrics.l', WORDS), [['metrics.loss'], 'metrics.l']);
  t.deepEqual(complete('select m where m["conv1"].ne', WORDS), [['next'], 'ne']);
  t.deepEqual(complete('select m from m in "go', WORDS), [['good'], 'go']);
  t.deepEqual(complete('', WORDS)[0], WORDS.words);
});

test('prompt: what was asked is kept once, the newest last, and a folder that cannot be written is no error', async (t) => {
  const dir = await tempDir(t);
  const env = { DLV_CONFIG: path.join(dir, 'settings', 'config') };
  t.deepEqual(await readQueryHistory(env), []);
  for (const text of ['select a', 'select\n  b', 'select a']) await addQueryHistory(env, text);
  t.deepEqual(await readQueryHistory(env), ['select b', 'select a']);
  const { mode } = await fs.stat(path.join(dir, 'settings', 'query-history'));
  if (process.platform !== 'win32') t.is(mode & 0o077, 0);
  await fs.writeFile(path.join(dir, 'file'), '');
  const blocked = { DLV_CONFIG: path.join(dir, 'file', 'config') };
  t.false(await keepAsked(blocked, 'select a'));
  t.deepEqual(await promptHistory(blocked), []);
});
