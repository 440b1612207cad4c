/** Staging: trees of models, owners, and when a file may be believed unchanged. */
import fs from 'node:fs/promises';
import path from 'node:path';
import test from 'ava';
import fc from 'fast-check';
import { sha256 } from '../../../../lib/base/bytes/hash.js';
import {
  decodeCanonical,
  encodeCanonical,
  type Packed,
} from '../../../../lib/base/bytes/msgpack/msgpack.js';
import { ConflictError } from '../../../../lib/base/errors.js';
import { type FileStat, statOrNull } from '../../../../lib/base/files/files.js';
import {
  changedEntry,
  isClean,
  nowNs,
  type StagedEntry,
  Staging,
} from '../../../../lib/storage/repo/staging/staging.js';
import {
  decodeStaging,
  encodeStaging,
} from '../../../../lib/storage/repo/staging/staging-bytes.js';
import { readStaging, writeStaging } from '../../../../lib/storage/repo/staging/staging-file.js';
import { salvageStaging } from '../../../../lib/storage/repo/staging/staging-salvage.js';
import { fileEntry, idOf } from './memory-blobs.js';
import { locked, tempRepo } from './temp-repo.js';

function staged(path: string, fields: Partial<StagedEntry> = {}): StagedEntry {
  return {
    ...fileEntry(path, path),
    stat: { size: path.length, mtimeNs: '1', ctimeNs: '2', inode: '3', mode: 0o100644 },
    stagedAtNs: '1760000000000000000',
    format: 'safetensors',
    step: null,
    hint: { references: [], roles: ['weights'] },
    ...fields,
  };
}

test('staging: reads back what was written', async (t) => {
  const layout = await tempRepo(t);
  t.deepEqual((await readStaging(layout)).staging.models(), []);
  const staging = new Staging();
  const line = staging.open('mnist', 'main');
  line.base = idOf('base');
  line.otherParents = [idOf('p')];
  line.sets = [{ id: 'ab'.repeat(16), storedBytes: 1000, metadataBytes: 20 }];
  staging.open('bert', null);
  staging.put('mnist', staged('b/model.safetensors', { step: 7, mode: 0o755 }));
  staging.put(
    'mnist',
    staged('a.json', { stat: null, gitSha1: null, hint: { references: ['x'], roles: [] } }),
  );
  staging.put('bert', staged('c', { hint: { references: [], roles: ['optimizer', 'ema'] } }));
  await locked(layout, (lock) => writeStaging(lock, staging));
  const { staging: back, writtenNs } = await readStaging(layout);
  t.deepEqual(back.models(), staging.models());
  for (const { model } of staging.models()) {
    const values = (from: Staging) => from.entries(model).map((entry) => changedEntry(entry));
    t.deepEqual(values(back), values(staging));
  }
  t.is(writtenNs, BigInt((await statOrNull(layout.staging))!.stat.mtimeNs));
});

test('staging: every flipped bit and every missing tail is found', (t) => {
  const staging = new Staging();
  staging.open('mnist', 'main').base = idOf('b');
  staging.put('mnist', staged('a'));
  const bytes = encodeStaging(staging);
  for (let bit = 0; bit < bytes.length * 8; bit++) {
    const flipped = Uint8Array.from(bytes);
    flipped[bit >> 3]! ^= 1 << (bit & 7);
    t.throws(() => decodeStaging(flipped, 'staging'), { code: 'DLV_CORRUPT' });
  }
  for (let length = 0; length < bytes.length; length++) {
    t.throws(() => decodeStaging(bytes.subarray(0, length), 'staging'), { code: 'DLV_CORRUPT' });
  }
});

test('staging: a file that is as it was is not decoded again, and what is read twice is apart', async (t) => {
  const layout = await tempRepo(t);
  const first = new Staging();
  first.open('mnist', 'main').sets = [{ id: 'ab'.repeat(16), storedBytes: 1, metadataBytes: 2 }];
  for (const path of ['a', 'b']) first.put('mnist', staged(path));
  await locked(layout, (lock) => writeStaging(lock, first));
  const { staging } = await readStaging(layout);
  staging.remove('a');
  staging.put('mnist', staged('b', { step: 5 }));
  staging.open('mnist').sets.pop();
  const { staging: again } = await readStaging(layout, null, staging);
  t.deepEqual(encodeStaging(again), encodeStaging(first));
  again.put('mnist', staged('c'));
  t.is(staging.entry('c'), null);
  // Another process wrote meanwhile.
  await locked(layout, (lock) => writeStaging(lock, again));
  const { staging: now } = await readStaging(layout, null, staging);
  t.deepEqual(encodeStaging(now), encodeStaging(again));
});

