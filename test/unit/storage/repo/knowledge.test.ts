/** What a version says of how it was made, and the series of its metrics: bytes and back. */
import test from 'ava';
import fc from 'fast-check';
import { encodeCanonical } from '../../../../lib/base/bytes/msgpack/msgpack.js';
import {
  type Knowledge,
  knowledgeExtension,
  noKnowledge,
  operationProblem,
  plainOperation,
  readKnowledge,
} from '../../../../lib/storage/repo/version/knowledge.js';
import { decodeSeries, encodeSeries } from '../../../../lib/storage/repo/version/series.js';
import { page } from '../../../helpers/golden.js';

const WHOLE: Knowledge = {
  operation: { kind: 'fine-tune', detail: 'on digits of 2026' },
  environment: [{ name: 'python', text: '3.12' }],
  data: [{ name: 'train', text: 'sha256:00' }],
  metrics: [
    { name: 'acc', direction: 'max', count: null },
    { name: 'loss', direction: null, count: 1200 },
  ],
  series: 'dlv.series',
};

test('knowledge: comes back, and nothing known takes no bytes', (t) => {
  const extensions = knowledgeExtension(WHOLE);
  t.deepEqual(readKnowledge(extensions, 'v'), WHOLE);
  t.deepEqual(knowledgeExtension(noKnowledge()), []);
  t.deepEqual(readKnowledge([], 'v'), noKnowledge());
  // Any release keeps an extension without '!' that it does not know, and reads the version.
  t.deepEqual(
    extensions.map(({ tag }) => tag),
    ['knowledge'],
  );
});

test('knowledge: lists are sorted, names stand once, texts are texts', (t) => {
  const text = (name: string) => ({ name, text: '1' });
  const sorted = knowledgeExtension({ ...noKnowledge(), data: [text('b'), text('a')] });
  t.deepEqual(
    readKnowledge(sorted, 'v').data.map(({ name }) => name),
    ['a', 'b'],
  );
  for (const wrong of [
    { data: [text('a'), text('a')] },
    { environment: [{ name: 'a', text: 'b\u0007' }] },
    { operation: { kind: '', detail: '' } },
    { data: [text('x'.repeat(5000))] },
  ]) {
    t.throws(() => knowledgeExtension({ ...noKnowledge(), ...wrong }), { code: 'DLV_USAGE' });
  }
});

test('knowledge: a later form is as if nothing were known, damage is damage', (t) => {
  const later = [{ tag: 'knowledge', value: encodeCanonical([2, 'what comes']) }];
  t.deepEqual(readKnowledge(later, 'v'), noKnowledge());
  const damaged = [
    [1],
    [1, null, [], [], [], null, 0],
    [1, ['train'], [], [], [], null],
    [
      1,
      null,
      [
        ['b', ''],
        ['a', ''],
      ],
      [],
      [],
      null,
    ],
    [1, null, [], [], [['m', 3, null]], null],
    [1, null, [], [], [['m', 1, -1]], null],
    [1, null, [], [], [], 7],
    'text',
  ];
  for (const value of damaged) {
    const extensions = [{ tag: 'knowledge', value: encodeCanonical(value as never) }];
    t.throws(() => readKnowledge(extensions, 'v'), { code: 'DLV_CORRUPT' }, JSON.stringify(value));
  }
});

test('series: any points come back bit for bit', (t) => {
  const points = fc.uniqueArray(fc.tuple(fc.nat(), fc.double()), { selector: ([step]) => step });
  fc.assert(
    fc.property(points, fc.boolean(), (given, timed) => {
      const sorted = given.sort(([a], [b]) => a - b);
      const steps = sorted.map(([step]) => step);
      const series = [
        { name: 'b', steps, values: sorted.map(([, value]) => value), times: timed ? steps : null },
        { name: 'a', steps: [], values: [], times: null },
      ];
      t.deepEqual(decodeSeries(encodeSeries(series), 's'), series.reverse());
    }),
  );
});

test('series: steps that do not ascend, lists of other lengths and odd bytes are damage', (t) => {
  const good = { name: 'a', steps: [1, 2], values: [0, 0], times: null };
  for (const wrong of [
    { steps: [2, 1] },
    { steps: [1, 1] },
    { steps: [0.5, 1] },
    { steps: [-1, 1] },
    { values: [0] },
    { times: [0] },
  ]) {
    const bytes = encodeSeries([{ ...good, ...wrong }]);
    t.throws(() => decodeSeries(bytes, 's'), { code: 'DLV_CORRUPT' });
  }
  const odd = encodeCanonical([1, [['a', Buffer.alloc(7), Buffer.alloc(7), null]]]);
  t.throws(() => decodeSeries(odd, 's'), { code: 'DLV_CORRUPT' });
  t.throws(() => decodeSeries(encodeSeries([good, good]), 's'), { code: 'DLV_CORRUPT' });
  t.throws(() => decodeSeries(encodeCanonical([2, []]), 's'), { code: 'DLV_FORMAT_VERSION' });
});

test('knowledge, series: as docs/format/version.md shows them', (t) => {
  const shown = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
  const [extension] = knowledgeExtension(WHOLE);
  t.true(page('version.md').includes(shown(extension?.value as Uint8Array)));
  const series = [{ name: 'loss', steps: [1, 2], values: [0.5, 0.25], times: null }];
  t.true(page('version.md').includes(shown(encodeSeries(series))));
});

test('operations: usual kinds have one spelling, misspelt ones are told, other words are kept', (t) => {
  const spellings: [string, string][] = [
    ['prune', 'prune'],
    [' Fine_Tune ', 'fine-tune'],
    ['finetune', 'fine-tune'],
    ['pretrain', 'pre-train'],
    ['distil', 'distill'],
    ['quantise', 'quantize'],
    ['Retrain', 'retrain'],
    ['head surgery', 'head surgery'],
  ];
  for (const [given, plain] of spellings) {
    t.is(plainOperation(given), plain);
    t.is(operationProblem(plain), null, plain);
  }
  for (const [given, meant] of [
    ['trian', 'train'],
    ['pruned', 'prune'],
    ['convrt', 'convert'],
    ['quantzied', 'quantize'],
  ] as const) {
    t.regex(operationProblem(given)?.hint ?? '', new RegExp(`did you mean '${meant}'`));
  }
  for (const bad of ['', 'a\nb', 'x'.repeat(5000)]) t.truthy(operationProblem(bad)?.hint, bad);
});
