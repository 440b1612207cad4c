/** Trees of files: paging that keeps changes local, and pages that lie. */

import test from 'ava';
import fc from 'fast-check';
import type { Id } from '../../../../lib/base/bytes/hash.js';
import {
  decodeCanonical,
  encodeCanonical,
  type Packed,
} from '../../../../lib/base/bytes/msgpack/msgpack.js';
import { type DlvError, isDamage } from '../../../../lib/base/errors.js';
import { comparePaths } from '../../../../lib/pure/paths/version-path.js';
import type { Role } from '../../../../lib/pure/tensor/layout.js';
import { buildTree } from '../../../../lib/storage/repo/version/build-tree.js';
import {
  type FileEntry,
  type PageRef,
  packFile,
  type Snapshot,
} from '../../../../lib/storage/repo/version/file-page.js';
import {
  endsPage,
  type FileTree,
  findFile,
  packTree,
  readFiles,
  readTree,
  unpackTree,
} from '../../../../lib/storage/repo/version/file-tree.js';
import { makeSnapshots } from '../../../../lib/storage/repo/version/snapshots.js';
import { fileEntry, MemoryBlobs } from './memory-blobs.js';

function snapshot(key: string, fields: Partial<Snapshot> = {}): Snapshot {
  return { key, role: 'weights', step: null, members: [key], ...fields };
}

function manyFiles(count: number): FileEntry[] {
  return Array.from({ length: count }, (_, i) => fileEntry(`layer${i % 97}/part-${i}.npy`, `${i}`));
}

/** The tree as a version that was written and read again has it. */
function reread(tree: FileTree): FileTree {
  return unpackTree(decodeCanonical(encodeCanonical(packTree(tree)), 'version'), 'version');
}

test('tree: what is built is read back, in order, whatever the count', async (t) => {
  for (const count of [0, 1, 63, 64, 65, 700]) {
    const blobs = new MemoryBlobs();
    const files = manyFiles(count);
    const rows = files.slice(0, 9).map((file, i) => snapshot(file.path, { step: 9 - i }));
    const tree = reread(await buildTree([...files].reverse(), rows, blobs));
    const back = await readTree(tree, blobs);
    t.deepEqual(
      back.files,
      [...files].sort((a, b) => comparePaths(a.path, b.path)),
    );
    t.deepEqual(
      back.snapshots.map((s) => s.step),
      rows.map((s) => s.step).reverse(),
    );
    t.is(tree.count, count);
    t.is(
      tree.bytes,
      files.reduce((sum, file) => sum + file.size, 0),
    );
    t.is(tree.pages.length > 0, count > 64);
    for (const file of files.slice(0, 3)) t.deepEqual(await findFile(tree, file.path, blobs), file);
    t.is(await findFile(tree, 'zzz', blobs), null);
    t.is(await findFile(tree, 'layer0/none', blobs), null);
  }
});

test('tree: one of 10,000 files changed, added or removed rewrites a page or two', async (t) => {
  const blobs = new MemoryBlobs();
  const files = manyFiles(10_000);
  const before = await buildTree(files, [], blobs);
  t.true(before.pages.length > 50);
  const known = new Set(before.pages.map((page) => page.id));
  const changes: FileEntry[][] = [
    files.map((file, i) => (i === 5000 ? fileEntry(file.path, 'changed') : file)),
    [...files, fileEntry('layer50/new.npy', 'new')],
    files.filter((_, i) => i !== 5000),
  ];
  for (const changed of changes) {
    const after = await buildTree(changed, [], blobs, before);
    t.true(after.pages.filter((page) => !known.has(page.id)).length <= 2);
  }
  // A rewritten page names the page it replaces as its likely base.
  t.true(known.has(blobs.bases.at(-1) as Id));
});

/** A tree, files that were made of it by small changes, and their snapshots. */
function changedFiles(seed: readonly { at: number; how: 'change' | 'remove' | 'insert' }[]) {
  // Every second run of names has no cut for longer than a page may be.
  const names = Array.from({ length: 3000 }, (_, i) => `f${String(i).padStart(5, '0')}`);
  const files = names
    .filter((name, i) => i % 1500 > 900 || !endsPage(name))
    .map((name) => fileEntry(name));
  const now: FileEntry[] = [...files];
  for (const { at, how } of seed) {
    const i = at % now.length;
    const { path } = now[i] as FileEntry;
    if (how === 'remove') now.splice(i, 1);
    else if (how === 'change') now[i] = fileEntry(path, `changed ${at}`);
    else now.splice(i + 1, 0, fileEntry(`${path}-${at}`));
  }
  const rolesOf = ({ path }: FileEntry): Role[] => (path.endsWith('77') ? ['weights'] : []);
  const hints = (entries: readonly FileEntry[]) =>
    entries.map((entry) => {
      const hint = { references: [], roles: rolesOf(entry) };
      return { ...entry, format: 'blob', step: null, hint };
    });
  return { files: hints(files), now: hints(now) };
}

