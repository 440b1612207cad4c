/** Sets of layers: patterns, walks, templates and attributes on networks that are known. */
import test from 'ava';
import { matchLayer, parseLayerPattern } from '../../../../lib/pure/dql/layers/layer-pattern.js';
import { LayerSet } from '../../../../lib/pure/dql/layers/layer-set.js';
import { layerView } from '../../../../lib/pure/network/layers/layer-view.js';
import { ask, dqlHost, firstColumn } from '../../../helpers/dql-host.js';
import { alexnet, caffeAlexnet, lenet5, vgg } from '../../../helpers/known-networks.js';
import { fixtureNetwork } from '../../../helpers/networks.js';
import { seededRandom } from '../../../helpers/rng.js';

function captured(pattern: string, name: string): Record<string, string> | null {
  const found = matchLayer(parseLayerPattern(pattern), name);
  return found === null ? null : Object.fromEntries(found);
}

test('patterns: stars, choices, ranges, captures', (t) => {
  t.deepEqual(captured('conv[1,3,5]', 'conv3'), {});
  t.is(captured('conv[1,3,5]', 'conv2'), null);
  t.deepEqual(captured('conv[1-12]', 'conv12'), {});
  t.is(captured('conv[1-12]', 'conv13'), null);
  t.deepEqual(captured('conv*($1)', 'conv2_1'), { 1: '2_1' });
  t.deepEqual(captured('*($1)_*($2)', 'a_b_c'), { 1: 'a_b', 2: 'c' });
  t.deepEqual(captured('[conv,fc]($2)?($1)', 'fc7'), { 2: 'fc', 1: '7' });
  // A star stays within a part of a name, two cross dots and slashes.
  t.is(captured('block.*', 'block.0.conv'), null);
  t.deepEqual(captured('block.**', 'block.0.conv'), {});
  t.is(captured('conv*', 'conv1.relu'), null);
  t.deepEqual(captured('a\\*b', 'a*b'), {});
  t.deepEqual(captured('x*($1)-*($1)', 'xab-ab'), { 1: 'ab' });
});

test('a pattern fits what the regular expression fits that is written for it', (t) => {
  const random = seededRandom(11);
  const pick = <T>(items: readonly T[]): T => items[Math.floor(random() * items.length)] as T;
  const pieces: [string, string][] = [
    ['*', '[^./]*'],
    ['**', '.*'],
    ['?', '.'],
    ['[a,ab]', '(?:ab|a)'],
    ['a', 'a'],
    ['b', 'b'],
    ['.', '\\.'],
  ];
  let fits = 0;
  for (let round = 0; round < 3000; round++) {
    const parts: [string, string][] = [];
    for (let i = 0; i < 5; i++) {
      const part = pick(pieces);
      // Two stars side by side are another sign.
      if (!(part[0].startsWith('*') && parts.at(-1)?.[0].startsWith('*'))) parts.push(part);
    }
    const name = Array.from({ length: Math.floor(random() * 7) }, () => pick(['a', 'b', '.'])).join(
      '',
    );
    const pattern = parts.map(([text]) => text).join('');
    const expected = new RegExp(`^${parts.map(([, text]) => text).join('')}$`, 's').test(name);
    if (expected) fits++;
    t.is(captured(pattern, name) !== null, expected, `${pattern} on ${name}`);
  }
  t.true(fits > 100);
});

test('a hostile pattern ends soon', (t) => {
  t.is(captured(`${'a**'.repeat(60)}b`, 'a'.repeat(4000)), null);
  t.is(captured(`${'a*'.repeat(60)}b`, 'a'.repeat(4000)), null);
  t.deepEqual(captured(`${'a*'.repeat(60)}*($1)b`, `${'a'.repeat(4000)}b`), { 1: '' });
  for (const wrong of ['conv[1', '($1)', 'a($1)', 'x[1-99999]', '?'.repeat(300)]) {
    t.throws(() => parseLayerPattern(wrong), { name: 'Error' });
  }
});

const zoo = dqlHost([
  { name: 'alexnet_a', network: alexnet() },
  { name: 'alexnet_caffe', network: caffeAlexnet() },
  { name: 'lenet', network: lenet5() },
  { name: 'vgg', network: vgg(16) },
]);
const names = (condition: string) => firstColumn(zoo, `select m where ${condition}`);

