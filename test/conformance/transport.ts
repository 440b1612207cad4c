/**
 * What every transport promises. One is tested by calling `transportSuite` once; one that only reads is filled
 * by what `make` gives beside it.
 */
import test, { type ExecutionContext } from 'ava';
import { DlvError } from '../../lib/base/errors.js';
import { bytesSource, type Transport } from '../../lib/storage/exchange/transports/transport.js';

/** A transport to an empty place, and a way to put objects there behind its back. */
export interface TestedTransport {
  transport: Transport;
  put(name: string, bytes: Uint8Array): Promise<void>;
}

export type MakeTransport = (t: ExecutionContext) => Promise<TestedTransport>;

/** Bytes that tell their places: `i mod 251`. */
export function pattern(length: number): Uint8Array {
  return new Uint8Array(length).map((_, i) => i % 251);
}

/** Reads a part of an object. */
export async function readPart(
  transport: Transport,
  name: string,
  start: number,
  end: number,
): Promise<Uint8Array> {
  const pieces: Uint8Array[] = [];
  await transport.read(name, { start, end }, async (bytes) => {
    pieces.push(new Uint8Array(bytes));
  });
  return Buffer.concat(pieces);
}

const PACK = `packs/${'a'.repeat(32)}.hi`;
/** More than one piece of a transfer. */
const LARGE = 9 * 1024 * 1024 + 17;

/** Declares the tests of one kind of transport; `name` tells their titles apart. */
export function transportSuite(name: string, make: MakeTransport): void {
  const open: MakeTransport = async (t) => {
    const tested = await make(t);
    t.teardown(() => tested.transport.close());
    return tested;
  };

  test(`${name}: what is not there is null, or an error that says so`, async (t) => {
    const { transport } = await open(t);
    t.is(await transport.load('remote', 1000), null);
    const error = await t.throwsAsync(readPart(transport, PACK, 0, 4), { instanceOf: DlvError });
    t.is((error as DlvError).data.missing, true);
  });

  test(`${name}: gives any part of an object`, async (t) => {
    const { transport, put } = await open(t);
    const bytes = pattern(LARGE);
    await put(PACK, bytes);
    for (const [start, end] of [
      [0, LARGE],
      [1, 2],
      [4_000_000, 9_000_000],
      [LARGE - 3, LARGE],
    ] as const) {
      const part = await readPart(transport, PACK, start, end);
      t.is(Buffer.compare(part, bytes.subarray(start, end)), 0, `${start}–${end}`);
    }
    t.true(transport.traffic.receivedBytes >= LARGE);
  });

  test(`${name}: an object that ends early is an error`, async (t) => {
    const { transport, put } = await open(t);
    await put(PACK, pattern(100));
    await t.throwsAsync(readPart(transport, PACK, 90, 110), { instanceOf: DlvError });
    await t.throwsAsync(readPart(transport, PACK, 100, 110), { instanceOf: DlvError });
  });

  test(`${name}: a small object above its bound is refused`, async (t) => {
    const { transport, put } = await open(t);
    await put('remote', pattern(2000));
    await t.throwsAsync(transport.load('remote', 1000), { code: 'DLV_LIMIT' });
    t.is((await transport.load('remote', 2000))?.bytes.length, 2000);
  });

  test(`${name}: the tag changes with the content`, async (t) => {
    const { transport, put } = await open(t);
    await put('remote', Buffer.from('one'));
    const first = await transport.load('remote', 100);
    t.is((await transport.load('remote', 100))?.tag, first?.tag);
    await put('remote', Buffer.from('two'));
    const second = await transport.load('remote', 100);
    t.not(second?.tag, first?.tag);
    t.is(Buffer.from(second?.bytes ?? []).toString(), 'two');
  });
}

/**
 * Declares the tests of transports that take objects.
 * @param how.isAtomic  false for a store of a test that looks and writes in two steps: swaps take turns there.
 */
