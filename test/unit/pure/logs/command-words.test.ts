/** Words of commands: what is a secret is nowhere, what is a setting is found. */
import test from 'ava';
import {
  maskText,
  maskWords,
  paramsOfWords,
  placeCheckpoint,
} from '../../../../lib/pure/logs/command-words.js';

test('secrets are masked wherever they stand', (t) => {
  const secrets = [
    ['--api-key', 'abc'],
    ['--api_key=abc'],
    ['--wandb-key', 'abc'],
    ['WANDB_API_KEY=abc'],
    ['--token=abc'],
    ['--hub_token', 'abc'],
    ['-password', 'abc'],
    ['--db', 'postgres://ada:abc@host/db'],
    ['--url=https://host/x?token=abc&y=1'],
    ['--key', 'abc', '--lr', '1'],
    ['hf_abcabcabcabcabcabcabcabc'],
    ['--header', 'Authorization: Bearer abcabcabc'],
    ['AKIAABCABCABCABCABCA'],
    ['-Dpassword=abc'],
    ['--pw', 'abc'],
    ['-lc', 'export WANDB_API_KEY=abc; python train.py --lr 1'],
    ['-c', "HF_TOKEN='abc abc' exec python train.py"],
    ['-c', 'cd x && python train.py --hf-token abc --lr 1'],
    ['-c', 'python train.py --password "abc" | tee log'],
    ['-c', "curl -H 'X-Api-Key: abc' https://host"],
  ];
  for (const words of secrets) {
    const { words: shown, masked } = maskWords(words);
    t.true(masked, words.join(' '));
    t.notRegex(shown.join(' '), /abc/i, words.join(' '));
    t.is(shown.length, words.length);
    t.notRegex(JSON.stringify([...paramsOfWords(['x.py', ...words])]), /abc/i, words.join(' '));
  }
});

test('settings that sound like secrets are kept', (t) => {
  const words = [
    ...['--max-tokens', '128', '--pad-token-id=0', '--key-dim', '64', '--tokenizer', 'bert'],
    ...['-c', 'python x.py --max-tokens 128 --sort-key=loss; tokens: 5 key-dim: 3'],
    ...['--num_tokens', '9', '--sort-key=loss', '--author', 'ada', '--keyboard', 'us', 'a:b@c'],
  ];
  t.deepEqual(maskWords(words), { words, masked: false });
  t.is(maskText('see https://host/a@b and x@y'), 'see https://host/a@b and x@y');
});

test('settings are typed', (t) => {
  const words =
    'python -u train.py --lr 1e-3 --fp16 --layers 64 32 --name=a-b --batch-size 8 data.x=3 -v'.split(
      ' ',
    );
  t.deepEqual(Object.fromEntries(paramsOfWords(words)), {
    lr: 1e-3,
    fp16: true,
    layers: [64, 32],
    name: 'a-b',
    batch_size: 8,
    'data.x': 3,
  });
  t.deepEqual(Object.fromEntries(paramsOfWords(['./train', '--seed', '-1'])), { seed: -1 });
});

test('the checkpoint is placed, or its word and flag go', (t) => {
  const words = ['train.py', '--resume', '{checkpoint}', '--from={checkpoint}/x', '--lr', '1'];
  t.deepEqual(placeCheckpoint(words, 'out/c-1'), [
    ...['train.py', '--resume', 'out/c-1', '--from=out/c-1/x', '--lr', '1'],
  ]);
  t.deepEqual(placeCheckpoint(words, null), ['train.py', '--lr', '1']);
});
