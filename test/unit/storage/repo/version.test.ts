/** Versions: one value, one byte string; damage and later forms are told apart. */
import fs from 'node:fs';
import test from 'ava';
import fc from 'fast-check';
import { idBytes, objectId } from '../../../../lib/base/bytes/hash.js';
import {
  decodeCanonical,
  encodeCanonical,
  type Packed,
} from '../../../../lib/base/bytes/msgpack/msgpack.js';
import { DlvError, isDamage } from '../../../../lib/base/errors.js';
import { buildTree } from '../../../../lib/storage/repo/version/build-tree.js';
import { shortId, uniqueShortId } from '../../../../lib/storage/repo/version/short-id.js';
import type { Version } from '../../../../lib/storage/repo/version/version.js';
import {
  decodeVersion,
  encodeVersion,
  readVersion,
  versionId,
  writeVersion,
} from '../../../../lib/storage/repo/version/version-bytes.js';
import { anyCharacter } from '../../../helpers/any-character.js';
import { fixture } from '../../../helpers/paths.js';
import { fileEntry, idOf, MemoryBlobs, makeVersion } from './memory-blobs.js';

const name = fc.string({
  unit: fc.constantFrom('a', 'Z', '.', 'é', '模', '𝛼', ' ', '/'),
  minLength: 1,
});
const step = fc.option(fc.nat(), { nil: null });
const id = fc.string({ maxLength: 3 }).map(idOf);

const anyVersion: fc.Arbitrary<Version> = fc
  .record({
    model: fc.constantFrom('mnist', 'bert-base', 'x_1'),
    number: fc.option(fc.integer({ min: 1, max: 999_999_999 }), { nil: null }),
    parents: fc.uniqueArray(id, { maxLength: 3 }),
    author: fc.record({ name, email: fc.constantFrom('', 'a@b.c') }),
    time: fc.nat(2 ** 43),
    tzMinutes: fc.integer({ min: -720, max: 840 }),
    message: fc.string({ unit: anyCharacter }).filter((text) => !text.includes('\0')),
    params: fc.uniqueArray(fc.record({ name, text: name }), { selector: (p) => p.name }),
    metrics: fc.uniqueArray(fc.record({ name, value: fc.oneof(fc.double(), fc.integer()), step }), {
      selector: (m) => `${m.step} ${m.name}`,
    }),
    logs: fc.uniqueArray(fc.record({ name, id, bytes: fc.nat() }), { selector: (l) => l.name }),
    network: fc.option(id, { nil: null }),
    git: fc.option(fc.record({ commit: fc.constant('ab'.repeat(20)), dirty: fc.boolean() }), {
      nil: null,
    }),
  })
  .map((fields) => makeVersion(fields));

test('version: encoding what was decoded gives the same bytes and the same values', (t) => {
  fc.assert(
    fc.property(anyVersion, (version) => {
      const bytes = encodeVersion(version);
      const decoded = decodeVersion(bytes, 'version');
      t.deepEqual(encodeVersion(decoded), bytes);
      t.is(decoded.message, version.message);
      t.is(decoded.number, version.number);
      t.deepEqual(decoded.extensions, []);
      t.deepEqual(decoded.author, version.author);
      t.deepEqual(decoded.parents, version.parents);
      t.is(decoded.metrics.length, version.metrics.length);
      for (const { name, step: at, value } of version.metrics) {
        const found = decoded.metrics.find((m) => m.name === name && m.step === at);
        t.is((found?.value ?? 0) + 0, value + 0);
      }
    }),
    { numRuns: 200 },
  );
});

test('version: the order in which lists are given does not change its id', (t) => {
  const params = ['b', 'a', 'c'].map((n) => ({ name: n, text: n }));
  const metrics = [
    { name: 'loss', value: 1, step: 10 },
    { name: 'acc', value: 0.5, step: null },
    { name: 'loss', value: 2, step: null },
  ];
  const one = versionId(encodeVersion(makeVersion({ params, metrics })));
  const reversed = { params: [...params].reverse(), metrics: [...metrics].reverse() };
  t.is(versionId(encodeVersion(makeVersion(reversed))), one);
});