test('staging: paths of several models are checked together', (t) => {
  const both = (one: string, other: string) => {
    const staging = new Staging();
    staging.put('bert', staged(one));
    staging.put('mnist', staged('z'));
    const models = (edit: Packed[][]) => {
      const files = (edit[1] as Packed[][])[5] as Packed[][];
      ((files[0] as Packed[])[0] as Packed[])[0] = other;
    };
    return () => decodeStaging(unchecked(models, staging), 'staging');
  };
  t.is(both('a/b', 'a/c')().ownerOf('a/c'), 'mnist');
  for (const [one, other] of [
    ['a', 'a'],
    ['a', 'a/b'],
    ['a/b/c', 'a/b'],
  ] as const) {
    t.throws(both(one, other), { code: 'DLV_CORRUPT', message: /'staging' is damaged/ }, other);
  }
});

/** A staging whose lines and files are those of another, as values alone. */
function copyOf(staging: Staging): Staging {
  const copy = new Staging(staging.only);
  for (const line of staging.models()) {
    Object.assign(copy.open(line.model, line.branch), line);
    for (const entry of staging.entries(line.model)) copy.put(line.model, changedEntry(entry));
  }
  return copy;
}

test('staging: bytes that are accepted are those that their values make', (t) => {
  const staging = new Staging();
  staging.open('mnist', 'main').base = idOf('b');
  staging.put('mnist', staged('a', { step: 3, hint: { references: ['a/b'], roles: ['ema'] } }));
  staging.put('mnist', staged('b', { stat: null, gitSha1: null }));
  const sound = encodeStaging(staging);
  const body = sound.length - 32;
  const change = fc.record({ at: fc.nat(body - 1), byte: fc.nat(255) });
  let accepted = 0;
  const isHeld = (changes: { at: number; byte: number }[]): void => {
    const bytes = Buffer.from(sound);
    for (const { at, byte } of changes) bytes[at] = byte;
    bytes.set(sha256().update(bytes.subarray(0, body)).digest(), body);
    let read: Staging;
    try {
      read = decodeStaging(bytes, 'staging');
    } catch {
      return;
    }
    accepted++;
    t.deepEqual(Buffer.from(encodeStaging(copyOf(read))), bytes);
  };
  fc.assert(fc.property(fc.array(change, { minLength: 1, maxLength: 2 }), isHeld), {
    numRuns: 2000,
  });
  for (let at = 8; at < body; at++) {
    for (const byte of [0x00, 0x01, 0x7f, 0x90, 0xa1, 0xc0, 0xcc, 0xe0]) isHeld([{ at, byte }]);
  }
  t.true(accepted > 100);
});

test('staging: what no command could read again is never written', async (t) => {
  const layout = await tempRepo(t);
  const staging = new Staging();
  staging.put('mnist', staged('a'));
  await locked(layout, (lock) => writeStaging(lock, staging));
  const before = await fs.readFile(layout.staging);
  const bad: [string, Partial<StagedEntry>][] = [
    ['a reference', { hint: { references: ['.git/config'], roles: [] } }],
    ['a step', { step: -1 }],
    ['a time', { stagedAtNs: 'now' }],
  ];
  for (const [what, fields] of bad) {
    staging.put('mnist', staged('b', fields));
    await t.throwsAsync(
      locked(layout, (lock) => writeStaging(lock, staging)),
      { code: 'DLV_BUG', message: /could not read it again/ },
      what,
    );
    t.deepEqual(await fs.readFile(layout.staging), before, what);
  }
  t.deepEqual(await fs.readdir(layout.dir), (await fs.readdir(layout.dir)).filter(isOurs));
});

test('staging: files that were read are written as they were, changed ones anew', async (t) => {
  const layout = await tempRepo(t);
  const first = new Staging();
  for (const path of ['a', 'b', 'c/d', 'e']) first.put('mnist', staged(path));
  for (const path of ['f', 'g']) first.put('bert', staged(path, { step: 3 }));
  await locked(layout, (lock) => writeStaging(lock, first));
  const { staging } = await readStaging(layout);
  staging.put('mnist', changedEntry(staging.entry('b') as StagedEntry, { step: 9 }));
  staging.put('mnist', staged('b2'));
  staging.remove('c/d');
  staging.put('bert', staged('h'));
  const anew = new Staging();
  for (const { model, branch } of staging.models()) {
    anew.open(model, branch);
    for (const entry of staging.entries(model)) anew.put(model, changedEntry(entry));
  }
  t.deepEqual(encodeStaging(staging), encodeStaging(anew));
  await locked(layout, (lock) => writeStaging(lock, staging));
  t.deepEqual(encodeStaging((await readStaging(layout)).staging), encodeStaging(anew));
  // Its bytes are known: a change would not be written.
  t.throws(() => Object.assign(staging.entry('a') as StagedEntry, { step: 1 }), {
    instanceOf: TypeError,
  });
  // Beside files that are known, others are still read back before anything is written.
  staging.put('mnist', staged('z', { step: -1 }));
  await t.throwsAsync(
    locked(layout, (lock) => writeStaging(lock, staging)),
    { code: 'DLV_BUG' },
  );
});