const edits = fc.array(
  fc.record({ at: fc.nat(4000), how: fc.constantFrom('change', 'remove', 'insert') }),
  { maxLength: 4 },
);

test('tree: what is taken of the parent is what would have been made without it', async (t) => {
  await fc.assert(
    fc.asyncProperty(edits, async (seed) => {
      const { files, now } = changedFiles(seed);
      const blobs = new MemoryBlobs();
      const before = await buildTree(files, makeSnapshots(files), blobs);
      const alone = await buildTree(now, makeSnapshots(now), blobs);
      const after = await buildTree(now, makeSnapshots(now), blobs, before);
      t.deepEqual(after, alone);
      for (const { id } of after.pages) t.true(blobs.blobs.has(id));
      // What is known changes what is read, and nothing of what is found.
      const plain = await readTree(before, blobs);
      blobs.reads = 0;
      const beside = await readTree(before, blobs, now);
      t.deepEqual(
        encodeCanonical(beside.files.map(packFile)),
        encodeCanonical(plain.files.map(packFile)),
      );
      t.deepEqual(beside.snapshots, plain.snapshots);
      t.true(blobs.reads <= 2 * seed.length + 2);
      const known = new Set<unknown>(now);
      t.true(beside.files.filter((file) => known.has(file)).length > 0);
    }),
    { numRuns: 15 },
  );
});

test('tree: a page that was made before is not taken for another one that begins with the same file', async (t) => {
  const rowed = (file: FileEntry): FileEntry => {
    const row = encodeCanonical(packFile(file));
    return { ...file, row: () => row };
  };
  const blobs = new MemoryBlobs();
  const files = manyFiles(300)
    .sort((a, b) => comparePaths(a.path, b.path))
    .map(rowed);
  const before = await buildTree(files, [], blobs);
  const [first, second] = before.pages as [PageRef, PageRef];
  t.deepEqual(await buildTree(files, [], blobs, before), before);
  const at = first.count - 1;
  const file = files[at] as FileEntry;
  const others: [FileEntry[], Snapshot[]][] = [
    [files.with(at, rowed(fileEntry(file.path, 'changed'))), []],
    [files.toSpliced(at, 1), []],
    [files.toSpliced(first.count, second.count), []],
    [files, [snapshot(file.path)]],
    [files, []],
  ];
  for (const [now, snapshots] of others) {
    const alone = await buildTree(now, snapshots, blobs);
    t.deepEqual(await buildTree(now, snapshots, blobs, before), alone);
    t.deepEqual(await buildTree(now, snapshots, blobs, alone), alone);
    t.deepEqual(await buildTree(now, snapshots, blobs, before), alone);
  }
});

test('tree: pages that are known are checked against those that are read', async (t) => {
  const blobs = new MemoryBlobs();
  const { files } = changedFiles([]);
  const tree = await buildTree(files, makeSnapshots(files), blobs);
  const [first, second] = tree.pages as [PageRef, PageRef];
  const changed = changedFiles([{ at: first.count + 2, how: 'change' }]).now;
  const swapped = { ...tree, pages: [second, first, ...tree.pages.slice(2)] };
  await t.throwsAsync(readTree(swapped, blobs, changed), { code: 'DLV_CORRUPT' });
  await t.throwsAsync(readTree({ ...tree, bytes: tree.bytes + 1 }, blobs, files), {
    code: 'DLV_CORRUPT',
  });
  blobs.blobs.delete(second.id);
  t.is((await readTree(tree, blobs, files)).files.length, files.length);
  await t.throwsAsync(readTree(tree, blobs, changed), { code: 'DLV_NOT_FOUND' });
});

test('tree: looking up one path reads one page', async (t) => {
  const blobs = new MemoryBlobs();
  const tree = await buildTree(manyFiles(2000), [], blobs);
  t.not(await findFile(tree, 'layer3/part-100.npy', blobs), null);
  t.is(blobs.reads, 1);
});

test('tree: pages never pass their limit, even without a single cut', async (t) => {
  const files: FileEntry[] = [];
  for (let i = 0; files.length < 1100; i++) {
    if (!endsPage(`f${i}`)) files.push(fileEntry(`f${i}`));
  }
  const blobs = new MemoryBlobs();
  const tree = reread(await buildTree(files, [], blobs));
  t.deepEqual(
    tree.pages.map((page) => page.count),
    [512, 512, 76],
  );
  t.is((await readTree(tree, blobs)).files.length, 1100);
});

