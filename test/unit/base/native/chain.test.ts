/**
 * Goal: the kernel says of an encoded segment whether it decodes to its planes, and gives the checksums of its
 * payloads; a plan of a chain that contradicts itself is refused, whatever is wrong; samples are what whole
 * planes hold at their places.
 * Method: segments of all kinds, each with a changed byte of a plane; every beginning of a plan, and plans
 * with one changed byte, on a file that has enough bytes; pieces that begin and end anywhere.
 */
import fs from 'node:fs/promises';
import path from 'node:path';
import { crc32 } from 'node:zlib';
import test, { type ExecutionContext } from 'ava';
import { ERROR_DIFFERS } from '../../../../lib/base/native/failure.js';
import { loadKernel } from '../../../../lib/base/native/kernel.js';
import {
  encodeChainPlan,
  type FilePayload,
  type PlannedLink,
  type Sampling,
} from '../../../../lib/pure/codec/chain-plan.js';
import { randomBytes, seededRandom } from '../../../helpers/rng.js';
import { tempDir } from '../../../helpers/temp-dir.js';

const { native } = loadKernel();

function whenNative(title: string, run: (t: ExecutionContext) => Promise<void>): void {
  test(title, (t) => (native === null ? t.pass('no addon') : run(t)));
}

const KINDS = ['noise', 'few', 'skewed', 'constant'] as const;

function planesOf(kind: (typeof KINDS)[number], width: number, count: number): Uint8Array[] {
  const random = seededRandom(count + width);
  return Array.from({ length: width }, (_, k) => {
    if (kind === 'noise') return randomBytes(count, k + 1);
    if (kind === 'constant') return new Uint8Array(count).fill(k);
    const most = kind === 'few' ? 3 : 30;
    return Uint8Array.from({ length: count }, () => Math.floor(random() * random() * most));
  });
}

function near(planes: readonly Uint8Array[], share: number): Uint8Array[] {
  const random = seededRandom(9);
  return planes.map((plane) => plane.map((byte) => (random() < share ? byte + 1 : byte)));
}

const payloads = (s: { hi: Uint8Array; mid: Uint8Array; low: Uint8Array }) =>
  [s.hi, s.mid, s.low] as const;

whenNative('verify: segments of every kind pass, with the checksums of zlib', async (t) => {
  for (const width of [1, 2, 4, 8]) {
    for (const count of [1, 63, 700, 16_384, 70_001]) {
      for (const kind of KINDS) {
        const base = planesOf(kind, width, count);
        for (const planes of [base, near(base, 0.01), near(base, 0.9)]) {
          for (const under of [null, base]) {
            const coded = await native!.encode(planes, under, 1, false);
            const on = coded.usesBase ? under : null;
            const crcs = await native!.verify(coded.head, payloads(coded), on, planes);
            t.deepEqual(
              [...crcs],
              payloads(coded).map((bytes) => crc32(bytes)),
            );
            const other = planes.map((plane) => plane.slice());
            other[width - 1]![count >> 1]! ^= 1;
            const thrown = native!.verify(coded.head, payloads(coded), on, other);
            t.like(await t.throwsAsync(thrown), { kernel: ERROR_DIFFERS });
          }
        }
      }
    }
  }
});

async function plannedFile(t: ExecutionContext) {
  const count = 20_000;
  const planes = planesOf('skewed', 4, count);
  const coded = await native!.encode(planes, null, 1, false);
  const file = path.join(await tempDir(t), 'file');
  const bytes = Buffer.concat([Buffer.alloc(5), ...payloads(coded)]);
  await fs.writeFile(file, bytes);
  const handle = await fs.open(file, 'r');
  t.teardown(() => handle.close());
  let offset = 5;
  const classes = payloads(coded).map((payload): FilePayload => {
    const place = { fd: handle.fd, offset, bytes: payload.length, crc: crc32(payload) };
    offset += payload.length;
    return place;
  }) as [FilePayload, FilePayload, FilePayload];
  return { count, planes, classes, head: coded.head };
}