export function writableSuite(name: string, make: MakeTransport, how = { isAtomic: true }): void {
  const open: MakeTransport = async (t) => {
    const tested = await make(t);
    t.teardown(() => tested.transport.close());
    return tested;
  };

  test(`${name}: stores an object whole, and sends it once`, async (t) => {
    const { transport } = await open(t);
    const bytes = pattern(LARGE);
    let told = 0;
    await transport.store(PACK, bytesSource(bytes), { onBytes: (count) => (told += count) });
    t.is(told, LARGE);
    t.is(Buffer.compare(await readPart(transport, PACK, 0, LARGE), bytes), 0);
    const sent = transport.traffic.sentBytes;
    await transport.store(PACK, bytesSource(bytes));
    t.true(transport.traffic.sentBytes - sent < 10_000);
  });

  test(`${name}: what lies there with the right size and other bytes is not taken for sent, and stays`, async (t) => {
    const { transport, put } = await open(t);
    for (const size of [100, 200_000, LARGE, 17 * 1024 * 1024]) {
      const bytes = pattern(size);
      const damaged = new Uint8Array(bytes);
      damaged[size >> 1] = (damaged[size >> 1] as number) ^ 4;
      await put(PACK, damaged);
      const error = await t.throwsAsync(transport.store(PACK, bytesSource(bytes)), {
        code: 'DLV_REMOTE',
        message: /is not what it is here/,
      });
      t.regex(String((error as { data?: { hint?: string } }).data?.hint), /dlv fsck/);
      t.is(Buffer.compare(await readPart(transport, PACK, 0, size), damaged), 0);

      await put(PACK, bytes);
      let told = 0;
      await transport.store(PACK, bytesSource(bytes), { onBytes: (count) => (told += count) });
      t.is(told, size);
    }
  });

  test(`${name}: stores an empty and a small object`, async (t) => {
    const { transport } = await open(t);
    await transport.store(`lists/${'b'.repeat(64)}`, bytesSource(Buffer.from('x')));
    t.is((await transport.load(`lists/${'b'.repeat(64)}`, 10))?.bytes.length, 1);
  });

  test(`${name}: a store that fails in the middle leaves nothing visible, and can be run again`, async (t) => {
    const { transport } = await open(t);
    const bytes = pattern(LARGE);
    const broken = {
      size: LARGE,
      read: async (offset: number, length: number) => {
        if (offset + length > 5_000_000) throw new Error('the disk failed');
        return bytes.subarray(offset, offset + length);
      },
    };
    await t.throwsAsync(transport.store(PACK, broken), { message: /the disk failed/ });
    await t.throwsAsync(readPart(transport, PACK, 0, 4));
    await transport.store(PACK, bytesSource(bytes));
    t.is(Buffer.compare(await readPart(transport, PACK, 0, LARGE), bytes), 0);
  });

  test(`${name}: of several swaps of one state one wins`, async (t) => {
    const { transport } = await open(t);
    const first = await transport.swap('remote', Buffer.from('0'), null);
    t.truthy(first);
    t.is(await transport.swap('remote', Buffer.from('x'), null), null);
    const tries: Promise<string | null>[] = [];
    for (let i = 0; i < 6; i++) {
      tries.push(transport.swap('remote', Buffer.from(`writer ${i}`), first));
      if (!how.isAtomic) await tries[i];
    }
    const won = (await Promise.all(tries)).map((tag, i) => ({ tag, i })).filter(({ tag }) => tag);
    t.is(won.length, 1);
    const now = await transport.load('remote', 100);
    t.is(Buffer.from(now?.bytes ?? []).toString(), `writer ${won[0]?.i}`);
    t.is(now?.tag, won[0]?.tag as string);
    t.is(await transport.swap('remote', Buffer.from('late'), first), null);
    t.truthy(await transport.swap('remote', Buffer.from('next'), now?.tag ?? null));
  });
}