test('tree: snapshots keep all their members, in pages as well', async (t) => {
  const files = manyFiles(300);
  const members = files.slice(10, 80).map((file) => file.path);
  const rows = [snapshot(files[10]!.path, { members }), snapshot(files[10]!.path, { role: 'ema' })];
  const blobs = new MemoryBlobs();
  const back = await readTree(reread(await buildTree(files, rows, blobs)), blobs);
  t.deepEqual(back.snapshots[0]!.members, [...members].sort(comparePaths));
  t.is(back.snapshots[1]!.role, 'ema');
});

test('tree: what cannot be a tree is refused', async (t) => {
  const blobs = new MemoryBlobs();
  const bad: [FileEntry[], Snapshot[]][] = [
    [[fileEntry('a'), fileEntry('a')], []],
    [[fileEntry('a'), fileEntry('a-'), fileEntry('a/b')], []],
    [[fileEntry('../a')], []],
    [[fileEntry('a')], [snapshot('b')]],
    [[fileEntry('a')], [snapshot('a', { members: ['a', 'b'] })]],
    [[fileEntry('a')], [snapshot('a'), snapshot('a')]],
  ];
  for (const [files, rows] of bad) {
    await t.throwsAsync(buildTree(files, rows, blobs), { code: 'DLV_USAGE' });
  }
});

async function damagedBy(edit: (page: Packed[], tree: FileTree) => void): Promise<unknown> {
  const blobs = new MemoryBlobs();
  const tree = await buildTree(manyFiles(300), [snapshot('layer0/part-0.npy')], blobs);
  const first = tree.pages[0]!;
  const page = decodeCanonical(await blobs.readBlob(first.id, 'files'), 'page') as Packed[];
  edit(page, tree);
  first.id = await blobs.writeBlob('files', encodeCanonical(page));
  try {
    await readTree(reread(tree), blobs);
  } catch (error) {
    return error;
  }
  return null;
}

test('tree: a page that lies is damage', async (t) => {
  const row = (page: Packed[], i: number): Packed[] => (page[1] as Packed[][])[i]!;
  t.is(await damagedBy(() => {}), null);
  const lies: ((page: Packed[], tree: FileTree) => void)[] = [
    (page) => (page[1] as Packed[]).reverse(),
    (page) => (page[1] as Packed[]).shift(),
    (page) => (row(page, 0)[0] = '/etc/passwd'),
    (page) => (row(page, 0)[0] = `${row(page, 1)[0]}/x`),
    (page) => (row(page, 0)[1] = 0o4755),
    (page) => (row(page, 0)[2] = 2 ** 50),
    (page) => (row(page, 0)[2] = -1),
    (page) => (row(page, 0)[3] = new Uint8Array(31)),
    (page) => (row(page, 0)[4] = 'sha1'),
    (page) => (row(page, 0)[5] = 2),
    (page) => (row(page, 0)[6] = new Uint8Array(33)),
    (page) => (page[2] as Packed[]).push(['nowhere', 0, null, null]),
    (page) => (page[2] as Packed[]).push([row(page, 0)[0]!, 9, null, null]),
    (page) => (page[2] as Packed[]).push([row(page, 0)[0]!, 0, -1, null]),
    (page) => (page[2] as Packed[]).push([row(page, 0)[0]!, 1, null, ['x']]),
    (page) => (page[2] as Packed[]).push([row(page, 0)[0]!, 1, null, [row(page, 0)[0]!]]),
    (_, tree) => (tree.pages[0]!.count += 1),
    (_, tree) => (tree.bytes += 1),
    (_, tree) => (tree.snapshotCount += 1),
    (_, tree) => tree.pages.reverse(),
    (_, tree) => (tree.pages[0]!.last = tree.pages[1]!.last),
  ];
  for (const [i, lie] of lies.entries()) {
    const error = await damagedBy(lie);
    t.true(isDamage(error), `lie ${i}: ${error}`);
  }
  const later = await damagedBy((page) => (page[0] = 2));
  t.is((later as DlvError).code, 'DLV_FORMAT_VERSION');
});

test('tree: random bytes in place of a tree never pass and never do worse', (t) => {
  fc.assert(
    fc.property(fc.anything({ maxDepth: 3 }), (value) => {
      const error = t.throws(() => unpackTree(value as Packed, 'version'));
      t.true(isDamage(error));
    }),
  );
});

test('tree: files stream page by page', async (t) => {
  const blobs = new MemoryBlobs();
  const tree = await buildTree(manyFiles(1000), [], blobs);
  const files = readFiles(tree, blobs);
  await files.next();
  t.is(blobs.reads, 1);
  await files.return(undefined);
});
