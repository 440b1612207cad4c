/**
 * Goal: whatever JavaScript passes, every build of the kernel refuses it with the same words and the
 * number of a wrong argument, and takes what differs in nothing that matters.
 * Method: one table of wrong calls, tried on each build; getters that take memory away in the middle
 * of a call.
 */

import test from 'ava';
import { ERROR_ARGUMENT } from '../../../../lib/base/native/failure.js';
import { kernelError, load } from '../../../../lib/base/native/kernel.js';
import type { Kernel } from '../../../../lib/base/native/kernel-types.js';
import { growable, resizable, resize, shared } from '../../../helpers/buffers.js';
import { HAS_ADDON, KERNEL_KINDS, kernelOf } from '../../../helpers/kernels.js';

type Call = (kernel: Kernel) => unknown;

const COUNT = 64;
const MIB4 = 1 << 22;
const bytes = (length = COUNT): Uint8Array => new Uint8Array(length).fill(7);
const planes = (width: number, length = COUNT): Uint8Array[] =>
  Array.from({ length: width }, (_, k) => new Uint8Array(length).fill(k));
/** Types are what is violated here. */
// biome-ignore lint/suspicious/noExplicitAny: stands for any value that JavaScript can pass
const wrong = (value: unknown): any => value;

const encode =
  (...args: unknown[]): Call =>
  (kernel) =>
    (kernel.encode as (...a: unknown[]) => Promise<unknown>)(...args);
const decode =
  (...args: unknown[]): Call =>
  (kernel) =>
    (kernel.decode as (...a: unknown[]) => Promise<unknown>)(...args);

const NONE = [bytes(0), bytes(0), bytes(0)];
const HEAD = Uint8Array.of(2, 0, 0, 0, 7);
const room = bytes(4 * COUNT);
const own = planes(1);