test('next passes over activations and norms, succ does not', async (t) => {
  t.deepEqual(await names('m["conv1"].next has POOL("MAX")'), [
    'alexnet_a',
    'alexnet_caffe',
    'lenet',
  ]);
  t.deepEqual(await names('m["conv1"].succ has POOL("MAX")'), ['lenet']);
  t.deepEqual(await names('m["conv1"].succ has RELU and m["conv1"].norm has LRN'), [
    'alexnet_caffe',
  ]);
  t.deepEqual(await names('exists m["conv1"].act'), ['alexnet_a', 'alexnet_caffe', 'vgg']);
  // VGG pools behind its second convolution.
  t.deepEqual(await names('m["conv1"].next{2} has POOL("MAX") and m["conv1"].next has CONV'), [
    'vgg',
  ]);
  t.deepEqual(await names('m["pool1"].prev has CONV(kernel = 5)'), ['lenet']);
  t.deepEqual(await names('m["pool1"].pred has CONV'), ['lenet']);
  t.deepEqual(await names('m["conv1"].path("pool2").next+ has FULL and m["fc1"].units = 84'), [
    'lenet',
  ]);
  const { rows, hints } = await ask(zoo, 'select m where m["conv1"].next has RELU');
  t.is(rows.length, 0);
  t.regex(hints.join(), /passes over activations.*\.succ/);
});

test('all wants each of the layers named, any one of them', async (t) => {
  t.deepEqual(await names('all m["conv*"].succ has RELU'), ['alexnet_a', 'alexnet_caffe', 'vgg']);
  t.deepEqual(await names('m["conv*"].next has FULL'), ['lenet']);
  t.deepEqual(await names('all m["nothing*"].succ has RELU'), []);
});

test('attributes of layers: kernels, units, groups, counts', async (t) => {
  const cells = (
    await ask(
      zoo,
      'select m.name, m["conv1"].kernel, m["conv1"].stride, m["conv1"].units, m["fc1"].channels, count(m["conv*"]) from m',
    )
  ).rows.map((row) => row.cells);
  t.deepEqual(cells, [
    ['alexnet_a', 11, 4, 64, 9216, 5],
    ['alexnet_caffe', 11, 4, 96, 9216, 5],
    ['lenet', 5, 1, 6, 120, 3],
    ['vgg', 3, 1, 64, 25_088, 13],
  ]);
  t.deepEqual(await names('m["conv*"].groups = 2'), ['alexnet_caffe']);
  t.deepEqual(await names('m["fc*"].units = 1000 and not m["fc*"].units = 4096'), []);
});

test('captures are one and the same in all conditions of a clause', async (t) => {
  // Convolutions are called conv0, conv2, conv4 here, pools pool1, pool2: one number is that of both.
  t.deepEqual(await names('m["conv*($1)"].next has POOL("MAX", name = "pool$1")'), ['lenet']);
  t.deepEqual(await names('m["conv*($1)"].units = 16 and exists m["pool$1"]'), ['lenet']);
  t.deepEqual(await names('m["conv*($1)"].units = 120 and exists m["pool$1"]'), []);
  await t.throwsAsync(names('m["conv$1"].next has POOL'), { message: /nothing captures \$1/ });
});

test('layers in the bodies of If are found by the last part of their names', async (t) => {
  const host = dqlHost([{ name: 'vad', network: await fixtureNetwork('vad') }]);
  t.deepEqual(await firstColumn(host, 'select m where m["**"] has LSTM'), ['vad']);
  t.deepEqual(await firstColumn(host, 'select count(m["conv*"]) from m'), [
    new LayerSet(layerView(await fixtureNetwork('vad'))).layers.filter(
      ({ kind }) => kind === 'conv',
    ).length,
  ]);
});

for (const [condition, says] of [
  ['m["c"] has POL("MAX")', /did you mean POOL/],
  ['m["c"] has CONV(kernl = 3)', /did you mean kernel/],
  ['m["c"] has CONV("a", "b")', /one argument without a name/],
  ['m["c"] has OP', /wants the name of an ONNX operator/],
  ['m["c"].kernl = 3', /did you mean kernel/],
  ['m["conv["].next has POOL', /'\[' is not closed/],
  ['m["c"].next{0,2} has POOL', /counted from 1/],
  ['m["c"].next > 3', /a set of layers is no value/],
  ['n["c"] has POOL', /there is no variable 'n'/],
] as const) {
  test(`a mistake in a layer condition is told: ${condition}`, async (t) => {
    const error = await t.throwsAsync(names(condition));
    t.regex(`${error?.message} ${(error as { data?: { hint?: string } })?.data?.hint}`, says);
  });
}
