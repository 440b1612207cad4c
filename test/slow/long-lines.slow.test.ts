/**
 * Goal: a line of many versions stays cheap: to read, in files, and to list.
 * Method: the use cases in this process; bytes are counted where files are read, not timed.
 */
import fs from 'node:fs/promises';
import path from 'node:path';
import test from 'ava';
import type { OpContext } from '../../lib/use/context.js';
import { add } from '../../lib/use/ops/add.js';
import { checkout } from '../../lib/use/ops/checkout.js';
import { commit } from '../../lib/use/ops/commit.js';
import { log } from '../../lib/use/ops/log.js';
import { noProgress } from '../../lib/use/progress.js';
import { Repository } from '../../lib/use/repository.js';
import { countReads } from '../helpers/count-reads.js';
import { packFiles } from '../helpers/pack-files.js';
import { randomBytes, seededRandom } from '../helpers/rng.js';
import { tempDir } from '../helpers/temp-dir.js';

const MINUTES = 60_000;
/** Default of the setting chain.cost: bytes of a chain, as a multiple of those of a version stored whole. */
const CHAIN_COST = 4;

function contextOf(dir: string): OpContext {
  return { cwd: dir, progress: noProgress, warn() {} };
}

/** A safetensors file of one fp32 matrix. */
function safetensors(values: Float32Array): Buffer {
  const shape = [values.length / 64, 64];
  const entry = { dtype: 'F32', shape, data_offsets: [0, values.byteLength] };
  const text = Buffer.from(JSON.stringify({ weight: entry }));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(text.length));
  return Buffer.concat([length, text, new Uint8Array(values.buffer)]);
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** Normal numbers from uniform ones, well enough. */
function normal(random: () => number): number {
  return random() + random() + random() + random() - 2;
}

for (const step of [0.0005, 0.02]) {
  test.serial(
    `500 commits, steps of ${step}: the last cost no more than those of the middle`,
    async (t) => {
      t.timeout(20 * MINUTES);
      const dir = path.join(await tempDir(t), 'model');
      await fs.mkdir(dir);
      const context = contextOf(dir);
      const repo = await Repository.init(dir);
      const random = seededRandom(17);
      const values = new Float32Array(64 * 1024).map(() => 0.05 * normal(random));
      const ids: string[] = [];
      const stored: number[] = [];
      for (let version = 1; version <= 500; version++) {
        for (let i = 0; i < values.length; i++) values[i]! += 0.05 * step * normal(random);
        await fs.writeFile(path.join(dir, 'model.safetensors'), safetensors(values));
        await add(repo, { paths: ['model.safetensors'] }, context);
        const made = await commit(repo, { message: `version ${version}` }, context);
        ids.push(made.version);
        stored.push(made.storedBytes);
      }
      await repo.close();
      const cost = async (number: number): Promise<number> => {
        const fresh = await Repository.open(dir);
        const reads = countReads();
        try {
          const out = path.join(dir, '..', `out-${number}`);
          await checkout(fresh, { revision: ids[number - 1]!, out }, context);
        } finally {
          reads.stop();
          await fresh.close();
        }
        return reads.total((file) => /\.(hi|mid|low|blob)$/.test(file));
      };
      const between = async (from: number, to: number): Promise<number[]> => {
        const costs: number[] = [];
        for (let number = from; number <= to; number++) costs.push(await cost(number));
        return costs;
      };
      const [alone] = (await between(1, 1)) as [number];
      const middle = await between(221, 240);
      const late = await between(481, 500);
      t.log(`bytes read of 1: ${alone}`);
      t.log(`bytes read of 221 to 240: ${middle.join(', ')}`);
      t.log(`bytes read of 481 to 500: ${late.join(', ')}`);
      // A chain grows link by link and is cut, so where in it a version stands is chance: the most and
      // the mean of twenty versions must not grow. The first hundred are cheaper: their bases are close
      // to the root. Those of later ones are further from it, until a new root is cheaper.
      t.true(Math.max(...late) <= 1.1 * Math.max(...middle));
      t.true(mean(late) <= 1.1 * mean(middle));
      t.true(Math.max(...middle, ...late) <= CHAIN_COST * alone);
      t.true(mean(stored.slice(480)) <= 1.1 * mean(stored.slice(1, 101)));
    },
  );
}

test.serial('2,000 commits of 10 KB leave at most 200 files under packs/', async (t) => {
  t.timeout(30 * MINUTES);
  const dir = path.join(await tempDir(t), 'notes');
  await fs.mkdir(dir);
  const context = contextOf(dir);
  const repo = await Repository.init(dir);
  const bytes = randomBytes(10_000, 3);
  for (let version = 1; version <= 2000; version++) {
    bytes.set(randomBytes(500, version), (version * 97) % 9_000);
    await fs.writeFile(path.join(dir, 'config.bin'), bytes);
    await add(repo, { paths: ['config.bin'] }, context);
    await commit(repo, { message: `version ${version}` }, context);
  }
  await repo.close();
  const packs = await packFiles(path.join(dir, '.dlv/packs'));
  t.log(`${packs.length} files under packs/`);
  t.true(packs.length <= 200);
  const fresh = await Repository.open(dir);
  const reads = countReads();
  try {
    const versions = await log(fresh, {}, context);
    t.is(JSON.stringify(versions).match(/"version \d+"/g)?.length, 2000);
  } finally {
    reads.stop();
    await fresh.close();
  }
  t.log(`log reads ${reads.total()} bytes of ${reads.bytes.size} files`);
  t.true(reads.bytes.size <= 200 + 20);
});
