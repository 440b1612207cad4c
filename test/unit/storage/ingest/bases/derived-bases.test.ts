/**
 * Bases whose rows were scaled: found among stored tensors of the same signs, short ones and those of which the
 * kernel reads the first rows alone; tensors that only share their signs are none.
 */
import test, { type ExecutionContext } from 'ava';
import type { Id } from '../../../../../lib/base/bytes/hash.js';
import { seededRandom } from '../../../../helpers/rng.js';
import { safetensors } from '../../../../trust/model-files.js';
import { WorkRepository } from '../../objects/work-repository.js';

/** Stores tensors of a shape, each in a commit of its own. @returns  what the last one depends on, by its place, and whether by an operation. */
async function store(
  t: ExecutionContext,
  [rows, columns]: readonly [number, number],
  tensors: readonly Float32Array[],
): Promise<{ base: number; isDerived: boolean }> {
  const work = await WorkRepository.make(t);
  const ids: Id[] = [];
  for (const [i, values] of tensors.entries()) {
    const bytes = Buffer.from(values.buffer, values.byteOffset, values.byteLength);
    const file = safetensors([{ name: `w${i}`, dtype: 'F32', shape: [rows, columns], bytes }]);
    const { version } = await work.commit({ [`${i}.safetensors`]: file });
    await work.open(async (repo) => {
      const entry = (await repo.tree(version)).files.find((one) => one.path === `${i}.safetensors`);
      ids.push(((await repo.openFile(entry!)).recipe?.extents ?? [])[0]!);
    });
  }
  return work.open(async (repo) => {
    const session = repo.session();
    const last = ids.at(-1) as Id;
    const { base } = (await session.findSegment(last, 0))!;
    const isDerived = await session.isDerived(last, 0);
    await session.abort();
    return { base: ids.indexOf(base as Id), isDerived };
  });
}

/** Positive values whose sizes have nothing in common. */
function draws(count: number, seed: number): Float32Array {
  const random = seededRandom(seed);
  return new Float32Array(count).map(() => Math.exp(16 * random() - 8));
}

for (const shape of [
  [60, 90],
  [300, 400],
  [2, 60_000],
] as const) {
  const [rows, columns] = shape;
  const name = `${rows} × ${columns}`;

  test(`derived bases: rows that were scaled, ${name}`, async (t) => {
    // All are positive, so that signs tell nothing.
    const stored = [1, 2, 3].map((seed) => draws(rows * columns, seed));
    const from = stored[1] as Float32Array;
    const factors = new Float32Array(rows).map((_, row) => 0.3 + 0.01 * row);
    const folded = from.map((value, i) => value * (factors[Math.floor(i / columns)] as number));
    t.deepEqual(await store(t, shape, [...stored, folded]), { base: 1, isDerived: true });
  });

  test(`derived bases: rows that were scaled at first and then not, ${name}`, async (t) => {
    const from = draws(rows * columns, 4);
    const later = draws(rows * columns, 5);
    const kept = Math.min(20, rows - 1) * columns;
    const half = from.map((value, i) => (i < kept ? value * 3 : (later[i] as number)));
    t.false((await store(t, shape, [from, half])).isDerived);
  });
}
