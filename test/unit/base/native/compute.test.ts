/** Programs of training in every build of the kernel: what reaches outside the arena is refused, whatever it says. */
import test from 'ava';
import { type Operation, operation } from '../../../../lib/base/native/compute.js';
import { load } from '../../../../lib/base/native/kernel.js';
import { HAS_ADDON } from '../../../helpers/kernels.js';
import { seededRandom } from '../../../helpers/rng.js';

const KINDS = HAS_ADDON ? ['native', 'portable', 'wasm'] : ['wasm'];
const FLOATS = 4096;

// The addon's instruction set is switched for the whole process, so these tests run one by one.

/** Whole numbers of each operation, in the order of native/compute.h, and how many floats follow. */
const ARGUMENTS: [Operation, number, number][] = [
  ['product', 12, 0],
  ['conv', 22, 0],
  ['convInput', 22, 0],
  ['convWeight', 22, 0],
  ['maxPool', 20, 0],
  ['maxPoolBack', 20, 0],
  ['meanPool', 20, 0],
  ['meanPoolBack', 20, 0],
  ['rectify', 5, 1],
  ['rectifyBack', 5, 1],
  ['norm', 12, 2],
  ['normBack', 12, 2],
  ['normFixed', 12, 2],
  ['sum', 4, 2],
  ['multiply', 4, 2],
  ['bias', 5, 0],
  ['biasBack', 5, 0],
  ['sgd', 6, 4],
  ['adam', 6, 7],
];

for (const kind of KINDS) {
  test.serial(`${kind}: operations of any arguments stay in the arena or are refused`, (t) => {
    const random = seededRandom(23);
    const pick = (most: number): number => Math.floor(random() * most);
    const edges = [-1, 0, 1, 2, FLOATS - 1, FLOATS, 2 ** 28, 2 ** 31 - 1, -(2 ** 31)];
    const arena = load(kind).openArena(FLOATS, 2);
    let [ran, refused] = [0, 0];
    for (let round = 0; round < 6000; round += 1) {
      const [name, whole, floats] = ARGUMENTS[pick(ARGUMENTS.length)]!;
      const wild = random() < 0.3;
      const list = Array.from({ length: whole }, (_, i) => {
        if (wild && random() < 0.2) return edges[pick(edges.length)]!;
        return i < whole / 2 ? 1 + pick(4) : pick(random() < 0.5 ? 3 : 2000);
      });
      const program = Int32Array.from(
        operation(name, list, Array.from({ length: floats }, random)),
      );
      try {
        arena.run(program);
        ran += 1;
      } catch (error) {
        t.is((error as { kernel?: number }).kernel, -1, name);
        refused += 1;
      }
    }
    t.true(ran > 100 && refused > 1000, `${ran} ran, ${refused} were refused`);
    for (const program of [
      [-1],
      [19],
      [99],
      [0],
      [0, 1, 2],
      operation('sum', [4, 0, 0, 0]).slice(0, 5),
    ]) {
      t.throws(() => arena.run(Int32Array.from(program)), { message: /program/ });
    }
  });
}

test.serial(
  'portable and WebAssembly give the same bytes, and so does any number of threads',
  (t) => {
    const random = seededRandom(29);
    const numbers = Float32Array.from({ length: 60_000 }, () => random() - 0.5);
    const window = [3, 6, 9, 8, 4, 5, 8, 3, 3, 2, 1, 1, 2, 1, 2, 2];
    const [x, w, y, index, copy] = [0, 2000, 4000, 8000, 12_000];
    const program = Int32Array.from([
      ...operation('product', [101, 70, 300, 0, 3, 1, 700, 1, 2, 30_000, 71, 0]),
      ...operation('conv', [...window, x, w, y, 100, -1, 1]),
      ...operation('convInput', [...window, copy, w, y, -1, -1, 1]),
      ...operation('convWeight', [...window, x, copy, y, -1, 20_000, 3]),
      ...operation('maxPool', [3, 6, 9, 8, 6, 5, 8, 3, 3, 2, 1, 1, 2, 1, 2, 1, x, y, index, 0]),
      ...operation('norm', [3, 6, 72, x, y, 50, 60, 20_000, 20_100, 20_200, -1, -1], [1e-5, 0.1]),
      ...operation(
        'adam',
        [3000, 40_000, 0, 44_000, 48_000, 1],
        [0.01, 0.9, 0.999, 1e-8, 0.1, 0.02, 0.5],
      ),
    ]);
    const result = (kind: string, threads: number): string => {
      const arena = load(kind).openArena(numbers.length, threads);
      arena.floats.set(numbers);
      arena.floats.fill(0.5, 48_000, 52_000);
      arena.run(program);
      return Buffer.from(arena.floats.slice().buffer).toString('base64');
    };
    const wasm = result('wasm', 1);
    if (!HAS_ADDON) {
      t.is(wasm, result('wasm', 2));
      return;
    }
    t.true(wasm === result('portable', 1) && wasm === result('portable', 3));
    const native = result('native', 1);
    t.true(native === result('native', 2) && native === result('native', 5));
    load(process.env.DLV_KERNEL);
  },
);
