/** Files beyond 2 and 4 GiB: tensors of that size, and unknown bytes, in and out again. */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import fs from 'node:fs/promises';
import test from 'ava';
import { checkout } from '../../lib/use/ops/checkout.js';
import { WorkRepository } from '../unit/storage/objects/work-repository.js';
import { fsckProblems } from './record.js';

const GIB = 2 ** 30;

async function hashOf(file: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const piece of createReadStream(file)) hash.update(piece as Buffer);
  return hash.digest('hex');
}

/** A sparse file: a header, then zeros with some bytes at the given places. */
async function makeSparse(
  file: string,
  head: Uint8Array,
  size: number,
  places: readonly number[],
): Promise<void> {
  const handle = await fs.open(file, 'w');
  await handle.write(head, 0, head.length, 0);
  for (const at of places) await handle.write(Buffer.from('somewhere'), 0, 9, at);
  await handle.truncate(size);
  await handle.close();
}

function headerOf(sizes: readonly number[]): Buffer {
  const header: Record<string, unknown> = {};
  let at = 0;
  for (const [i, bytes] of sizes.entries()) {
    header[`t${i}`] = { dtype: 'F32', shape: [bytes / 4], data_offsets: [at, at + bytes] };
    at += bytes;
  }
  const text = Buffer.from(JSON.stringify(header));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(text.length));
  return Buffer.concat([length, text]);
}

test('huge: tensors over 2 GiB and 4 GiB and a file over 4 GiB come back bit for bit', async (t) => {
  t.timeout(3_600_000);
  const work = await WorkRepository.make(t);
  const sizes = [2.5 * GIB, 4.5 * GIB];
  const head = headerOf(sizes);
  const modelBytes = head.length + 7 * GIB;
  const places = [GIB, 2.25 * GIB, 4 * GIB + 12_345, modelBytes - 9];
  await makeSparse(work.file('model.safetensors'), head, modelBytes, places);
  await makeSparse(work.file('data.bin'), Buffer.from('data'), 4.25 * GIB, [3 * GIB, 4.125 * GIB]);
  const expected: Record<string, string> = {};
  for (const name of ['model.safetensors', 'data.bin']) {
    expected[name] = await hashOf(work.file(name));
  }
  const { add } = await import('../../lib/use/ops/add.js');
  const { commit } = await import('../../lib/use/ops/commit.js');
  const result = await work.open(async (repo, context) => {
    await add(repo, { paths: Object.keys(expected) }, context);
    return commit(repo, { message: 'huge' }, context);
  });
  t.is(result.tensors, 2);
  t.true(result.storedBytes < 100_000_000);
  for (const name of Object.keys(expected)) await fs.rm(work.file(name));
  await work.open((repo, context) => checkout(repo, { revision: 'HEAD', force: true }, context));
  for (const [name, hash] of Object.entries(expected)) {
    t.is(await hashOf(work.file(name)), hash, name);
  }
  t.deepEqual(await fsckProblems(work.dir), []);
  t.true(process.resourceUsage().maxRSS < 900 * 1024, 'all in one process, the test included');
});
