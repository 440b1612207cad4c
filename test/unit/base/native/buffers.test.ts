/**
 * Goal: a thread of the pool never touches memory that JavaScript can free or shrink.
 * Method: buffers are detached, resized, dropped and changed while calls are at work; what comes out
 * is compared with what calls give that are left alone. Under AddressSanitizer
 * (native/checks/sanitize.mjs) every stray access ends the test.
 */

import { spawnSync } from 'node:child_process';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import test, { type ExecutionContext } from 'ava';
import { load } from '../../../../lib/base/native/kernel.js';
import type { KernelSegment, NativeKernel } from '../../../../lib/base/native/kernel-types.js';
import { detach, resizable, resize, shared } from '../../../helpers/buffers.js';
import { HAS_ADDON } from '../../../helpers/kernels.js';
import { PROJECT_ROOT } from '../../../helpers/paths.js';
import { seededRandom } from '../../../helpers/rng.js';

const COUNT = 100_000;
const WIDTH = 4;

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

/** Frees what is garbage and puts other bytes where it was. */
function reuseMemory(): void {
  collect();
  for (let i = 0; i < 8; i++) new Uint8Array(COUNT).fill(0x5a);
}

/** Planes of a child near its base. */
function content(): { child: Uint8Array[]; base: Uint8Array[] } {
  const random = seededRandom(21);
  const noise = (spread: number): Uint8Array =>
    new Uint8Array(COUNT).map(() => Math.floor(random() * random() * spread));
  const base = [noise(9), noise(200), noise(256), noise(256)];
  const child = base.map((plane, k) =>
    plane.map((byte) => (random() < 0.1 * (k + 1) ? byte + 1 : byte)),
  );
  return { child, base };
}

const { child: CHILD, base: BASE } = content();

/** How memory is made. */
const MAKE = {
  plain: () => new Uint8Array(COUNT),
  resizable: () => resizable(COUNT, 2 * COUNT),
  shared: () => shared(COUNT),
  'of the kernel': () => load('native').allocate(COUNT),
} as const;

/** What becomes of a plane, or of the array that it was passed in, right after the call. */
interface Fate {
  memory: keyof typeof MAKE;
  plane?: (plane: Uint8Array) => void;
  dropped?: true;
}

const FATES: Readonly<Record<string, Fate>> = {
  detached: { memory: 'plain', plane: detach },
  'emptied by resizing': { memory: 'resizable', plane: (plane) => resize(plane, 0) },
  'cut by one byte': { memory: 'resizable', plane: (plane) => resize(plane, COUNT - 1) },
  grown: { memory: 'resizable', plane: (plane) => resize(plane, 2 * COUNT) },
  'dropped with its array': { memory: 'plain', dropped: true },
  'dropped, of the kernel': { memory: 'of the kernel', dropped: true },
  overwritten: { memory: 'plain', plane: (plane) => void plane.fill(0xff) },
  'overwritten, shared': { memory: 'shared', plane: (plane) => void plane.fill(0xff) },
};

const copies = (planes: readonly Uint8Array[], make: () => Uint8Array): Uint8Array[] =>
  planes.map((plane) => {
    const memory = make();
    memory.set(plane);
    return memory;
  });

/** The addon, and a segment that it encoded undisturbed. */
async function undisturbed(level = 1): Promise<{ native: NativeKernel; coded: KernelSegment }> {
  const native = load('native').native as NativeKernel;
  return { native, coded: await native.encode(CHILD, BASE, level, false) };
}

async function meetsFate(t: ExecutionContext, fate: Fate): Promise<void> {
  const { native, coded } = await undisturbed();
  const array = (planes: readonly Uint8Array[]): Uint8Array[] => copies(planes, MAKE[fate.memory]);
  /** Calls, lets all memory of the call meet its fate, and waits. */
  const disturb = <T>(arrays: Uint8Array[][], call: () => Promise<T>): Promise<T> => {
    const answer = call();
    for (const planes of arrays) {
      if (fate.plane) planes.forEach(fate.plane);
      if (fate.dropped) planes.length = 0;
    }
    reuseMemory();
    return answer;
  };
  const [child, base] = [array(CHILD), array(BASE)];
  t.deepEqual(await disturb([child, base], () => native.encode(child, base, 1, false)), coded);
  const short = (bytes: Uint8Array): Uint8Array => {
    const memory = MAKE[fate.memory]();
    memory.set(bytes);
    return memory.subarray(0, bytes.length);
  };
  const heads = [short(coded.head)];
  const classes: Uint8Array[] & Parameters<NativeKernel['decode']>[1] = [
    short(coded.hi),
    short(coded.mid),
    short(coded.low),
  ];
  const under = array(BASE);
  const decoded = await disturb([heads, classes, under], () =>
    native.decode(heads[0] as Uint8Array, classes, under, COUNT, WIDTH, WIDTH),
  );
  t.deepEqual(decoded, CHILD);
  const parts = array(CHILD);
  const prefixes = [short(Uint8Array.of(1, 2))];
  t.deepEqual(
    await disturb([parts, prefixes], () => native.sha256Many(prefixes[0] as Uint8Array, parts)),
    await native.sha256Many(Uint8Array.of(1, 2), CHILD),
  );
}