/** What is passed, and how it is refused. */
const WRONG: Readonly<Record<string, readonly [Call, string]>> = {
  'no arguments': [encode(), "'planes' is not an array of 1 to 8 Uint8Arrays"],
  'planes: a string': [
    encode('x', null, 1, false),
    "'planes' is not an array of 1 to 8 Uint8Arrays",
  ],
  'planes: like an array': [
    encode({ length: 1, 0: bytes() }, null, 1, false),
    "'planes' is not an array of 1 to 8 Uint8Arrays",
  ],
  'planes: none': [encode([], null, 1, false), "'planes' is not an array of 1 to 8 Uint8Arrays"],
  'planes: nine': [
    encode(planes(9), null, 1, false),
    "'planes' is not an array of 1 to 8 Uint8Arrays",
  ],
  'planes: 4 billion': [
    encode(wrong(new Array(2 ** 32 - 1)), null, 1, false),
    "'planes' is not an array of 1 to 8 Uint8Arrays",
  ],
  'planes: a hole': [encode(new Array(1), null, 1, false), "'planes[0]' is not a Uint8Array"],
  'planes: of 16 bits': [
    encode([new Uint16Array(COUNT)], null, 1, false),
    "'planes[0]' is not a Uint8Array",
  ],
  'planes: clamped': [
    encode([new Uint8ClampedArray(COUNT)], null, 1, false),
    "'planes[0]' is not a Uint8Array",
  ],
  'planes: a buffer': [encode([bytes().buffer], null, 1, false), "'planes[0]' is not a Uint8Array"],
  'planes: empty': [
    encode(planes(2, 0), null, 1, false),
    `'planes[0]' has 0 bytes, not 1 to ${MIB4}`,
  ],
  'planes: too long': [
    encode(planes(1, MIB4 + 1), null, 1, false),
    `'planes[0]' has ${MIB4 + 1} bytes, not 1 to ${MIB4}`,
  ],
  'planes: of two lengths': [
    encode([bytes(), bytes(COUNT - 1)], null, 1, false),
    `'planes[1]' has ${COUNT - 1} bytes, not ${COUNT}`,
  ],
  'base: missing': [
    encode(planes(2), undefined, 1, false),
    "'base' is not an array of 2 Uint8Arrays",
  ],
  'base: of another width': [
    encode(planes(2), planes(3), 1, false),
    "'base' is not an array of 2 Uint8Arrays",
  ],
  'base: shorter': [
    encode(planes(2), planes(2, COUNT - 1), 1, false),
    `'base[0]' has ${COUNT - 1} bytes, not ${COUNT}`,
  ],
  'level: too high': [
    encode(planes(1), null, 3, false),
    "'level' is not a whole number from 0 to 2",
  ],
  'level: a fraction': [
    encode(planes(1), null, 0.5, false),
    "'level' is not a whole number from 0 to 2",
  ],
  'level: NaN': [
    encode(planes(1), null, Number.NaN, false),
    "'level' is not a whole number from 0 to 2",
  ],
  'level: beyond 32 bits': [
    encode(planes(1), null, 2 ** 32, false),
    "'level' is not a whole number from 0 to 2",
  ],
  'level: a string': [
    encode(planes(1), null, '1', false),
    "'level' is not a whole number from 0 to 2",
  ],
  'noPrefix: a number': [encode(planes(1), null, 1, 0), "'noPrefix' is not a boolean"],
  'abort: memory that can be detached': [
    encode(planes(1), null, 1, false, new Int32Array(1)),
    "'abort' is not an Int32Array of one number in a SharedArrayBuffer",
  ],
  'abort: two numbers': [
    encode(planes(1), null, 1, false, new Int32Array(new SharedArrayBuffer(8))),
    "'abort' is not an Int32Array of one number in a SharedArrayBuffer",
  ],
  'abort: null': [
    encode(planes(1), null, 1, false, null),
    "'abort' is not an Int32Array of one number in a SharedArrayBuffer",
  ],
  'room: a number': [encode(planes(1), null, 1, false, undefined, 9), "'room' is not a Uint8Array"],
  'room: over a plane': [
    encode([room.subarray(2, 2 + COUNT)], null, 1, false, undefined, room),
    "'room' overlaps 'planes'",
  ],
  'room: over the base': [
    encode(planes(1), [room.subarray(2, 2 + COUNT)], 1, false, undefined, room),
    "'room' overlaps 'base'",
  ],
  'shares: a number': [
    encode(planes(1), null, 1, false, undefined, undefined, 1),
    "'shares' is not a boolean",
  ],
  'head: missing': [decode(null, NONE, null, COUNT, 1, 1), "'head' is not a Uint8Array"],
  'classes: two': [
    decode(HEAD, NONE.slice(1), null, COUNT, 1, 1),
    "'classes' is not an array of 3 Uint8Arrays",
  ],
  'classes: null': [
    decode(HEAD, [bytes(0), null, bytes(0)], null, COUNT, 1, 1),
    "'classes[1]' is not a Uint8Array",
  ],
  'count: 0': [
    decode(HEAD, NONE, null, 0, 1, 1),
    `'count' is not a whole number from 1 to ${MIB4}`,
  ],
  'count: huge': [
    decode(HEAD, NONE, null, 2 ** 32 + COUNT, 1, 1),
    `'count' is not a whole number from 1 to ${MIB4}`,
  ],
  'count: negative': [
    decode(HEAD, NONE, null, -1, 1, 1),
    `'count' is not a whole number from 1 to ${MIB4}`,
  ],
  'count: a big integer': [
    decode(HEAD, NONE, null, 64n, 1, 1),
    `'count' is not a whole number from 1 to ${MIB4}`,
  ],
  'width: 9': [decode(HEAD, NONE, null, COUNT, 9, 1), "'width' is not a whole number from 1 to 8"],
  'wanted: more than the width': [
    decode(HEAD, NONE, null, COUNT, 2, 3),
    "'wanted' is not a whole number from 1 to 2",
  ],
  'decode, base: no planes': [
    decode(HEAD, NONE, [], COUNT, 2, 2),
    "'base' is not an array of 1 to 8 Uint8Arrays",
  ],
  'decode, base: shorter': [
    decode(HEAD, NONE, planes(1, 3), COUNT, 1, 1),
    `'base[0]' has 3 bytes, not ${COUNT}`,
  ],
  'out: null': [
    decode(HEAD, NONE, null, COUNT, 1, 1, null),
    "'out' is not an array of 1 Uint8Arrays",
  ],
  'out: too many': [
    decode(HEAD, NONE, null, COUNT, 1, 1, planes(2)),
    "'out' is not an array of 1 Uint8Arrays",
  ],
  'out: longer': [
    decode(HEAD, NONE, null, COUNT, 1, 1, planes(1, COUNT + 1)),
    `'out[0]' has ${COUNT + 1} bytes, not ${COUNT}`,
  ],
  'out: the base': [decode(HEAD, NONE, own, COUNT, 1, 1, own), "'out' overlaps 'base'"],
  'out: the same plane twice': [
    decode(HEAD, NONE, null, COUNT, 2, 2, [own[0], own[0]]),
    "'out[1]' overlaps 'out[0]'",
  ],
  'out: over a payload': [
    decode(HEAD, [room, bytes(0), bytes(0)], null, COUNT, 1, 1, [room.subarray(1, 1 + COUNT)]),
    "'out' overlaps 'classes'",
  ],
  'out: over the head': [
    decode(room.subarray(0, 5), NONE, null, COUNT, 1, 1, [room.subarray(4, 4 + COUNT)]),
    "'out' overlaps 'head'",
  ],
};

