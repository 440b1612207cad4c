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
    `500 commits, steps of ${step}: the last cost no more than the first twenty`,
    async (t) => {
      t.timeout(20 * MINUTES);
      const dir = path.join(await tempDir(t), 'model');
      await fs.mkdir(dir);
      const context = contextOf(dir);
      const repo = await Repository.init(dir);
      const random = seededRandom(17);
      const values = Float32Array.from({ length: 64 * 1024 }, () => 0.05 * normal(random));
      const ids: string[] = [];
      for (let version = 1; version <= 500; version++) {
        for (let i = 0; i < values.length; i++) values[i]! += 0.05 * step * normal(random);
        await fs.writeFile(path.join(dir, 'model.safetensors'), safetensors(values));
        await add(repo, { paths: ['model.safetensors'] }, context);
        ids.push((await commit(repo, { message: `version ${version}` }, context)).version);
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
      const early = await between(1, 20);
      const late = await between(481, 500);
      t.log(`bytes read of 1 to 20: ${early.join(', ')}`);
      t.log(`bytes read of 481 to 500: ${late.join(', ')}`);
      // A chain grows link by link and is cut: where in that the tenth and the last stand is chance.
      // What must not grow is the most and the mean; older bases make a delta a little longer.
      t.true(Math.max(...late) <= 1.1 * Math.max(...early));
      t.true(mean(late) <= 1.1 * mean(early.slice(5)));
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
