/**
 * Every byte of a small repository flipped, one at a time: fsck says so, and what is read is exact or
 * an error, never something else. No byte is unused but those of config.
 */
import fs from 'node:fs/promises';
import path from 'node:path';
import type { ExecutionContext } from 'ava';
import glob from 'fast-glob';
import type { Id } from '../../lib/base/bytes/hash.js';
import { resolveId } from '../../lib/use/history/lines/resolve.js';
import { add } from '../../lib/use/ops/add.js';
import { commit } from '../../lib/use/ops/commit.js';
import { init } from '../../lib/use/ops/init.js';
import { createTag } from '../../lib/use/ops/tag.js';
import { noProgress } from '../../lib/use/progress.js';
import { Repository } from '../../lib/use/repository.js';
import { memoryDir } from '../helpers/temp-dir.js';
import { safetensors } from './model-files.js';
import { type Acknowledged, fsckProblems, hashFiles, isOurs, rebuildVersion } from './record.js';

/** A file of little entropy, so that the repository has few bytes: two extents, one small tensor. */
function smallModel(step: number): Buffer {
  const f32 = new Float32Array(4200).map((_, i) => (i % 97 === step ? step : (i >> 9) / 8));
  const f64 = new Float64Array(2100).map((_, i) => (i % 89 === 2 * step ? 0.5 : i >> 8));
  const view = (array: Float32Array | Float64Array) => new Uint8Array(array.buffer);
  return safetensors(
    [
      { name: 'w', dtype: 'F32', shape: [4200], bytes: view(f32) },
      { name: 'v', dtype: 'F64', shape: [2100], bytes: view(f64) },
      { name: 'b', dtype: 'U8', shape: [3], bytes: Uint8Array.of(1, 2, step) },
    ],
    { step: String(step) },
  );
}

interface Sample {
  dir: string;
  acknowledged: Acknowledged;
  /** Revision → version. */
  names: Map<string, Id>;
}

async function makeSample(t: ExecutionContext): Promise<Sample> {
  const dir = await memoryDir(t);
  const context = { cwd: dir, progress: noProgress, warn: () => {} };
  await init(context, { model: 'm' });
  const acknowledged: Acknowledged = new Map();
  const names = new Map<string, Id>();
  for (const step of [1, 2]) {
    await fs.writeFile(path.join(dir, 'model.safetensors'), smallModel(step));
    await fs.writeFile(path.join(dir, 'notes.txt'), `step ${step}\n`);
    const repo = await Repository.open(dir);
    await add(repo, { paths: ['.'] }, context);
    const { version } = await commit(repo, { message: `step ${step}`, all: true }, context);
    if (step === 1) await createTag(repo, { name: 'first', revision: 'HEAD' }, context);
    await repo.close();
    acknowledged.set(version, await hashFiles(dir));
    names.set(`m@${step}`, version);
    names.set(step === 1 ? 'first' : 'HEAD', version);
  }
  return { dir, acknowledged, names };
}

/** What is read wrong, with no error saying so. */
async function readWrong(sample: Sample): Promise<string[]> {
  const wrong: string[] = [];
  const guarded = async (what: string, read: () => Promise<string | null>): Promise<void> => {
    try {
      const message = await read();
      if (message !== null) wrong.push(`${what}: ${message}`);
    } catch (error) {
      if (!isOurs(error)) wrong.push(`${what}: ${(error as Error).stack}`);
    }
  };
  let repo: Repository;
  try {
    repo = await Repository.open(sample.dir);
  } catch (error) {
    return isOurs(error) ? [] : [`open: ${(error as Error).stack}`];
  }
  for (const [name, id] of sample.names) {
    await guarded(name, async () => {
      const found = await resolveId(repo, name);
      return found === id ? null : `is ${found}`;
    });
  }
  for (const [id, files] of sample.acknowledged) {
    await guarded(id, async () => {
      const found = await rebuildVersion(repo, id);
      return JSON.stringify(found) === JSON.stringify(files) ? null : JSON.stringify(found);
    });
  }
  await repo.close();
  return wrong;
}

/** Flips every `stride`-th byte, from byte `first` on. @returns how many bytes were flipped. */
export async function flipBytes(
  t: ExecutionContext,
  stride: number,
  first: number,
): Promise<number> {
  const sample = await makeSample(t);
  t.deepEqual(await fsckProblems(sample.dir), []);
  t.deepEqual(await readWrong(sample), []);
  // The one file without a checksum, under both of its names.
  const ignore = ['.dlv/config', '.dlv/kept/config'];
  const files = await glob('.dlv/**', { cwd: sample.dir, dot: true, ignore });
  let position = 0;
  let flips = 0;
  for (const name of files.sort()) {
    const file = path.join(sample.dir, name);
    const bytes = await fs.readFile(file);
    const handle = await fs.open(file, 'r+');
    for (let at = 0; at < bytes.length; at++) {
      if (position++ % stride !== first) continue;
      const mask = flips++ % 2 === 0 ? 0x01 : 0xff;
      await handle.write(Buffer.of(bytes[at]! ^ mask), 0, 1, at);
      const where = `'${name}', byte ${at} ^ ${mask}`;
      t.not((await fsckProblems(sample.dir)).length, 0, `${where}: fsck finds nothing`);
      t.deepEqual(await readWrong(sample), [], where);
      await handle.write(bytes, at, 1, at);
    }
    await handle.close();
  }
  t.deepEqual(await fsckProblems(sample.dir), []);
  t.log(`${flips} of ${position} bytes flipped`);
  return flips;
}