for (const [what, [call, message]] of Object.entries(WRONG)) {
  test(`arguments: ${what}`, async (t) => {
    for (const kind of KERNEL_KINDS) {
      const error = await t.throwsAsync(async () => call(kernelOf(kind)), { message }, kind);
      t.is((error as unknown as { kernel: number }).kernel, ERROR_ARGUMENT, kind);
      t.regex(kernelError(error, 'a.bin').message, /^the kernel does not take 'a\.bin': '/);
    }
  });
}

test('arguments: what a getter throws is what the promise is rejected with', async (t) => {
  const thrown = new RangeError('mine');
  const list = [bytes(), bytes()];
  Object.defineProperty(list, 1, {
    get() {
      throw thrown;
    },
  });
  for (const kind of KERNEL_KINDS) {
    t.is(await t.throwsAsync(kernelOf(kind).encode(list, null, 1, false)), thrown as Error, kind);
  }
});

test('arguments: memory of every kind is taken, wherever it begins', async (t) => {
  const content = new Uint8Array(COUNT).map((_, i) => (i * i) % 251);
  const kinds: Record<string, Uint8Array> = {
    Buffer: Buffer.from(content),
    shared: shared(COUNT),
    growable: growable(COUNT, 2 * COUNT),
    resizable: resizable(COUNT, 2 * COUNT),
    'length-tracking': new Uint8Array(resizable(COUNT + 3, 2 * COUNT).buffer, 3),
    'in the middle': new Uint8Array(2 * COUNT).subarray(5, 5 + COUNT),
    'of the kernel': load(KERNEL_KINDS[0])
      .allocate(1 << 20)
      .subarray(9, 9 + COUNT),
  };
  for (const kind of KERNEL_KINDS) {
    const kernel = kernelOf(kind);
    const expected = await kernel.encode([content], null, 1, false);
    const classes = [expected.hi, expected.mid, expected.low] as const;
    for (const [name, plane] of Object.entries(kinds)) {
      plane.set(content);
      t.deepEqual(
        await kernelOf(kind).encode([plane], null, 1, false),
        expected,
        `${kind} ${name}`,
      );
      plane.fill(0);
      const out = await kernelOf(kind).decode(expected.head, classes, null, COUNT, 1, 1, [plane]);
      t.is(out[0], plane);
      t.deepEqual([...plane], [...content], `${kind} ${name}`);
    }
  }
});

if (HAS_ADDON) {
  const native = () => load('native').native!;

  /** An array whose element `at` is read through a getter, which runs `act` before it answers. */
  const trap = (list: Uint8Array[], at: number, act: () => void): Uint8Array[] => {
    const value = list[at] as Uint8Array;
    Object.defineProperty(list, at, {
      get() {
        act();
        return value;
      },
    });
    return list;
  };

  test('arguments: a getter that shrinks what was read before is seen', async (t) => {
    const shrinks = (message: string, call: (list: Uint8Array[], first: Uint8Array) => unknown) => {
      const first = resizable(COUNT, COUNT);
      const list = trap([first, bytes()], 1, () => resize(first, 0));
      return t.throwsAsync(async () => call(list, first), { message });
    };
    const second = `'planes[1]' has ${COUNT} bytes, not 0`;
    await shrinks(second, (list) => native().splitInto(bytes(2 * COUNT), list));
    await shrinks(second, (list) => native().merge(list, bytes(2 * COUNT)));
    await shrinks(`'planes[0]' has 0 bytes, not 1 to ${MIB4}`, (list) =>
      native().encode(list, null, 1, false),
    );
    await shrinks(`'parts[1]' has ${COUNT} bytes, not 0`, (list) =>
      native().sha256Many(bytes(8), list),
    );
    await shrinks(`'out[0]' has 0 bytes, not ${COUNT}`, (list) =>
      native().decode(HEAD, wrong(NONE), null, COUNT, 2, 2, list),
    );
    // Of another argument than the one with the getter.
    const source = resizable(2 * COUNT, 2 * COUNT);
    const list = trap(planes(2), 0, () => resize(source, 0));
    t.throws(() => native().splitInto(source, list), {
      message: `'bytes' has 0 bytes, not ${2 * COUNT}`,
    });
  });

  test('arguments: elements and planes have to fit and to lie apart', (t) => {
    const refused = (message: string, call: () => unknown) =>
      t.is((t.throws(call, { message }) as unknown as { kernel: number }).kernel, ERROR_ARGUMENT);
    const whole = bytes(4 * COUNT);
    const inside = [whole.subarray(0, COUNT), bytes(), bytes(), bytes()];
    const { splitInto, merge, cutChunk, sketchDistances } = native();
    refused("'bytes' has 255 bytes, not 256", () => splitInto(bytes(255), planes(4)));
    refused("'target' has 257 bytes, not 256", () => merge(planes(4), bytes(257)));
    refused("'planes[0]' overlaps 'bytes'", () => splitInto(whole, inside));
    refused("'target' overlaps 'planes'", () => merge(inside, whole));
    refused("'planes[1]' overlaps 'planes[0]'", () =>
      splitInto(
        bytes(128),
        [room, room].map((r) => r.subarray(0, 64)),
      ),
    );
    refused("'bytes' is not a Uint8Array", () => cutChunk(wrong(new DataView(new ArrayBuffer(9)))));
    refused("'bytes' is not a Uint8Array", () => native().lz4BytesMin(wrong('yes')));
    refused("'width' is not a whole number from 1 to 8", () =>
      sketchDistances(bytes(), 0, bytes(), 64),
    );
    refused("'stride' is not a whole number from 1 to 4294967295", () =>
      sketchDistances(bytes(), 4, bytes(), 0),
    );
    refused("'sketch' has 64 bytes, in rows of 63", () =>
      sketchDistances(bytes(), 4, bytes(63), 63),
    );
    refused("'rows' has 65 bytes, in rows of 64", () => sketchDistances(bytes(), 4, bytes(65), 64));
    refused("'bytes' is not a whole number from 1 to 1073741824", () => native().allocate(2 ** 31));
    refused("'bytes' is not a whole number from 1 to 1073741824", () => native().keep(0));
    refused("'on' is not a boolean", () => native().forcePortable(wrong('yes')));
    splitInto(bytes(0), planes(4, 0));
    merge(planes(3, 0), bytes(0));
    t.is(cutChunk(bytes(0)), 0);
    t.deepEqual(sketchDistances(bytes(), 4, bytes(0), 64), new Uint32Array(0));
  });
}
