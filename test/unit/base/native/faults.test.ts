/**
 * Goal: whatever fails inside the addon, a promise is settled, nothing is leaked and nothing crashes.
 * Method: each call of N-API and of the allocator fails in turn, once or from then on; the addon is one
 * that is built for this (native/checks/faults.h), which native/checks/sanitize.mjs runs.
 */

import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import test, { type ExecutionContext } from 'ava';
import { load } from '../../../../lib/base/native/kernel.js';
import type { NativeKernel } from '../../../../lib/base/native/kernel-types.js';
import { HAS_ADDON } from '../../../helpers/kernels.js';
import { seededRandom } from '../../../helpers/rng.js';

/** What the addon exports when it is built for tests. */
interface Faults {
  /** Lets the n-th call from now on fail, and all later ones if `forever`; 0: none. */
  failAt(n: number, forever: boolean): void;
  /** Calls left until one fails (0 or less: it did); blocks and handles in use. */
  faultState(): [left: number, blocks: number, handles: number];
}

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

const native = (HAS_ADDON ? load('native').native : null) as (NativeKernel & Faults) | null;

/** More calls than any operation makes. */
const CALLS_MAX = 2000;

/** Blocks and handles in use once everything is collected that can be. */
async function inUse({ faultState }: Faults): Promise<number[]> {
  for (let round = 0; round < 4; round++) {
    collect();
    await new Promise((resolve) => setImmediate(resolve));
  }
  return faultState().slice(1);
}

interface Tried {
  operation: () => unknown;
  /** Compares what the operation gives, if it gives anything. */
  check: (given: unknown) => void;
}

/** Tries an operation with every failure. @returns how many of the calls were rejected. */
async function failInTurn(
  t: ExecutionContext,
  addon: NativeKernel & Faults,
  forever: boolean,
  { operation, check }: Tried,
): Promise<number> {
  let failures = 0;
  for (let n = 1; n < CALLS_MAX; n++) {
    addon.failAt(n, forever);
    const [result] = await Promise.allSettled([(async () => operation())()]);
    const [left] = addon.faultState();
    addon.failAt(0, false);
    if (result?.status === 'fulfilled') check(result.value);
    if (result?.status === 'rejected') failures++;
    if (left > 0) return failures;
  }
  t.fail(`more than ${CALLS_MAX} calls`);
  return failures;
}

async function failEverywhere(
  t: ExecutionContext,
  addon: NativeKernel & Faults,
  name: string,
  tried: Tried,
): Promise<void> {
  const before = await inUse(addon);
  for (const forever of [false, true]) {
    t.true((await failInTurn(t, addon, forever, tried)) > 0, name);
  }
  t.deepEqual(await inUse(addon), before, `${name}: blocks and handles in use`);
}

if (native === null || !('failAt' in native)) {
  test('faults: everything that can fail inside the addon', (t) => {
    t.log('SKIPPED: this addon has no failures on demand: native/checks/sanitize.mjs runs this');
    t.pass();
  });
} else {
  const { allocate } = load('native');
  const random = seededRandom(2);
  const noise = (length: number): Uint8Array =>
    new Uint8Array(length).map(() => Math.floor(random() * random() * 256));
  const kept = (plane: Uint8Array): Uint8Array => {
    const memory = native.allocate(plane.length);
    memory.set(plane);
    return memory;
  };

  for (const [size, count] of [
    ['short', 300],
    ['long', 70_000],
  ] as const) {
    const base = [noise(count), noise(count)];
    const child = base.map((plane) => plane.map((byte) => (random() < 0.4 ? byte + 1 : byte)));
    const [ownChild, ownBase] = [child.map(kept), base.map(kept)];
    const flag = new Int32Array(new SharedArrayBuffer(4));

    test.serial(`faults: encoding ${size} planes`, async (t) => {
      const coded = await native.encode(child, base, 1, false);
      const same = (given: unknown) => t.deepEqual(given, coded);
      const room = native.allocate(2 * count);
      await failEverywhere(t, native, 'copies', {
        operation: () => native.encode(child, base, 1, false, flag),
        check: same,
      });
      await failEverywhere(t, native, 'in place', {
        operation: () => native.encode(ownChild, ownBase, 1, false, undefined, room),
        check: same,
      });
      const last = native.allocate(count);
      for (let i = 0; i < count; i++) last[i] = 256 * random();
      const three = [...ownChild, last];
      const unshared = await native.encode(three, null, 1, false);
      await failEverywhere(t, native, 'a plane that is a payload', {
        operation: () => native.encode(three, null, 1, false, undefined, undefined, true),
        check: (given) => t.deepEqual(given, unshared),
      });
      const alone = await native.encode(child, null, 2, true);
      await failEverywhere(t, native, 'alone', {
        operation: () => native.encode(ownChild, null, 2, true),
        check: (given) => t.deepEqual(given, alone),
      });
    });

    test.serial(`faults: decoding ${size} planes`, async (t) => {
      const { head, hi, mid, low } = await native.encode(child, base, 1, false);
      const decode = (under: Uint8Array[], out?: Uint8Array[]) => () =>
        native.decode(head, [hi, mid, low], under, count, 2, 2, out, flag);
      const same = (given: unknown) => t.deepEqual(given, child);
      await failEverywhere(t, native, 'fresh', { operation: decode(base), check: same });
      await failEverywhere(t, native, 'in place', {
        operation: decode(ownBase, child.map(kept)),
        check: same,
      });
      const copies = child.map((plane) => new Uint8Array(plane.length));
      await failEverywhere(t, native, 'copies', { operation: decode(base, copies), check: same });
    });

    test.serial(`faults: hashing, splitting and joining ${size} planes`, async (t) => {
      const prefix = noise(8);
      const digests = await native.sha256Many(prefix, child);
      const same = (given: unknown) => t.deepEqual(given, digests);
      await failEverywhere(t, native, 'hash', {
        operation: () => native.sha256Many(prefix, ownChild),
        check: same,
      });
      const bytes = new Uint8Array(2 * count);
      const nothing = (given: unknown) => t.is(given, undefined);
      await failEverywhere(t, native, 'merge', {
        operation: () => native.merge(child, bytes),
        check: nothing,
      });
      const planes = child.map((plane) => new Uint8Array(plane.length));
      await failEverywhere(t, native, 'split', {
        operation: () => native.splitInto(bytes, planes),
        check: nothing,
      });
      const cut = native.cutChunk(bytes);
      await failEverywhere(t, native, 'cut', {
        operation: () => native.cutChunk(bytes),
        check: (given) => t.is(given, cut),
      });
      const least = native.lz4BytesMin(bytes);
      await failEverywhere(t, native, 'lz4', {
        operation: () => native.lz4BytesMin(bytes),
        check: (given) => t.is(given, least),
      });
      const [sketch, rows] = [bytes.subarray(0, 8), bytes.subarray(0, 80)];
      const sums = native.sketchDistances(sketch, 2, rows, 8);
      await failEverywhere(t, native, 'sketches', {
        operation: () => native.sketchDistances(sketch, 2, rows, 8),
        check: (given) => t.deepEqual(given, sums),
      });
      await failEverywhere(t, native, 'allocate', {
        operation: () => native.allocate(count),
        check: (given) => t.is((given as Uint8Array).length, count),
      });
      t.is(allocate(count).length, count);
    });
  }
}
