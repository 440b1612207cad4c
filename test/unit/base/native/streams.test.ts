/**
 * Planes that the kernel writes to files and reads back: the bytes, and the sha256 of file and planes, are
 * those of Node; a write that ends early says how far it came; memory of other origin is left alone.
 */
import { createHash } from 'node:crypto';
import fs from 'node:fs/promises';
import path from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { RunningSha256 } from '../../../../lib/base/bytes/hash.js';
import { loadKernel } from '../../../../lib/base/native/kernel.js';
import { mergePlanes, swapBytes } from '../../../../lib/pure/tensor/planes.js';
import { randomBytes } from '../../../helpers/rng.js';
import { tempDir } from '../../../helpers/temp-dir.js';

const { native } = loadKernel();
/** A test of the addon on processors with instructions for sha256; elsewhere Node does all of this. */
function whenStreaming(title: string, run: (t: ExecutionContext) => Promise<void>): void {
  test(title, async (t) => {
    if (native !== null && native.sha256State() !== null) return run(t);
    t.log('no addon, or no instructions for sha256');
    t.pass();
  });
}

const PREFIX = Buffer.from('prefix\0');
/** Several pieces of 256 KiB and a part of one. */
const COUNT = 300_001;

function sha256(...parts: readonly Uint8Array[]): string {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part);
  return hash.digest('hex');
}

/** Planes in memory of the kernel, not at its start. */
function planesOf(width: number, seed: number): Uint8Array[] {
  return Array.from({ length: width }, (_, k) => {
    const plane = native!.allocate(COUNT + 7).subarray(5, 5 + COUNT);
    plane.set(randomBytes(COUNT, seed + k));
    return plane;
  });
}

test('streams: a running sha256 of pieces of any length is that of Node', (t) => {
  const bytes = randomBytes(4000, 3);
  for (let step = 0; step < 200; step += 7) {
    const hash = new RunningSha256();
    for (let at = 0; at < bytes.length; at += step + 1) {
      hash.update(bytes.subarray(at, at + step + 1));
    }
    t.is(hash.digest(), sha256(bytes), `pieces of ${step + 1}`);
  }
  t.is(new RunningSha256().digest(), sha256());
});

whenStreaming('streams: planes become the bytes of a file, and come back', async (t) => {
  const file = path.join(await tempDir(t), 'file');
  for (const width of [1, 2, 4, 8]) {
    for (const bigEndian of [false, true]) {
      const planes = planesOf(width, 10 * width);
      const expected = new Uint8Array(width * COUNT);
      mergePlanes(planes, width, expected);
      if (bigEndian) swapBytes(expected, width);
      const written = native!.sha256State()!;
      native!.sha256Update(written, PREFIX);
      const handle = await fs.open(file, 'w+');
      await handle.write(PREFIX);
      const wrote = await native!.writePlanes(handle.fd, planes, bigEndian, written, 2 ** 31);
      t.is(wrote, expected.length);
      const found = await fs.readFile(file);
      t.is(Buffer.compare(found.subarray(PREFIX.length), expected), 0);
      t.is(Buffer.from(native!.sha256Digest(written)).toString('hex'), sha256(found));

      const read = native!.sha256State()!;
      native!.sha256Update(read, PREFIX);
      const back = planesOf(width, 999);
      const answer = await native!.readPlanes(
        handle.fd,
        PREFIX.length,
        back,
        bigEndian,
        read,
        PREFIX,
      );
      t.is(answer.bytes, expected.length);
      for (const [k, plane] of planes.entries()) {
        t.is(Buffer.compare(back[k]!, plane), 0);
        const digest = answer.digests.subarray(32 * k, 32 * (k + 1));
        t.is(Buffer.from(digest).toString('hex'), sha256(PREFIX, plane));
      }
      t.is(Buffer.from(native!.sha256Digest(read)).toString('hex'), sha256(found));
      await handle.close();
    }
  }
});

whenStreaming('streams: a write or read that ends early says how far it came', async (t) => {
  const file = path.join(await tempDir(t), 'file');
  const planes = planesOf(4, 1);
  const expected = new Uint8Array(4 * COUNT);
  mergePlanes(planes, 4, expected);
  const handle = await fs.open(file, 'w+');
  const state = native!.sha256State()!;
  t.is(await native!.writePlanes(handle.fd, planes, false, state, 300_000), 300_000);
  t.is(Buffer.compare(await fs.readFile(file), expected.subarray(0, 300_000)), 0);
  t.is(Buffer.from(native!.sha256Digest(state)).toString('hex'), sha256(expected));
  // Whole pieces are read; of the state, only they are in it.
  const read = native!.sha256State()!;
  const { bytes } = await native!.readPlanes(handle.fd, 0, planes, false, read, PREFIX);
  t.is(bytes, 262_144);
  const start = expected.subarray(0, bytes);
  t.is(Buffer.from(native!.sha256Digest(read)).toString('hex'), sha256(start));
  const onlyRead = await fs.open(file, 'r');
  t.is(await native!.writePlanes(onlyRead.fd, planes, false, native!.sha256State()!, 2 ** 31), 0);
  await onlyRead.close();
  await handle.close();
});

whenStreaming('streams: memory that JavaScript could take away is not used', async (t) => {
  const file = path.join(await tempDir(t), 'file');
  const handle = await fs.open(file, 'w+');
  const own = [new Uint8Array(1000), new Uint8Array(1000)];
  const state = native!.sha256State()!;
  t.is(await native!.writePlanes(handle.fd, own, false, state, 2 ** 31), -1);
  const ofNode = new Uint8Array(state.length);
  t.is(await native!.writePlanes(handle.fd, planesOf(2, 1), false, ofNode, 2 ** 31), -1);
  const { bytes } = await native!.readPlanes(handle.fd, 0, own, false, state, PREFIX);
  t.is(bytes, 0);
  t.is(Buffer.from(native!.sha256Digest(state)).toString('hex'), sha256());
  t.is((await handle.stat()).size, 0);
  await handle.close();
});

whenStreaming('streams: wrong arguments are refused', async (t) => {
  const planes = planesOf(2, 1);
  const state = native!.sha256State()!;
  const refused = { message: /^'(fd|offset|planes|state|prefix|bigEndian|most)/ };
  const write = (...args: unknown[]) =>
    native!.writePlanes(...(args as [number, [], false, Uint8Array, 0]));
  const read = (...args: unknown[]) =>
    native!.readPlanes(...(args as [number, number, [], false, Uint8Array, Uint8Array]));
  for (const args of [
    [-1, planes, false, state, 1],
    [0, [], false, state, 1],
    [0, planes, 1, state, 1],
    [0, planes, false, state.subarray(1), 1],
    [0, [planes[0], new Uint8Array(3)], false, state, 1],
    [0, planes, false, state, -1],
  ]) {
    await t.throwsAsync(() => write(...args), refused);
  }
  for (const args of [
    [0, -1, planes, false, state, PREFIX],
    [0, 2 ** 54, planes, false, state, PREFIX],
    [0, 0, [planes[0], planes[0]], false, state, PREFIX],
    [0, 0, planes, false, state, new Uint8Array(64)],
    [0, 0, planes, false, planes[0], PREFIX],
  ]) {
    await t.throwsAsync(() => read(...args), refused);
  }
  t.throws(() => native!.sha256Update(new Uint8Array(3), PREFIX), refused);
});