const isOurs = (name: string): boolean => !name.startsWith('.tmp-');

/** Bytes as a dlv wrote them that did not check: anything may stand in them. */
function unchecked(edit: (models: Packed[][]) => void, staging: Staging): Uint8Array {
  const bytes = encodeStaging(staging);
  const models = decodeCanonical(bytes.subarray(8, -32), 'staging') as Packed[][];
  edit(models);
  const body = Buffer.concat([bytes.subarray(0, 8), encodeCanonical(models)]);
  return Buffer.concat([body, sha256().update(body).digest()]);
}

test('staging: of a file that cannot be read all that is sound is saved', (t) => {
  const staging = new Staging();
  staging.open('bert', 'main').base = idOf('base');
  for (const name of ['a', 'b', 'c', 'd/e']) staging.put('bert', staged(name));
  staging.put('mnist', staged('i.json', { hint: { references: ['x', '.git/x'], roles: [] } }));
  staging.put('mnist', staged('m', { hint: { references: ['\ud800'], roles: [] } }));
  staging.open('net', 'main');
  const bytes = unchecked((models) => {
    const [bert, , net] = models as [Packed[], Packed[], Packed[]];
    const files = bert[5] as Packed[][];
    (files[1] as Packed[])[4] = -3; // the step of 'b'
    ((files[2] as Packed[])[0] as Packed[])[0] = '.git/hooks'; // the path of 'c'
    net[0] = 'a/b'; // the name of the model
  }, staging);
  t.throws(() => decodeStaging(bytes, 'staging'), { code: 'DLV_CORRUPT' });
  const saved = salvageStaging(bytes, 'staging');
  t.deepEqual(
    saved.staging.entries('bert').map((entry) => entry.path),
    ['a', 'd/e'],
  );
  t.is(saved.staging.get('bert')?.base, idOf('base'));
  t.deepEqual(saved.staging.entry('i.json')?.hint.references, ['x']);
  t.deepEqual(saved.staging.entry('m')?.hint.references, []);
  t.deepEqual(saved.lostPaths, [{ model: 'bert', path: 'b' }]);
  t.is(saved.lost.length, 5);
  t.regex(
    saved.lost.join('\n'),
    /'b' of model 'bert'[\s\S]*'\.git\/x' of 'i\.json'[\s\S]*for a model/,
  );
  decodeStaging(encodeStaging(saved.staging), 'staging');
});

test('staging: sound bytes are saved whole, changed ones are not believed', (t) => {
  const staging = new Staging();
  staging.put('mnist', staged('a', { hint: { references: ['b'], roles: ['weights'] } }));
  const bytes = encodeStaging(staging);
  const saved = salvageStaging(bytes, 'staging');
  t.deepEqual([encodeStaging(saved.staging), saved.lost], [bytes, []]);
  const flipped = Uint8Array.from(bytes);
  flipped[20]! ^= 1;
  t.throws(() => salvageStaging(flipped, 'staging'), { code: 'DLV_CORRUPT' });
});

test('staging: a path has one owner, and the error names it', (t) => {
  const staging = new Staging();
  staging.put('mnist', staged('w/a'));
  const error = t.throws(() => staging.put('bert', staged('w/a')), { instanceOf: ConflictError });
  t.is(error.data.owner, 'mnist');
  t.regex(error.message, /belongs to model 'mnist'/);
  t.throws(() => staging.put('bert', staged('w')), { instanceOf: ConflictError });
  t.throws(() => staging.put('bert', staged('w/a/b')), { instanceOf: ConflictError });
  t.is(staging.ownerOf('w/a'), 'mnist');
  t.true(staging.remove('w/a'));
  staging.put('bert', staged('w/a'));
  t.is(staging.ownerOf('w/a'), 'bert');
});

