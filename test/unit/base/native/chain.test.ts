/**
 * Goal: the kernel says of an encoded segment whether it decodes to its planes, and gives the checksums of its
 * payloads; a plan of a chain that contradicts itself is refused, whatever is wrong.
 * Method: segments of all kinds, each with a changed byte of a plane; every beginning of a plan, and plans
 * with one changed byte, on a file that has enough bytes.
 */
import fs from 'node:fs/promises';
import path from 'node:path';
import { crc32 } from 'node:zlib';
import test, { type ExecutionContext } from 'ava';
import { ERROR_DIFFERS } from '../../../../lib/base/native/failure.js';
import { loadKernel } from '../../../../lib/base/native/kernel.js';
import { encodeChainPlan, type FilePayload } from '../../../../lib/pure/codec/chain-plan.js';
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