if (!HAS_ADDON) {
  test('buffers: without the addon no thread works on them', (t) => {
    t.log('SKIPPED: no native/build/kernel.node: the addon is NOT tested');
    t.pass();
  });
} else {
  for (const [what, fate] of Object.entries(FATES)) {
    test(`buffers: what is read may be ${what} meanwhile`, (t) => meetsFate(t, fate));
  }

  test('buffers: planes to decode into that are gone or longer are refused in the end', async (t) => {
    const { native, coded } = await undisturbed();
    const { head, hi, mid, low } = coded;
    const message = "a plane of 'out' was detached or resized while it was decoded";
    const fates: [keyof typeof MAKE, (plane: Uint8Array) => void][] = [
      ['plain', detach],
      ['resizable', (plane) => resize(plane, 0)],
      ['resizable', (plane) => resize(plane, COUNT - 1)],
      ['resizable', (plane) => resize(plane, 2 * COUNT)],
    ];
    for (const [kind, fate] of fates) {
      const out = copies(CHILD, MAKE[kind]);
      const answer = native.decode(head, [hi, mid, low], BASE, COUNT, WIDTH, WIDTH, out);
      fate(out[2] as Uint8Array);
      reuseMemory();
      await t.throwsAsync(answer, { message }, kind);
    }
  });

  test('buffers: planes to decode into come back in an array of their own', async (t) => {
    const { native, coded } = await undisturbed();
    const { head, hi, mid, low } = coded;
    for (const make of Object.values(MAKE)) {
      const out = copies(BASE, make);
      const array = [...out];
      const answer = native.decode(head, [hi, mid, low], BASE, COUNT, WIDTH, WIDTH, array);
      array.length = 0;
      reuseMemory();
      const found = await answer;
      t.true(found.every((plane, k) => plane === out[k]));
      t.deepEqual(
        found.map((plane) => Buffer.from(plane)),
        CHILD.map((plane) => Buffer.from(plane)),
      );
    }
  });

  test('buffers: a plane that is a payload is kept as long as that is, and copied if it was taken away', async (t) => {
    const { native } = await undisturbed();
    const random = seededRandom(5);
    const child = CHILD.map((plane, k) => (k < 2 ? plane : plane.map(() => 256 * random())));
    const coded = await native.encode(child, BASE, 1, false);
    t.is(coded.low.length, COUNT);
    const encode = (planes: Uint8Array[]) =>
      native.encode(planes, BASE, 1, false, undefined, undefined, true);
    let planes = copies(child, MAKE['of the kernel']);
    const kept = encode(planes);
    planes = [];
    reuseMemory();
    const found = await kept;
    reuseMemory();
    t.deepEqual(found, coded);
    planes = copies(child, MAKE['of the kernel']);
    const taken = encode(planes);
    detach(planes[3] as Uint8Array);
    reuseMemory();
    const { mid, low } = await taken;
    reuseMemory();
    t.true(mid === planes[2]);
    t.deepEqual(low, coded.low);
    // What is not of the kernel is copied.
    for (const make of [MAKE.plain, MAKE.resizable, MAKE.shared]) {
      t.deepEqual(await encode(copies(child, make)), coded);
    }
  });

  test('buffers: room for payloads is kept as long as a payload is', async (t) => {
    const { native, coded } = await undisturbed();
    let room: Uint8Array | null = load('native').allocate(WIDTH * COUNT);
    const found = native.encode(CHILD, BASE, 1, false, undefined, room);
    room = null;
    reuseMemory();
    const { hi, low } = await found;
    reuseMemory();
    t.deepEqual(hi, coded.hi);
    t.deepEqual(low, coded.low);
    t.is(hi.buffer, low.buffer);
    // Room that JavaScript could take away is not used.
    const plain = new Uint8Array(WIDTH * COUNT);
    const apart = native.encode(CHILD, BASE, 1, false, undefined, plain);
    detach(plain);
    t.deepEqual(await apart, coded);
  });

  test('buffers: memory of the kernel outlives those who dropped it', async (t) => {
    const { native, coded } = await undisturbed();
    const { head } = coded;
    // Payloads and planes of one call are those of the next, and nobody else has them.
    let planes = await native.decode(head, [coded.hi, coded.mid, coded.low], BASE, COUNT, 4, 4);
    for (let round = 0; round < 6; round++) {
      const again = native.encode(planes, BASE, 1, false);
      planes = [];
      reuseMemory();
      const { hi, mid, low } = await again;
      const next = native.decode(head, [hi, mid, low], BASE, COUNT, WIDTH, WIDTH);
      reuseMemory();
      planes = await next;
      t.deepEqual(planes, CHILD, `round ${round}`);
    }
  });

  test('buffers: planes that change meanwhile give some bytes or an error', async (t) => {
    const native = load('native').native as NativeKernel;
    const random = seededRandom(4);
    let settled = 0;
    for (let round = 0; round < 12; round++) {
      const [child, base] = [
        copies(CHILD, MAKE['of the kernel']),
        copies(BASE, MAKE['of the kernel']),
      ];
      const encoding = Promise.allSettled([
        native.encode(child, base, round % 3, round % 2 === 0),
        native.encode(child, null, 1, false),
      ]);
      // The main thread is free while the pool works.
      for (let i = 0; i < 40; i++) {
        const planes = random() < 0.7 ? child : base;
        const from = Math.floor(random() * COUNT);
        const plane = planes[Math.floor(random() * WIDTH)] as Uint8Array;
        plane.fill(Math.floor(random() * 256), from, from + 1 + Math.floor(random() * 3000));
      }
      for (const result of await encoding) {
        if (result.status === 'rejected') {
          const { kernel } = result.reason as { kernel: number };
          t.is(kernel, -6, 'DLV_ERR_CHANGED');
          continue;
        }
        const { head, hi, mid, low } = result.value;
        const decoding = native.decode(head, [hi, mid, low], base, COUNT, WIDTH, WIDTH);
        for (const plane of base) plane.fill(Math.floor(random() * 256));
        hi.fill(Math.floor(random() * 256));
        await Promise.allSettled([decoding]);
        settled++;
      }
    }
    t.true(settled > 0);
  });

  const KERNEL = pathToFileURL(path.join(PROJECT_ROOT, 'dist/lib/base/native/kernel.js')).href;
  /** Starts more jobs than the pool has threads, on memory of its own and of the kernel. */
  const BUSY = `
    const { load } = await import(${JSON.stringify(KERNEL)});
    const { native, allocate } = load('native');
    const fill = (plane) => plane.map((_, i) => (i * i * 7) % 251);
    const count = 1 << 18;
    const planes = [0, 1, 2, 3].map(() => fill(new Uint8Array(count)));
    const kept = [0, 1, 2, 3].map((k) => { const plane = allocate(count); plane.set(planes[k]); return plane; });
    const coded = await native.encode(planes, null, 0, false);
    for (let i = 0; i < 6; i++) {
      native.encode(kept, planes, 2, false, undefined, allocate(4 * count)).catch(() => {});
      native.decode(coded.head, [coded.hi, coded.mid, coded.low], null, count, 4, 4, kept).catch(() => {});
      native.sha256Many(new Uint8Array(1), planes).catch(() => {});
    }
  `;

  /** Code that starts workers which are busy, and ends them, a few times. */
  const ENDS_WORKERS = `
        import { once } from 'node:events';
    import { Worker } from 'node:worker_threads';
    const code = ${JSON.stringify(`${BUSY} (await import('node:worker_threads')).parentPort.postMessage('busy');`)};
    for (let round = 0; round < 4; round++) {
      const worker = new Worker(new URL('data:text/javascript,' + encodeURIComponent(code)));
      await once(worker, 'message');
      await worker.terminate();
    }
  `;
  const runs = (code: string) => {
    const args = ['--input-type=module', '-e', code];
    const { status, signal, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8' });
    return [status, signal, stderr];
  };

  test('buffers: workers end while their calls are at work, and take nothing with them', (t) => {
    // The addon is unloaded with each of them, or stays because the main thread has it.
    t.deepEqual(runs(`${ENDS_WORKERS} process.exitCode = 3;`), [3, null, '']);
    t.deepEqual(runs(`${BUSY} ${ENDS_WORKERS} await native.encode(kept, null, 1, false);`), [
      0,
      null,
      '',
    ]);
  });

  test('buffers: a process ends while calls are at work', (t) => {
    for (const end of ['process.exit(3)', 'process.exitCode = 3', 'process.reallyExit(3)']) {
      t.deepEqual(runs(`${BUSY} ${end};`), [3, null, ''], end);
    }
  });
}
