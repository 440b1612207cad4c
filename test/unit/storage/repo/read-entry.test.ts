/** Entries of staging that are decoded when they are looked into: as those that are decoded at once. */
import test from 'ava';
import fc from 'fast-check';
import {
  decodeCanonical,
  encodeCanonical,
  type Packed,
} from '../../../../lib/base/bytes/msgpack/msgpack.js';
import { FILE_BYTES_MAX } from '../../../../lib/base/limits.js';
import { EntryScanner, ReadEntry } from '../../../../lib/storage/repo/staging/read-entry.js';
import { changedEntry, type EntryFields } from '../../../../lib/storage/repo/staging/staging.js';
import { unpackEntry } from '../../../../lib/storage/repo/staging/staging-bytes.js';
import { packFile } from '../../../../lib/storage/repo/version/file-page.js';

const NUMBERS = [0, 1, 127, 128, 255, 256, 65535, 65536, 2 ** 32 - 1, 2 ** 32, FILE_BYTES_MAX];
const ROLE_COUNT = 3;

const number = fc.oneof(fc.constantFrom(...NUMBERS), fc.nat());
const time = fc.oneof(
  fc.constantFrom('0', '-5', '1760000000000000000', '9'.repeat(21), `-${'9'.repeat(21)}`),
  fc.bigInt({ min: 1n, max: 2n ** 62n }).map(String),
);
const part = fc.constantFrom('a', 'model-00001.safetensors', 'x_y', 'w'.repeat(60), 'ünï', '文');
const entry = fc.record({
  path: fc.array(part, { minLength: 1, maxLength: 5 }).map((parts) => parts.join('/')),
  mode: fc.constantFrom(0o644, 0o755),
  size: number,
  digest: fc.uint8Array({ minLength: 32, maxLength: 32 }),
  git: fc.option(fc.uint8Array({ minLength: 20, maxLength: 20 })),
  kind: fc.nat(1),
  stat: fc.option(fc.tuple(number, time, time, time, number)),
  stagedAt: time,
  format: fc.constantFrom('blob', 'safetensors', '', 'f'.repeat(31), 'f'.repeat(32), 'é'),
  step: fc.option(number),
  references: fc.array(fc.constantFrom('b', 'c/d'), { maxLength: 1 }),
  roles: fc.array(fc.nat(ROLE_COUNT - 1), { maxLength: 17 }),
});

function packed(e: typeof entry extends fc.Arbitrary<infer T> ? T : never): Packed {
  const id = Buffer.concat([Uint8Array.of(1), e.digest]);
  return [
    [e.path, e.mode, e.size, e.digest, e.git, e.kind, id],
    e.stat,
    ...[e.stagedAt, e.format, e.step, e.references, e.roles],
  ] as Packed;
}

function decoded(bytes: Uint8Array): EntryFields | null {
  try {
    const value = decodeCanonical(bytes, 'staging');
    return changedEntry(
      unpackEntry(value, 'staging', (what) => {
        throw new Error(what);
      }),
    );
  } catch {
    return null;
  }
}

/** The fields of the entry that the scanner reads behind other bytes; null if it leaves it to the general way. */
function scanned(bytes: Uint8Array): EntryFields | null {
  const before = Buffer.from([1, 2, 3]);
  const scanner = new EntryScanner(Buffer.concat([before, bytes]));
  const found = scanner.read(before.length);
  if (found === null || scanner.end !== before.length + bytes.length) return null;
  return changedEntry(found);
}

test('read entry: fields are those that decoding at once gives', (t) => {
  let read = 0;
  fc.assert(
    fc.property(entry, (e) => {
      const bytes = encodeCanonical(packed(e));
      const fields = scanned(bytes);
      if (fields === null) {
        const isOdd = /[^\x00-\x7f]/.test(e.path + e.format) || e.format.length > 31;
        t.true(isOdd || e.references.length > 0 || e.roles.length > 15 || e.path.length > 255);
        return;
      }
      read++;
      t.deepEqual(fields, decoded(bytes));
    }),
    { numRuns: 2000 },
  );
  t.true(read > 50);
});

test('read entry: bytes that are accepted are accepted by the general way, which finds the same', (t) => {
  const change = fc.record({ at: fc.nat(400), byte: fc.nat(255) });
  // Most are whole: enough have to be accepted, whatever the seed is.
  const cut = fc.oneof({ weight: 9, arbitrary: fc.constant(0) }, fc.nat(3));
  let accepted = 0;
  fc.assert(
    fc.property(entry, fc.array(change, { maxLength: 2 }), cut, (e, changes, less) => {
      const whole = Buffer.from(encodeCanonical(packed({ ...e, references: [] })));
      for (const { at, byte } of changes) whole[at % whole.length] = byte;
      const bytes = whole.subarray(0, whole.length - less);
      const fields = scanned(bytes);
      if (fields === null) return;
      accepted++;
      t.deepEqual(fields, decoded(bytes));
    }),
    { numRuns: 3000 },
  );
  t.true(accepted > 100);
});

test('read entry: it knows the row that a page has of it, and what follows it', (t) => {
  const [first, second] = fc.sample(entry, { numRuns: 2, seed: 7 }).map((e, i) => {
    return encodeCanonical(
      packed({ ...e, path: `p${i}`, format: 'blob', references: [], roles: [] }),
    );
  }) as [Uint8Array, Uint8Array];
  const scanner = new EntryScanner(Buffer.concat([first, second]));
  const one = scanner.read(0);
  const two = scanner.read(first.length);
  if (!(one instanceof ReadEntry && two instanceof ReadEntry)) return t.fail();
  const row = encodeCanonical(packFile(changedEntry(one)));
  t.deepEqual(Buffer.from(one.row()), Buffer.from(row));
  t.deepEqual(one.run([one, two], 0), { bytes: Buffer.concat([first, second]), count: 2 });
  t.deepEqual(one.run([one, one], 0), { bytes: Buffer.from(first), count: 1 });
  t.throws(() => Object.assign(one, { step: 1 }), { instanceOf: TypeError });
});
