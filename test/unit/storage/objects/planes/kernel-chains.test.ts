/**
 * Goal: what the kernel decodes straight from pack files, through whole chains, is what is stored, for every
 * width and number of planes; a wrong byte anywhere is found and named; what the kernel does not
 * take is decoded link by link.
 * Method: chains in a folder, read by a reader that may lend files and by one that may not; every payload
 * byte is covered by a checksum, so bytes all over the files are flipped.
 */
import fs from 'node:fs/promises';
import path from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { AbortedError, CorruptError } from '../../../../../lib/base/errors.js';
import { loadKernel } from '../../../../../lib/base/native/kernel.js';
import { planChains } from '../../../../../lib/storage/objects/planes/chain-forest.js';
import type { ChainLink } from '../../../../../lib/storage/objects/planes/chain-link.js';
import { ChainReader } from '../../../../../lib/storage/objects/planes/chain-reader.js';
import { ForestReader } from '../../../../../lib/storage/objects/planes/forest-reader.js';
import {
  decodeStraight,
  sampleStraight,
} from '../../../../../lib/storage/objects/planes/kernel-chains.js';
import { newStats } from '../../../../../lib/storage/objects/planes/read-counts.js';
import { FolderBackend } from '../../../../../lib/storage/store/backends/folder-backend.js';
import { ObjectStore } from '../../../../../lib/storage/store/object-store.js';
import { type MadeChains, makeChains, planesOf } from '../../../../helpers/chain-store.js';
import { tempDir } from '../../../../helpers/temp-dir.js';

/** More than one block and no whole number of them. */
const COUNT = 70_001;
const PARENTS = [null, 0, 1, 2, 0];

interface Made extends MadeChains {
  dir: string;
}

async function chainsIn(
  t: ExecutionContext,
  width: 1 | 2 | 4 | 8,
  smallSetBytes: number,
): Promise<Made> {
  const dir = await tempDir(t);
  const backend = new FolderBackend(dir);
  const isWhole = (i: number): boolean => i === 2;
  const made = await makeChains(PARENTS, {
    seed: 7,
    count: COUNT,
    width,
    smallSetBytes,
    isWhole,
    backend,
  });
  t.teardown(() => made.store.close());
  return { ...made, dir };
}

/** Links of an extent from its root on, all planes wanted. */
async function linksOf({ store, ids, width }: Made, extent: number): Promise<ChainLink[]> {
  const links: ChainLink[] = [];
  for (let id = ids[extent] ?? null; id !== null; ) {
    const entry = (await store.findSegment(id, 0))!;
    links.unshift({ entry, head: null, planes: width });
    id = entry.base;
  }
  return links;
}

const how = () => ({ stats: newStats(), signal: undefined });
const native = loadKernel().native !== null;

function areEqual(planes: readonly Uint8Array[], expected: readonly Uint8Array[]): boolean {
  return expected.every((plane, k) => Buffer.compare(plane, planes[k]!) === 0);
}

test('straight: planes of every extent, alone and on planes of its base', async (t) => {
  if (!native) return t.pass('no addon');
  for (const width of [1, 2, 4, 8] as const) {
    let decoded = 0;
    for (const smallSetBytes of [0, 1e9]) {
      const made = await chainsIn(t, width, smallSetBytes);
      for (const [extent, bytes] of made.contents.entries()) {
        const links = await linksOf(made, extent);
        const expected = planesOf(bytes, width);
        const lease = await decodeStraight(made.store, links, null, how());
        // Values of other widths hardly change: their deltas have masks, which are for the other reader.
        t.true(lease !== null || (width !== 4 && links.length > 1));
        if (lease === null) continue;
        decoded++;
        t.true(areEqual(lease.planes, expected));
        lease.release();
        const last = links.at(-1)!;
        if (last.entry.base === null) continue;
        const under = made.contents[made.ids.indexOf(last.entry.base)]!;
        const base = { ...links.at(-2)!.entry, planes: planesOf(under, width) };
        const on = (await decodeStraight(made.store, [last], base, how()))!;
        t.true(areEqual(on.planes, expected));
        on.release();
        t.is(await decodeStraight(made.store, [last], null, how()), null);
      }
    }
    t.true(decoded >= 2, `width ${width}`);
  }
});

test('straight: a chain reader gives the same planes, and counts the same, without files', async (t) => {
  for (const width of [2, 4, 8] as const) {
    const made = await chainsIn(t, width, 0);
    const { store } = made;
    const linkByLink = {
      findSegment: store.findSegment.bind(store),
      openSegment: store.openSegment.bind(store),
      readSegment: store.readSegment.bind(store),
      readPlanes: store.readPlanes.bind(store),
    };
    for (const planes of [1, 2, 3, 4, 8]) {
      for (const id of made.ids) {
        const [one, other] = [newStats(), newStats()];
        const a = await new ChainReader(store, { stats: one }).lend({ id, segment: 0, planes });
        const b = await new ChainReader(linkByLink, { stats: other }).lend({
          id,
          segment: 0,
          planes,
        });
        t.is(a.planes.length, Math.min(planes, width));
        t.true(a.planes.every((plane, k) => Buffer.compare(plane, b.planes[k]!) === 0));
        t.deepEqual(one, other);
      }
    }
  }
});