test('staging: a file that becomes a folder, and back, replaces it', (t) => {
  const staging = new Staging();
  staging.put('m', staged('a'));
  staging.put('m', staged('a/b/c'));
  staging.put('m', staged('a/d'));
  t.deepEqual(
    staging.entries('m').map((e) => e.path),
    ['a/b/c', 'a/d'],
  );
  staging.put('m', staged('a'));
  t.deepEqual(
    staging.entries('m').map((e) => e.path),
    ['a'],
  );
  staging.drop('m');
  t.is(staging.get('m'), undefined);
  t.is(staging.ownerOf('a'), null);
});

test('staging: after any sequence of puts and removes it is a proper tree', (t) => {
  const part = fc.constantFrom('a', 'b', 'c');
  const name = fc.array(part, { minLength: 1, maxLength: 4 }).map((parts) => parts.join('/'));
  const action = fc.record({ path: name, model: fc.constantFrom('m', 'n'), put: fc.boolean() });
  fc.assert(
    fc.property(fc.array(action, { maxLength: 30 }), (actions) => {
      const staging = new Staging();
      for (const { path, model, put } of actions) {
        try {
          if (put) staging.put(model, staged(path));
          else staging.remove(path);
        } catch (error) {
          t.true(error instanceof ConflictError);
        }
      }
      const paths = staging.models().flatMap(({ model }) => {
        return staging.entries(model).map((entry) => entry.path);
      });
      t.is(new Set(paths).size, paths.length);
      t.false(paths.some((a) => paths.some((b) => b.startsWith(`${a}/`))));
      for (const path of paths) t.is(staging.entry(path)?.path, path);
      const back = decodeStaging(encodeStaging(staging), 'staging');
      t.deepEqual(encodeStaging(back), encodeStaging(staging));
    }),
  );
});

const STAT: FileStat = {
  size: 5,
  mtimeNs: '1000000000123000000',
  ctimeNs: '1000000000123000000',
  inode: '9',
  mode: 0o100644,
};
const CHANGED = 1_000_000_000_123_000_000n;
const LATER = CHANGED + 1_000_000_000n;

test('clean: only with the same size, times and inode', (t) => {
  const entry = { stat: STAT, stagedAtNs: String(LATER) };
  t.true(isClean(entry, STAT, LATER));
  const moved = String(CHANGED - 1n);
  const others: Partial<FileStat>[] = [
    { size: 6 },
    { mtimeNs: moved },
    { ctimeNs: moved },
    { inode: '8' },
  ];
  for (const other of others) t.false(isClean(entry, { ...STAT, ...other }, LATER));
  t.false(isClean({ ...entry, stat: null }, STAT, LATER));
});

test('clean: a file that changed in the tick of staging is racy', (t) => {
  const entry = { stat: STAT, stagedAtNs: String(LATER) };
  t.false(isClean(entry, STAT, CHANGED), 'staging written at the very time of the change');
  t.false(isClean(entry, STAT, CHANGED - 1n));
  t.true(isClean(entry, STAT, CHANGED + 1n));
  // Hashed within a tick of the change: a second change could have the same time.
  t.false(isClean({ ...entry, stagedAtNs: String(CHANGED + 9_000_000n) }, STAT, LATER));
  t.true(isClean({ ...entry, stagedAtNs: String(CHANGED + 10_000_001n) }, STAT, LATER));
  // Whole seconds: the file system may count no finer.
  const whole = '1000000000000000000';
  const coarse = { ...STAT, mtimeNs: whole, ctimeNs: whole };
  const at = (ns: bigint): string => String(1_000_000_000_000_000_000n + ns);
  t.false(isClean({ stat: coarse, stagedAtNs: at(1_900_000_000n) }, coarse, LATER + LATER));
  t.true(isClean({ stat: coarse, stagedAtNs: at(2_000_000_001n) }, coarse, LATER + LATER));
});

test('clean: a file rewritten right after it was hashed is never believed', async (t) => {
  const layout = await tempRepo(t);
  const file = path.join(layout.workTree, 'a');
  let unseen = 0;
  for (let i = 0; i < 40; i++) {
    await fs.writeFile(file, 'one..');
    const stagedAtNs = nowNs();
    const { stat } = (await statOrNull(file))!;
    await fs.writeFile(file, 'two..');
    const staging = new Staging();
    staging.put('mnist', staged('a', { stat, stagedAtNs }));
    await locked(layout, (lock) => writeStaging(lock, staging));
    const { staging: back, writtenNs } = await readStaging(layout);
    const now = (await statOrNull(file))!.stat;
    t.false(isClean(back.entry('a')!, now, writtenNs));
    if (now.mtimeNs === stat.mtimeNs && now.ctimeNs === stat.ctimeNs) unseen++;
  }
  t.log(`${unseen} of 40 changes left the times as they were`);
});