whenNative(
  'decodeChain: a plan that is cut or changed is refused, or gives the same planes',
  async (t) => {
    const { count, planes, classes, head } = await plannedFile(t);
    const plan = encodeChainPlan([{ width: 4, planes: 4, head, classes }]);
    const decode = (bytes: Uint8Array) => native!.decodeChain(bytes, null, count, 4);
    const isRight = (found: Uint8Array[]) =>
      found.every((p, k) => Buffer.compare(p, planes[k]!) === 0);
    t.true(isRight(await decode(plan)));
    for (let length = 0; length < plan.length; length++) {
      await t.throwsAsync(decode(plan.subarray(0, length)), undefined, `${length} bytes`);
    }
    await t.throwsAsync(decode(Buffer.concat([plan, Buffer.alloc(1)])));
    // A checksum of the record covers the head; here it may become another one.
    const headAt = plan.length - head.length;
    let wrong = 0;
    for (let at = 0; at < plan.length; at++) {
      for (const flip of [0x01, 0x80]) {
        const changed = Buffer.from(plan);
        changed[at]! ^= flip;
        await decode(changed).then(
          (found) => t.true(at >= headAt || isRight(found), `byte ${at}`),
          () => wrong++,
        );
      }
    }
    t.true(wrong > headAt);
  },
);

whenNative('decodeChain: wrong arguments are refused', async (t) => {
  const { count, classes, head } = await plannedFile(t);
  const plan = encodeChainPlan([{ width: 4, planes: 4, head, classes }]);
  await t.throwsAsync(native!.decodeChain(plan, null, count, 3));
  await t.throwsAsync(native!.decodeChain(plan, null, count + 1, 4));
  await t.throwsAsync(native!.decodeChain(plan, [new Uint8Array(3)], count, 4));
  await t.throwsAsync(native!.decodeChain(plan, null, count, 4, [new Uint8Array(count)]));
  await t.throwsAsync(native!.decodeChain('plan' as never, null, count, 4));
});

/** A chain of links over each other in one file, all planes of each wanted. */
async function chainFile(t: ExecutionContext, width: number, count: number, links: number) {
  const file = path.join(await tempDir(t), 'chain');
  const handle = await fs.open(file, 'w+');
  t.teardown(() => handle.close());
  const planes: Uint8Array[][] = [];
  const planned: PlannedLink[] = [];
  let offset = 0;
  for (let i = 0; i < links; i++) {
    const under = planes.at(-1) ?? null;
    // Leading planes change a little and the lowest is noise: those of a delta are stored as they are.
    const own = under === null ? planesOf('skewed', width, count) : near(under, 0.3);
    own[width - 1] = randomBytes(count, 50 + i);
    const coded = await native!.encode(own, under, 1, false);
    const classes = [];
    for (const payload of payloads(coded)) {
      await handle.write(payload, 0, payload.length, offset);
      classes.push({ fd: handle.fd, offset, bytes: payload.length, crc: crc32(payload) });
      offset += payload.length;
    }
    planes.push(own);
    planned.push({ width, planes: width, head: coded.head, classes: classes as never });
  }
  return { planes, planned, handle };
}

function piecesOf(planes: readonly Uint8Array[], { length, step, pieces }: Sampling): Buffer {
  return Buffer.concat(
    planes.flatMap((plane) =>
      Array.from({ length: pieces }, (_, i) => plane.subarray(i * step, i * step + length)),
    ),
  );
}

whenNative(
  'decodeChain: the last of any number of links, whatever its blocks end with',
  async (t) => {
    for (const width of [2, 4, 8]) {
      for (const count of [32_768, 49_153, 70_001]) {
        const { planes, planned, handle } = await chainFile(t, width, count, 6);
        // A link of equal planes moves them on: its codec has no payload.
        const same = await native!.encode(planes[2]!, planes[2]!, 1, false);
        const nothing = planned[2]!.classes.map((c) => ({ ...c, bytes: 0, crc: 0 }));
        const moved = { ...planned[2]!, head: same.head, classes: nothing as never };
        t.is(same.hi.length, 0);
        const chain = [...planned.slice(0, 3), moved, ...planned.slice(3)];
        for (let links = 1; links <= chain.length; links++) {
          const plan = encodeChainPlan(chain.slice(0, links));
          const found = await native!.decodeChain(plan, null, count, width);
          const expected = planes[links <= 3 ? links - 1 : links - 2]!;
          const isRight = found.every((p, k) => Buffer.compare(p, expected[k]!) === 0);
          t.true(isRight, `${width} ${count} ${links}`);
        }
        // One wrong byte of a payload in the middle of the chain.
        const { offset, bytes } = planned[3]!.classes[0]!;
        const byte = Buffer.alloc(1);
        await handle.read(byte, 0, 1, offset + (bytes >> 1));
        byte[0]! ^= 4;
        await handle.write(byte, 0, 1, offset + (bytes >> 1));
        await t.throwsAsync(native!.decodeChain(encodeChainPlan(chain), null, count, width));
        await t.notThrowsAsync(
          native!.decodeChain(encodeChainPlan(chain.slice(0, 4)), null, count, width),
        );
      }
    }
  },
);