test('version: fields out of bounds are refused before they are written', (t) => {
  const bad: Partial<Version>[] = [
    { model: 'a/b' },
    { model: '' },
    { author: { name: '', email: '' } },
    { author: { name: 'a\nb', email: '' } },
    { author: { name: 'a <b>', email: '' } },
    { time: -1 },
    { time: 1.5 },
    { tzMinutes: 1441 },
    { message: 'nul \0' },
    { message: 'half \ud800' },
    { parents: [idOf('a'), idOf('a')] },
    { parents: Array.from({ length: 257 }, (_, i) => idOf(String(i))) },
    { params: [1, 2].map(() => ({ name: 'lr', text: '0.1' })) },
    { metrics: [{ name: 'x', value: 1, step: -1 }] },
    { git: { commit: 'abc', dirty: false } },
    { message: 'x'.repeat(2 ** 20 + 1) },
  ];
  for (const fields of bad) {
    t.throws(() => encodeVersion(makeVersion(fields)), { code: 'DLV_USAGE' });
  }
});

/** The decoded array of a version, changed by `edit`, encoded again. */
function edited(version: Version, edit: (fields: Packed[]) => void): Uint8Array {
  const fields = decodeCanonical(encodeVersion(version), 'version') as Packed[];
  edit(fields);
  return encodeCanonical(fields);
}

test('version: bytes that no encoder writes are damage', (t) => {
  const version = makeVersion({ params: ['a', 'b'].map((n) => ({ name: n, text: n })) });
  const edits: ((fields: Packed[]) => void)[] = [
    (f) => f.pop(),
    (f) => f.push(null),
    (f) => (f[8] as Packed[]).reverse(),
    (f) => (f[1] = '../x'),
    (f) => (f[2] = [new Uint8Array(33)]),
    (f) => (f[4] = -1),
    (f) => (f[4] = 2 ** 60),
    (f) => (f[6] = null),
    (f) => ((f[7] as Packed[])[0] = 1),
    (f) => ((f[7] as Packed[])[1] = 5),
    (f) => (f[11] = 'network'),
    (f) => (f[12] = [new Uint8Array(19), true]),
  ];
  for (const edit of edits) {
    const error = t.throws(() => decodeVersion(edited(version, edit), 'version'));
    t.true(isDamage(error), String(error));
  }
  const plain = encodeVersion(version);
  t.true(isDamage(t.throws(() => decodeVersion(plain.subarray(0, -1), 'version'))));
  t.true(isDamage(t.throws(() => decodeVersion(Buffer.concat([plain, plain]), 'version'))));
  // A longer form of the same number is another byte string for the same value.
  const wide = Buffer.concat([plain.subarray(0, 1), Buffer.from([0xcc]), plain.subarray(1)]);
  t.true(isDamage(t.throws(() => decodeVersion(wide, 'version'))));
});

test('version: counts that lie cost no memory and nesting is bounded', (t) => {
  // 100,000 array headers, each of which claims half a million values.
  const bomb = Buffer.alloc(500_000);
  for (let at = 0; at < bomb.length; at += 5) {
    bomb[at] = 0xdd;
    bomb.writeUInt32BE(bomb.length, at + 1);
  }
  t.throws(() => decodeVersion(bomb, 'version'), { code: 'DLV_CORRUPT', message: /claims/ });
  const deep = Buffer.alloc(5000, 0x91);
  t.throws(() => decodeVersion(deep, 'version'), { code: 'DLV_CORRUPT', message: /nested/ });
  for (const hex of ['', '92', 'a3', 'c6ffffffff', 'db00', '81a161', 'd40000', 'c1', 'cb00']) {
    t.throws(() => decodeVersion(Buffer.from(hex, 'hex'), 'version'), { code: 'DLV_CORRUPT' }, hex);
  }
});

