/** Which base an extent is stored against, and that chains of them keep their limits. */
import test from 'ava';
import fc from 'fast-check';
import { type Id, objectId } from '../../../../../lib/base/bytes/hash.js';
import {
  type BaseFile,
  BaseFinder,
  type ChainLink,
  fitBase,
  orderBaseFiles,
  tensorKey,
} from '../../../../../lib/storage/ingest/bases/named-bases.js';

const idOf = (n: number | string): Id => objectId('blob', Buffer.from(String(n)));

function fileOf(path: string, step: number | null, names: Record<string, number>): BaseFile {
  const entries = Object.entries(names);
  return {
    path,
    step,
    recipe: {
      skeleton: idOf('skeleton'),
      variableLengths: [],
      variable: null,
      data: [],
      extents: entries.map(([name]) => idOf(`${path}:${name}`)),
      chunks: [],
    },
    skeleton: {
      format: 'safetensors',
      fixed: new Uint8Array(0),
      parts: entries.map(([, count]) => ({ kind: 'extent', width: 4, count, byteSwap: false })),
      tensors: entries.map(([name, count], part) => ({
        name,
        dtype: 'F32',
        shape: [count],
        strides: null,
        role: 'weights',
        part,
        byteOffset: 0,
      })),
    },
  };
}

test('bases: same path first, then the latest step not after, then later ones, nearest first', (t) => {
  const steps: [string, number | null][] = [
    ['other', null],
    ['s100', 100],
    ['s300', 300],
    ['s500', 500],
    ['s900', 900],
    ['model', 0],
  ];
  const files = steps.map(([path, step]) => fileOf(path, step, {}));
  const order = (step: number | null) =>
    orderBaseFiles(files, 'model', step).map(({ path }) => path);
  t.deepEqual(order(400), ['model', 's300', 's100', 'other', 's500', 's900']);
  t.is(order(null)[1], 's900');
});

test('bases: a base has the name, role, width and count of the tensor', (t) => {
  const files = [fileOf('a', 1, { w: 100, v: 50 }), fileOf('b', 0, { w: 200 })];
  const finder = new BaseFinder(files);
  const w = [tensorKey('weights', 'w')];
  t.deepEqual(finder.namesakes(w, 4, 100), [idOf('a:w')]);
  t.deepEqual(finder.namesakes(w, 4, 200), [idOf('b:w')]);
  t.deepEqual(finder.namesakes(w, 4, 300), []);
  t.deepEqual(finder.namesakes(w, 2, 100), []);
  t.deepEqual(finder.namesakes([tensorKey('optimizer', 'w')], 4, 100), []);
  t.deepEqual(finder.namesakes([tensorKey('weights', 'none'), tensorKey('weights', 'v')], 4, 50), [
    idOf('a:v'),
  ]);
  const many = ['p', 'q', 'r', 's', 't'].map((path) => fileOf(path, 1, { w: 100 }));
  t.deepEqual(new BaseFinder(many).namesakes(w, 4, 100), ['p:w', 'q:w', 'r:w'].map(idOf));
});

test('bases: without a namesake, names that differ by a prefix of a framework', (t) => {
  const files = [fileOf('a', 1, { 'module.w': 100, 'model.v': 100, v: 50, x: 100 })];
  const finder = new BaseFinder(files);
  const find = (...names: string[]) =>
    finder.namesakes(
      names.map((name) => tensorKey('weights', name)),
      4,
      100,
    );
  t.deepEqual(find('_orig_mod.w'), [idOf('a:module.w')]);
  t.deepEqual(find('base_model.model.x', 'none'), [idOf('a:x')]);
  // 'model.v' and 'v' become the same: neither is meant.
  t.deepEqual(find('_orig_mod.v'), []);
  t.deepEqual(find('model.v'), [idOf('a:model.v')]);
  t.deepEqual(finder.namesakes([tensorKey('optimizer', '_orig_mod.w')], 4, 100), []);
});

test('bases: a line of versions never gets a chain that is too long or too costly', async (t) => {
  const bytes = fc.array(fc.integer({ min: 1, max: 1000 }), { minLength: 1, maxLength: 60 });
  await fc.assert(
    fc.asyncProperty(
      bytes,
      fc.integer({ min: 1, max: 10 }),
      fc.integer({ min: 1, max: 6 }),
      async (deltas, maxDepth, maxCost) => {
        const links = new Map<Id, ChainLink>();
        const lookup = async (id: Id) => links.get(id) ?? null;
        for (const [n, size] of deltas.entries()) {
          const base = n === 0 ? null : await fitBase(idOf(n - 1), lookup, { maxDepth, maxCost });
          // What is materialized costs 1000 bytes.
          links.set(idOf(n), { base: base?.id ?? null, bytes: base === null ? 1000 : size });
          let depth = 0;
          let cost = 0;
          for (let next: Id | null = idOf(n); next !== null; ) {
            const link: ChainLink = links.get(next)!;
            if (link.base !== null) depth++;
            cost += link.bytes;
            next = link.base;
          }
          t.is(depth, base?.depth ?? 0);
          t.true(depth <= maxDepth);
          // The delta itself was guessed to cost what the one before did.
          t.true(cost <= maxCost * 1000 + 1000);
        }
      },
    ),
    { numRuns: 100 },
  );
});

test('bases: a candidate whose chain is broken or endless gives none', async (t) => {
  const broken = async (id: Id) => (id === idOf(1) ? { base: idOf(2), bytes: 5 } : null);
  t.is(await fitBase(idOf(1), broken, { maxDepth: 10, maxCost: 4 }), null);
  const circle = async () => ({ base: idOf(1), bytes: 5 });
  t.is(await fitBase(idOf(1), circle, { maxDepth: 10, maxCost: 4 }), null);
});
