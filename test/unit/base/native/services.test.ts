/**
 * What the kernel does besides coding: content-defined chunks and distances of sketches, equal to
 * those of TypeScript in every build; and a signal that stops coders on other threads.
 */

import { spawnSync } from 'node:child_process';
import fs, { existsSync } from 'node:fs';
import path from 'node:path';
import test, { type ExecutionContext } from 'ava';
import fc from 'fast-check';
import { AbortedError } from '../../../../lib/base/errors.js';
import { CDC_MAX_BYTES, CDC_MIN_BYTES, CDC_TARGET_BYTES } from '../../../../lib/base/limits.js';
import { abortFlag, load } from '../../../../lib/base/native/kernel.js';
import type { KernelServices } from '../../../../lib/base/native/kernel-types.js';
import { decodeSegment, encodeSegment } from '../../../../lib/pure/codec/segment.js';
import { SKETCH_BYTES_MAX, sketchDistance } from '../../../../lib/pure/codec/sketch.js';
import { PROJECT_ROOT } from '../../../helpers/paths.js';
import { randomBytes } from '../../../helpers/rng.js';
import { tempDir } from '../../../helpers/temp-dir.js';
import { cutChunkSlowly } from '../../../oracles/chunks.js';

const hasAddon = existsSync(path.join(PROJECT_ROOT, 'native/build/kernel.node'));
const builds = (hasAddon ? ['native', 'wasm'] : ['wasm']).map(
  (kind) => [kind, load(kind).services as KernelServices] as const,
);

for (const [kind, services] of builds) {
  test(`services: ${kind} cuts chunks where TypeScript does`, (t) => {
    const noise = randomBytes(CDC_MAX_BYTES + 4000, 7);
    const zeros = new Uint8Array(CDC_MAX_BYTES + 4000);
    const text = noise.map((byte) => 97 + (byte & 3));
    const edges = [0, 1, CDC_MIN_BYTES, CDC_TARGET_BYTES, CDC_MAX_BYTES].flatMap((edge) =>
      [-2, -1, 0, 1, 2, 3, 4, 5].map((near) => Math.max(0, edge + near)),
    );
    for (const bytes of [noise, zeros, text]) {
      for (const length of edges) {
        const part = bytes.subarray(0, length);
        t.is(services.cutChunk(part), cutChunkSlowly(part), `${length} bytes`);
      }
    }
    let cuts = 0;
    for (let at = 0; at < noise.length; cuts++) {
      const rest = noise.subarray(at);
      t.is(services.cutChunk(rest), cutChunkSlowly(rest));
      at += cutChunkSlowly(rest);
    }
    t.true(cuts > 2);
  });

  test(`services: ${kind} measures sketches as TypeScript does`, (t) => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 8 }),
        fc.integer({ min: 1, max: 12 }),
        fc.integer({ min: 0, max: 3 }),
        fc.uint8Array({
          minLength: 9 * (SKETCH_BYTES_MAX + 3),
          maxLength: 9 * (SKETCH_BYTES_MAX + 3),
        }),
        (width, samples, gap, noise) => {
          const length = width * samples;
          const stride = length + gap;
          const rows = noise.subarray(0, 9 * stride);
          // Neighbours: equal, one more, one less.
          for (const [row, step] of [0, 1, 255].entries()) {
            rows.copyWithin(row * stride, 8 * stride, 8 * stride + length);
            const last = row * stride + length - 1;
            rows[last] = (rows[last]! + step) & 255;
          }
          const sketch = rows.slice(8 * stride, 8 * stride + length);
          const sums = services.sketchDistances(sketch, width, rows, stride);
          for (let row = 0; row < 9; row++) {
            const other = rows.subarray(row * stride, row * stride + length);
            t.is(sums[row]! / samples, sketchDistance(sketch, other, width));
          }
          t.is(sums[0], 0);
        },
      ),
    );
  });

  test(`services: ${kind} takes many rows`, (t) => {
    const sketch = randomBytes(96, 1);
    const rows = new Uint8Array(96 * 30_000);
    rows.set(sketch, 96 * 29_999);
    const sums = services.sketchDistances(sketch, 4, rows, 96);
    t.is(sums.length, 30_000);
    t.is(sums[0], sums[29_998]);
    t.is(sums[29_999], 0);
  });
}

const planesOf = (count: number, seed: number): Uint8Array[] =>
  Array.from({ length: 4 }, (_, k) => repeat(randomBytes(1 << 16, seed + k), count));

function repeat(bytes: Uint8Array, count: number): Uint8Array {
  const all = new Uint8Array(count);
  for (let at = 0; at < count; at += bytes.length) {
    all.set(bytes.subarray(0, Math.min(bytes.length, count - at)), at);
  }
  return all;
}

/** Keeps every thread of Node's pool busy until the function that it returns is called. */
async function holdPool(t: ExecutionContext): Promise<() => Promise<void>> {
  const fifo = path.join(await tempDir(t), 'fifo');
  t.is(spawnSync('mkfifo', [fifo]).status, 0);
  const threads = Number(process.env.UV_THREADPOOL_SIZE ?? 4);
  // A thread that opens a pipe for reading waits until somebody opens it for writing.
  const waiting = Array.from({ length: threads }, () => fs.promises.open(fifo, 'r'));
  return async () => {
    const writer = fs.openSync(fifo, 'r+');
    for (const handle of await Promise.all(waiting)) await handle.close();
    fs.closeSync(writer);
  };
}

test('abort: coders that wait for a thread are not begun', async (t) => {
  const planes = planesOf(1 << 16, 1);
  const coded = await encodeSegment(planes, null, { level: 0 });
  const abort = new AbortController();
  const { signal } = abort;
  t.is(abortFlag(signal), abortFlag(signal), 'one flag for each signal');
  const options = { width: 4, count: 1 << 16, wanted: 4, base: null, file: 'x' };
  const release = await holdPool(t);
  const settled = Promise.allSettled([
    ...Array.from({ length: 12 }, () => encodeSegment(planes, null, { level: 2, signal })),
    ...Array.from({ length: 4 }, () => decodeSegment(coded, { ...options, signal })),
  ]);
  abort.abort();
  await release();
  for (const result of await settled) {
    t.true(result.status === 'rejected' && result.reason instanceof AbortedError);
  }
  await t.throwsAsync(encodeSegment(planes, null, { level: 0, signal }), {
    instanceOf: AbortedError,
  });
  await t.throwsAsync(decodeSegment(coded, { ...options, signal }), { instanceOf: AbortedError });
  t.deepEqual(await decodeSegment(coded, options), planes);
});

test('abort: coders at work end with an error or with the right bytes', async (t) => {
  const planes = planesOf(1 << 19, 1);
  const coded = await encodeSegment(planes, null, { level: 2 });
  const abort = new AbortController();
  const { signal } = abort;
  const settled = Promise.allSettled(
    Array.from({ length: 6 }, () => encodeSegment(planes, null, { level: 2, signal })),
  );
  await new Promise((resolve) => setImmediate(resolve));
  abort.abort();
  for (const result of await settled) {
    if (result.status === 'rejected') {
      t.true(result.reason instanceof AbortedError);
    } else {
      for (const part of ['head', 'hi', 'mid', 'low'] as const) {
        t.is(Buffer.compare(result.value[part], coded[part]), 0);
      }
    }
  }
});
