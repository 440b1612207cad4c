/** Choosing a base: in a line the newest version is taken unread; strangers and noise are compared. */
import test from 'ava';
import type { Id } from '../../../../../lib/base/bytes/hash.js';
import { loadKernel } from '../../../../../lib/base/native/kernel.js';
import { sketchOfPlanes } from '../../../../../lib/pure/codec/sketch.js';
import { splitPlanes } from '../../../../../lib/pure/tensor/planes.js';
import { BaseChooser } from '../../../../../lib/storage/ingest/bases/choose-base.js';
import { seededRandom } from '../../../../helpers/rng.js';
import { safetensors } from '../../../../trust/model-files.js';
import { WorkRepository } from '../../objects/work-repository.js';

const COUNT = 70_000;
const VERSIONS = 4;

const bytesOf = (values: Float32Array): Buffer =>
  Buffer.from(values.buffer, values.byteOffset, values.byteLength);

/**
 * Commits versions of one tensor, then asks for the base of `next`.
 * @param lends  false: the kernel may not read payloads from files.
 * @returns  which is it, the segments decoded whole for it, and the payloads lent to the kernel for samples.
 */
async function choose(
  work: WorkRepository,
  versions: readonly Float32Array[],
  next: Float32Array,
  lends = true,
): Promise<{ base: number; lent: number; sampled: number }> {
  const ids: Id[] = [];
  for (const values of versions) {
    const tensor = { name: 'w', dtype: 'F32', shape: [COUNT], bytes: bytesOf(values) };
    const { version } = await work.commit({ 'x.safetensors': safetensors([tensor]) });
    await work.open(async (repo) => {
      const [entry] = (await repo.tree(version)).files;
      ids.push(((await repo.openFile(entry!)).recipe?.extents ?? [])[0]!);
    });
  }
  return work.open(async (repo) => {
    const session = repo.session();
    const lendPayloads = session.lendPayloads.bind(session);
    let sampled = 0;
    session.lendPayloads = (...args) => {
      if (!lends) return Promise.resolve(null);
      sampled++;
      return lendPayloads(...args);
    };
    const chooser = new BaseChooser(session, { chainDepth: 10, chainCost: 4, level: 1 });
    const lend = chooser.planes.lend.bind(chooser.planes);
    let lent = 0;
    chooser.planes.lend = (request) => {
      lent++;
      return lend(request);
    };
    const planes = splitPlanes(bytesOf(next), 4);
    const chosen = await chooser.choose(
      { id: '0'.repeat(64) as Id, width: 4, count: COUNT, sketch: sketchOfPlanes(planes) },
      { namesakes: [ids.at(-1)!], planes, settle: async () => {}, derive: async () => null },
    );
    await session.abort();
    return { base: ids.indexOf(chosen?.id as Id), lent, sampled };
  });
}

/** Sums of twelve draws: close to a normal distribution of variance 1. */
function noise(seed: number): () => number {
  const random = seededRandom(seed);
  return () => Array.from({ length: 12 }, random).reduce((sum, one) => sum + one, -6);
}

/** Versions of a training: each is the one before with a little added to every value. */
function line(versions: number): Float32Array[] {
  const normal = noise(3);
  const all = [new Float32Array(COUNT).map(normal)];
  while (all.length < versions) {
    const last = all.at(-1) as Float32Array;
    all.push(last.map((value) => value + 0.001 * normal()));
  }
  return all;
}

test('choose base: the newest of a line is taken without reading its ancestors', async (t) => {
  const all = line(VERSIONS + 1);
  const work = await WorkRepository.make(t);
  const last = all.at(-1) as Float32Array;
  const { base, lent, sampled } = await choose(work, all.slice(0, -1), last);
  t.is(base, VERSIONS - 1);
  t.is(lent + sampled, 0);
});

test('choose base: a version that goes back to an earlier one depends on that one', async (t) => {
  const all = line(VERSIONS);
  const normal = noise(5);
  const back = (all[1] as Float32Array).map((value) => value + 0.0001 * normal());
  const { base } = await choose(await WorkRepository.make(t), all, back);
  t.is(base, 1);
});

test('choose base: where no base says much, candidates are compared for the shorter chain', async (t) => {
  // Values of one spread without a relation but their signs, as the first moments of an optimizer.
  const signs = new Float32Array(COUNT).map(noise(7));
  const draw = (seed: number): Float32Array => {
    const normal = noise(seed);
    return signs.map((sign) => Math.sign(sign) * Math.abs(normal()));
  };
  const all = [11, 12, 13].map(draw);
  const whole = await choose(await WorkRepository.make(t), all, draw(14), false);
  t.true(whole.lent > 1);
  const blocks = await choose(await WorkRepository.make(t), all, draw(14));
  t.is(blocks.base, whole.base);
  if (loadKernel().native === null) return t.is(blocks.sampled, 0);
  t.true(blocks.sampled > 1);
  t.is(blocks.lent, 0, 'no whole plane is needed to compare');
});