test('straight: a forest reader gives the same planes, and counts the same, without files', async (t) => {
  for (const width of [2, 4, 8] as const) {
    const made = await chainsIn(t, width, 0);
    const { store, ids, contents } = made;
    let lent = 0;
    const readers = [true, false].map((lends) => ({
      findSegment: store.findSegment.bind(store),
      openSegment: store.openSegment.bind(store),
      readSegment: store.readSegment.bind(store),
      readPlanes: store.readPlanes.bind(store),
      lendPayloads: async (...args: Parameters<ObjectStore['lendPayloads']>) => {
        const payloads = lends ? await store.lendPayloads(...args) : null;
        if (payloads !== null) lent++;
        return payloads;
      },
    }));
    for (const planes of [1, 2, 4, 8]) {
      const requests = ids.map((id) => ({ id, segment: 0, planes }));
      const stats = [];
      for (const records of readers) {
        const forest = await planChains(records, requests);
        const reader = new ForestReader(records, forest, { cacheBytes: 4 * COUNT * width });
        for (const [place, { node, planes: given }] of forest.order.entries()) {
          const lease = await reader.lendAt(place);
          const bytes = contents[ids.indexOf(node.entry.id)]!;
          t.true(areEqual(lease.planes, planesOf(bytes, width).slice(0, given)));
          lease.release();
        }
        reader.close();
        stats.push(reader.stats);
      }
      t.deepEqual(stats[0], stats[1]);
    }
    t.is(lent > 0, native);
  }
});

test('straight: a wrong byte anywhere, and a file that ends early, are refused and named', async (t) => {
  const made = await chainsIn(t, 4, 0);
  const id = made.ids[3]!;
  const expected = planesOf(made.contents[3]!, 4);
  for (const fileClass of ['hi', 'mid', 'low']) {
    const names = (await fs.readdir(path.join(made.dir, 'packs'))).filter((n) =>
      n.endsWith(`.${fileClass}`),
    );
    for (const name of names) {
      const file = path.join(made.dir, 'packs', name);
      const whole = await fs.readFile(file);
      for (let at = 16; at < whole.length; at += Math.ceil(whole.length / 40)) {
        const wrong = Buffer.from(whole);
        wrong[at]! ^= 0x10;
        for (const bytes of [wrong, whole.subarray(0, at)]) {
          await fs.writeFile(file, bytes);
          const store = await ObjectStore.open(new FolderBackend(made.dir));
          try {
            const lease = await new ChainReader(store).lend({ id, segment: 0 });
            t.true(
              lease.planes.every((p, k) => Buffer.compare(p, expected[k]!) === 0),
              `${name} ${at}`,
            );
          } catch (error) {
            t.true(
              error instanceof CorruptError ||
                (error as { code?: string }).code === 'DLV_TRUNCATED',
            );
          } finally {
            await store.close();
          }
        }
      }
      await fs.writeFile(file, whole);
    }
  }
});

test('straight: an abort ends it', async (t) => {
  if (!native) return t.pass('no addon');
  const made = await chainsIn(t, 4, 0);
  const signal = AbortSignal.abort();
  const links = await linksOf(made, 3);
  await t.throwsAsync(decodeStraight(made.store, links, null, { stats: newStats(), signal }), {
    instanceOf: AbortedError,
  });
});

test('samples: of all extents that a chain goes through, in one pass', async (t) => {
  if (!native) return t.pass('no addon');
  const sampling = { length: 300, step: 4_100, pieces: 17 };
  const { length, step, pieces } = sampling;
  for (const width of [2, 4, 8] as const) {
    let found = 0;
    for (const smallSetBytes of [0, 1e9]) {
      const made = await chainsIn(t, width, smallSetBytes);
      const { store, ids, contents } = made;
      for (const id of ids) {
        const chain = (await linksOf(made, ids.indexOf(id))).map(({ entry }) => entry.id);
        const how = { sampling, signal: undefined };
        const extent = { id, width, count: COUNT };
        const samples = await sampleStraight(store, extent, new Set(ids), how);
        t.true(samples !== null || (width !== 4 && chain.length > 1));
        if (samples === null) continue;
        found++;
        t.deepEqual([...samples.keys()], chain);
        for (const [link, planes] of samples) {
          for (const [k, plane] of planesOf(contents[ids.indexOf(link)]!, width).entries()) {
            const starts = Array.from({ length: pieces }, (_, i) => i * step);
            const expected = Buffer.concat(starts.map((at) => plane.subarray(at, at + length)));
            t.is(Buffer.compare(planes[k]!, expected), 0);
          }
        }
        const other = { ...extent, count: COUNT - 1 };
        t.is(await sampleStraight(store, other, new Set(), how), null);
      }
    }
    t.true(found >= 2, `width ${width}`);
  }
});

test('samples: an abort ends them', async (t) => {
  if (!native) return t.pass('no addon');
  const { store, ids } = await chainsIn(t, 4, 0);
  const how = { sampling: { length: 9, step: 9, pieces: 1 }, signal: AbortSignal.abort() };
  const extent = { id: ids[3]!, width: 4, count: COUNT };
  await t.throwsAsync(sampleStraight(store, extent, new Set(), how), { instanceOf: AbortedError });
});