whenNative('sampleChain: pieces of any links are those of their planes', async (t) => {
  for (const width of [1, 2, 4, 8]) {
    const count = 50_001;
    const { planes, planned } = await chainFile(t, width, count, 4);
    const plan = encodeChainPlan(planned);
    for (const sampling of [
      { length: 1, step: 1, pieces: 1 },
      { length: 1, step: 50_000, pieces: 2 },
      { length: 700, step: 3_400, pieces: 15 },
      { length: 20_000, step: 1_500, pieces: 20 },
      { length: 30_000, step: 1, pieces: 1 },
      { length: count, step: 1, pieces: 1 },
    ]) {
      const { length, step, pieces } = sampling;
      for (const links of [0b1000, 0b1010, 0b1111]) {
        const found = await native!.sampleChain(plan, count, width, links, length, step, pieces);
        const wanted = planes.filter((_, i) => (links >> i) & 1);
        const expected = Buffer.concat(wanted.map((link) => piecesOf(link, sampling)));
        t.is(Buffer.compare(found[0], expected), 0, `${width} ${length} ${step} ${links}`);
      }
    }
  }
});

whenNative(
  'sampleChain: a plan that is cut or changed is refused, or gives the same',
  async (t) => {
    const { count, planes, classes, head } = await plannedFile(t);
    const plan = encodeChainPlan([{ width: 4, planes: 4, head, classes }]);
    const sampling = { length: 1_000, step: 6_000, pieces: 4 };
    const sample = (bytes: Uint8Array) => native!.sampleChain(bytes, count, 4, 1, 1_000, 6_000, 4);
    const expected = piecesOf(planes, sampling);
    t.is(Buffer.compare((await sample(plan))[0], expected), 0);
    for (let length = 0; length < plan.length; length++) {
      await t.throwsAsync(sample(plan.subarray(0, length)), undefined, `${length} bytes`);
    }
    await t.throwsAsync(sample(Buffer.concat([plan, Buffer.alloc(1)])));
    for (let at = 0; at < plan.length; at++) {
      for (const flip of [0x01, 0x80]) {
        const changed = Buffer.from(plan);
        changed[at]! ^= flip;
        // Any bytes, but no more and no fewer: planes that are stored as they are have no checksum here.
        const found = await sample(changed).catch(() => null);
        t.true(found === null || found[0].length === expected.length, `byte ${at}`);
      }
    }
  },
);

whenNative(
  'sampleChain: a changed byte of a coded plane is found where all of it is read',
  async (t) => {
    const count = 20_000;
    const { planned, handle } = await chainFile(t, 4, count, 2);
    const plan = encodeChainPlan(planned);
    const { fd: _, offset, bytes } = planned[1]!.classes[0] as FilePayload;
    const wrong = Buffer.alloc(1);
    await handle.read(wrong, 0, 1, offset + bytes - 1);
    wrong[0]! ^= 0x40;
    await handle.write(wrong, 0, 1, offset + bytes - 1);
    await t.throwsAsync(native!.sampleChain(plan, count, 4, 0b10, 100, 19_900, 2));
    const start = await native!.sampleChain(plan, count, 4, 0b10, 100, 1, 1);
    t.is(start[0].length, 400, 'what is behind the sample is not read');
  },
);

whenNative('sampleChain: wrong arguments are refused', async (t) => {
  const { count, classes, head } = await plannedFile(t);
  const plan = encodeChainPlan([{ width: 4, planes: 4, head, classes }]);
  const wrong: [number, number, number, number, number, number][] = [
    [count + 1, 4, 1, 10, count - 9, 2],
    [count, 3, 1, 10, 10, 1],
    [count, 4, 0, 10, 10, 1],
    [count, 4, 2, 10, 10, 1],
    [count, 4, 3, 10, 10, 1],
    [count, 4, 0x8000_0001, 10, 10, 1],
    [count, 4, 1, 0, 10, 1],
    [count, 4, 1, 10, 0, 1],
    [count, 4, 1, 10, 10, 0],
    [count, 4, 1, 10, 10, 65],
    [count, 4, 1, count, 1, 2],
    [count, 4, 1, 1, count, 2],
    [2 ** 22, 8, 2 ** 31, 2 ** 22, 1, 1],
    [2 ** 22, 8, 2 ** 32 - 1, 2 ** 22, 1, 1],
  ];
  for (const args of wrong)
    await t.throwsAsync(native!.sampleChain(plan, ...args), undefined, `${args}`);
  await t.throwsAsync(native!.sampleChain('plan' as never, count, 4, 1, 10, 10, 1));
});