test('version: a number is an extension that older readers may ignore, and is checked', (t) => {
  const plain = makeVersion();
  const without = decodeCanonical(encodeVersion(plain), 'v') as Packed[];
  const fields = decodeCanonical(encodeVersion({ ...plain, number: 7 }), 'v') as Packed[];
  t.deepEqual(fields.slice(0, 13), without.slice(0, 13));
  t.deepEqual(fields[13], [['number', encodeCanonical(7)]] as never);
  for (const number of [0, -1, 1.5, 1e9]) {
    t.throws(() => encodeVersion({ ...plain, number }), { code: 'DLV_USAGE' });
  }
  const bad: Packed[] = [0, -1, 1.5, 1e9, '7', null, [7]];
  for (const value of bad) {
    const bytes = encodeCanonical([...without.slice(0, 13), [['number', encodeCanonical(value)]]]);
    t.throws(() => decodeVersion(bytes, 'v'), { code: 'DLV_CORRUPT' }, String(value));
  }
  for (const value of [new Uint8Array(0), Uint8Array.of(0xcd, 0, 7), Uint8Array.of(7, 7)]) {
    const bytes = encodeCanonical([...without.slice(0, 13), [['number', value]]]);
    t.throws(() => decodeVersion(bytes, 'v'), { code: 'DLV_CORRUPT' });
  }
  // Other extensions stay beside it.
  const other = { tag: 'zeta', value: Uint8Array.of(1) };
  const both = decodeVersion(encodeVersion({ ...plain, number: 3, extensions: [other] }), 'v');
  t.is(both.number, 3);
  t.deepEqual(both.extensions, [other]);
});

test('version: later forms and required extensions are told from damage', (t) => {
  const later = edited(makeVersion(), (f) => (f[0] = 2));
  t.throws(() => decodeVersion(later, 'version'), { code: 'DLV_FORMAT_VERSION' });
  const required = edited(makeVersion(), (f) => (f[13] = [['!tier', new Uint8Array(1)]]));
  t.throws(() => decodeVersion(required, 'version'), { code: 'DLV_FORMAT_VERSION' });
  const optional = edited(makeVersion(), (f) => (f[13] = [['note', new Uint8Array(1)]]));
  t.deepEqual(
    Buffer.from(encodeVersion(decodeVersion(optional, 'version'))),
    Buffer.from(optional),
  );
});

test('version: every flipped bit is refused or changes the id', async (t) => {
  const bytes = fs.readFileSync(fixture('repo', 'v1_version.bin'));
  const original = versionId(bytes);
  for (let at = 0; at < bytes.length * 8; at++) {
    const flipped = Uint8Array.from(bytes);
    flipped[at >> 3]! ^= 1 << (at & 7);
    t.not(versionId(flipped), original);
    try {
      t.deepEqual(
        Buffer.from(encodeVersion(decodeVersion(flipped, 'version'))),
        Buffer.from(flipped),
      );
    } catch (error) {
      t.true(error instanceof DlvError, String(error));
    }
  }
});

test('version: is stored under its hash with its first parent as base', async (t) => {
  const blobs = new MemoryBlobs();
  const parent = await writeVersion(makeVersion(), blobs);
  const tree = await buildTree([fileEntry('a')], [], blobs);
  const child = makeVersion({ parents: [parent], tree });
  const childId = await writeVersion(child, blobs);
  t.is(childId, objectId('version', encodeVersion(child)));
  t.deepEqual(blobs.bases, [undefined, parent]);
  t.deepEqual(await readVersion(childId, blobs), child);
  t.is(idBytes(childId).length, 33);
});

test('version: short ids have 10 digits, more where others share them', (t) => {
  const one = idOf('1');
  const near = `${one.slice(0, 13)}${one[13] === '0' ? '1' : '0'}${one.slice(14)}` as typeof one;
  t.is(shortId(one), one.slice(0, 10));
  t.is(uniqueShortId(one, [one, idOf('2')]), one.slice(0, 10));
  t.is(uniqueShortId(one, [near, one]), one.slice(0, 14));
});
