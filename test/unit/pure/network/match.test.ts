/** Layers of two networks: found by name, alias and structure, and merged into one graph. */
import test from 'ava';
import {
  type MatchableLayer,
  matchLayers,
} from '../../../../lib/pure/network/match/match-layers.js';
import { mergeLayers } from '../../../../lib/pure/network/match/merge-layers.js';

/** `conv c1 3x3`: kind, name, weights. */
function net(...texts: string[]): MatchableLayer[] {
  const counts = new Map<string, number>();
  return texts.map((text) => {
    const [kind = '', name = '', weights = ''] = text.split(' ');
    const count = (counts.get(kind) ?? 0) + 1;
    counts.set(kind, count);
    const alias = `${kind}${count}`;
    return {
      name: name === '' ? alias : name,
      alias,
      kind: kind as MatchableLayer['kind'],
      type: kind.toUpperCase(),
      weights,
    };
  });
}

function found(a: MatchableLayer[], b: MatchableLayer[]): string[] {
  return matchLayers(a, b).map(({ a: x, b: y, match }) => `${a[x]!.name}=${b[y]!.name} ${match}`);
}

test('match: names first, whatever their order', (t) => {
  const a = net('conv stem 3', 'act', 'conv body 5', 'full head 7');
  const b = net('conv body 5', 'act', 'conv stem 3', 'full head 9');
  t.deepEqual(found(a, b), ['body=body name', 'stem=stem name', 'head=head name']);
});

test('match: an alias counts where weights are equal, so that a layer put in does not shift it', (t) => {
  const a = net('conv a.0 3', 'conv a.1 5', 'full a.2 7');
  t.deepEqual(found(a, net('conv x 3', 'conv y 5', 'full z 7')), [
    'a.0=x alias',
    'a.1=y alias',
    'a.2=z alias',
  ]);
  // Another convolution in front: what was conv1 is conv2.
  t.deepEqual(found(a, net('conv w 1', 'conv x 3', 'conv y 5', 'full z 7')), [
    'a.0=x structure',
    'a.1=y structure',
    'a.2=z alias',
  ]);
});

test('match: a layer of another kind is none', (t) => {
  t.deepEqual(found(net('conv a 3'), net('full a 3')), []);
  t.deepEqual(found([], net('conv a 3')), []);
  // One name twice is no name.
  const twice = net('conv a 3', 'conv a 3');
  t.deepEqual(found(twice, net('conv a 3')), ['a=a alias']);
});

const chain = (layers: MatchableLayer[]) => ({
  layers,
  edges: layers.slice(1).map((_, i) => [i, i + 1] as const),
});

test('merge: an insertion stands between, a removal stays, and every edge goes down', (t) => {
  const base = net('conv c1 3', 'pool', 'conv c2 5', 'full f 7');
  const more = net('conv c1 3', 'norm n', 'pool', 'conv c2 5', 'full f 7');
  const less = net('conv c1 3', 'conv c2 5', 'full f 7');
  const sides = [chain(base), chain(more), null, chain(less)];
  const { layers, edges } = mergeLayers(sides);
  const names = layers.map(({ places }) => {
    const side = places.findIndex((place) => place >= 0);
    return sides[side]!.layers[places[side]!]!.name;
  });
  t.deepEqual(names, ['c1', 'n', 'pool1', 'c2', 'f']);
  t.deepEqual(
    layers.map(({ places }) => places),
    [
      [0, 0, -1, 0],
      [-1, 1, -1, -1],
      [1, 2, -1, -1],
      [2, 3, -1, 1],
      [3, 4, -1, 2],
    ],
  );
  for (const { from, to } of edges) t.true(from < to);
  const skip = edges.find(({ from, to }) => from === 0 && to === 3)!;
  t.deepEqual(skip.sides, [false, false, false, true]);
});

test('merge: networks that run layers in opposite orders still have each once', (t) => {
  const a = chain(net('conv x 3', 'conv y 3', 'conv z 3'));
  const b = chain(net('conv z 3', 'conv y 3', 'conv x 3'));
  const { layers } = mergeLayers([a, b]);
  t.is(layers.length, 3);
  t.deepEqual(layers.map(({ places }) => places[0]).sort(), [0, 1, 2]);
  t.deepEqual(layers.map(({ places }) => places[1]).sort(), [0, 1, 2]);
});

test('merge: a long network is merged in little time, also with nothing in common', (t) => {
  const long = (word: string) =>
    chain(net(...Array.from({ length: 3000 }, (_, i) => `conv ${word}${i} ${i % 7}`)));
  const { layers } = mergeLayers([long('a'), long('b')]);
  t.true(layers.length >= 3000 && layers.length <= 6000);
  for (const side of [0, 1]) {
    const places = layers.map(({ places: own }) => own[side]!).filter((place) => place >= 0);
    t.is(new Set(places).size, 3000);
  }
});
