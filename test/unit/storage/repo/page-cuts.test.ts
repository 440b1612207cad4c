/**
 * Goal: a page is compared with what its tree says of it, however it is found: read with all others, looked up for one
 * path, told by the id of what is known, or kept from another version.
 * Method: trees of hundreds of files, of which two pages are cut anew and written as they are then.
 */
import test from 'ava';
import {
  decodeCanonical,
  encodeCanonical,
  type Packed,
} from '../../../../lib/base/bytes/msgpack/msgpack.js';
import { isDamage } from '../../../../lib/base/errors.js';
import type { ReadAccess } from '../../../../lib/storage/objects/access.js';
import { buildTree } from '../../../../lib/storage/repo/version/build-tree.js';
import type { PageRef } from '../../../../lib/storage/repo/version/file-page.js';
import {
  type FileTree,
  findFile,
  readPages,
  readTree,
} from '../../../../lib/storage/repo/version/file-tree.js';
import { Describer } from '../../../../lib/use/history/versions.js';
import { fileEntry, MemoryBlobs } from './memory-blobs.js';

const FILES = Array.from({ length: 400 }, (_, i) => ({
  ...fileEntry(`layer${i % 97}/part-${i}.npy`, `${i}`),
  ...{ format: 'blob', step: null, hint: { references: [], roles: [] } },
}));

type Rows = Packed[][];

/** A tree whose first two pages are cut by `cut`, which gets their rows; the tree and what it was made of. */
async function cutAnew(cut: (a: Rows, b: Rows) => Rows[]) {
  const blobs = new MemoryBlobs();
  const right = await buildTree(FILES, [], blobs);
  const [a, b, ...others] = right.pages as [PageRef, PageRef, ...PageRef[]];
  const rowsOf = async ({ id }: PageRef): Promise<Rows> =>
    (decodeCanonical(await blobs.readBlob(id, 'files'), 'page') as Packed[])[1] as Rows;
  const pages: PageRef[] = [];
  for (const rows of cut(await rowsOf(a), await rowsOf(b))) {
    const id = await blobs.writeBlob('files', encodeCanonical([1, rows, []]));
    pages.push({ id, count: rows.length, last: rows.at(-1)?.[0] as string });
  }
  return { blobs, right, wrong: { ...right, pages: [...pages, ...others] } as FileTree };
}

async function readAll(pages: AsyncIterable<unknown>): Promise<number> {
  let count = 0;
  for await (const _ of pages) count++;
  return count;
}

/** What a describer says of a tree, after another one that shares pages with it. */
async function described(blobs: MemoryBlobs, ...trees: FileTree[]): Promise<void> {
  const describer = new Describer(blobs as unknown as ReadAccess);
  for (const tree of trees) {
    await readAll(describer.pages(tree));
    await describer.content(tree);
  }
}

test('page cuts: a tree that was cut by the rule is read in all ways', async (t) => {
  const { blobs, right, wrong } = await cutAnew((a, b) => [a, b]);
  t.deepEqual(wrong, right);
  t.is(await readAll(readPages(right, blobs)), right.pages.length);
  t.is((await readTree(right, blobs, FILES)).files.length, FILES.length);
  for (const { path } of FILES.slice(0, 9)) t.is((await findFile(right, path, blobs))?.path, path);
  await t.notThrowsAsync(described(blobs, right, right));
});

const CUTS: Record<string, (a: Rows, b: Rows) => Rows[]> = {
  'two pages in one': (a, b) => [[...a, ...b]],
  'a page in two': (a, b) => [a.slice(0, 3), a.slice(3), b],
  'a page that begins before the last one ends': (a, b) => [a, [...a.slice(-2), ...b]],
};

for (const [name, cut] of Object.entries(CUTS)) {
  test(`page cuts: ${name} is damage, however the page is found`, async (t) => {
    const { blobs, right, wrong } = await cutAnew(cut);
    const isWrong = async (read: Promise<unknown>, how: string): Promise<void> => {
      t.true(isDamage(await t.throwsAsync(read, undefined, how)), how);
    };
    const at = name.startsWith('a page that begins') ? 1 : 0;
    const inside = wrong.pages[at]?.last as string;
    await isWrong(readAll(readPages(wrong, blobs)), 'read');
    await isWrong(findFile(wrong, inside, blobs), 'looked up');
    await isWrong(described(blobs, wrong), 'described');
    await isWrong(described(blobs, right, wrong), 'described after another one');
    if (name === 'a page in two') await isWrong(readTree(wrong, blobs, FILES), 'told by its id');
  });
}

test('page cuts: a page that another version describes rightly is looked at again', async (t) => {
  const { blobs, right } = await cutAnew((a, b) => [a, b]);
  const few = right.pages.slice(0, -1);
  // The last page of a tree may end anywhere, and no other one.
  const [last] = right.pages.slice(-1) as [PageRef];
  const after = { ...last, last: 'zzz' };
  for (const pages of [
    [...few, { ...last, count: last.count + 1 }],
    [...few, last, after],
    [...few, after],
  ]) {
    const error = await t.throwsAsync(described(blobs, right, { ...right, pages }));
    t.true(isDamage(error));
  }
});
