/**
 * Goal: the bytes that a measured recreation reports are those that are read from packs, and those
 * that a plan computes: whole chains for each extent, or every record once.
 * Method: a repository of several versions on disk, reads counted where files are opened.
 */
import test from 'ava';
import type { Id } from '../../../../lib/base/bytes/hash.js';
import { NotFoundError } from '../../../../lib/base/errors.js';
import {
  measureRecreation,
  recreationBytes,
  snapshotExtents,
} from '../../../../lib/storage/archive/measure-recreation.js';
import { totalBytes } from '../../../../lib/storage/objects/planes/read-counts.js';
import {
  type SegmentEntry,
  segmentCount,
  storedBytes,
} from '../../../../lib/storage/store/types.js';
import type { Repository } from '../../../../lib/use/repository.js';
import { countReads } from '../../../helpers/count-reads.js';
import { checkpoint } from '../../../trust/model-files.js';
import { WorkRepository } from '../objects/work-repository.js';

/** Bytes of the chains under extents as the index has them: all of them, and each record once. */
async function chainBytes(repo: Repository, ids: readonly { id: Id; count: number }[]) {
  const once = new Map<string, number>();
  let all = 0;
  for (const { id, count } of ids) {
    for (let segment = 0; segment < segmentCount(count); segment++) {
      for (let next: Id | null = id; next !== null; ) {
        const entry: SegmentEntry = (await repo.store.findSegment(next, segment))!;
        all += storedBytes(entry);
        once.set(`${next}/${segment}`, storedBytes(entry));
        next = entry.base;
      }
    }
  }
  return { all, once: [...once.values()].reduce((sum, bytes) => sum + bytes, 0) };
}

test.serial('recreation: measured bytes are those on disk and those planned', async (t) => {
  const work = await WorkRepository.make(t);
  for (let step = 0; step < 6; step++) {
    await work.commit({
      'a.safetensors': checkpoint(1, step, 8),
      'b.safetensors': checkpoint(1, step + 1, 8),
    });
  }
  for (const version of work.versions.keys()) {
    await work.open(async (repo) => {
      const { snapshots } = await repo.tree(version);
      t.is(snapshots.length, 2);
      const both = [];
      for (const { key, role } of snapshots) {
        both.push(...(await snapshotExtents(repo, { version, key, role })));
      }
      const extents = [...new Map(both.map((extent) => [extent.id, extent])).values()];
      const { all, once } = await chainBytes(repo, extents);
      for (const scheme of ['independent', 'parallel', 'reusable'] as const) {
        const expected = scheme === 'reusable' ? once : all;
        t.is(totalBytes(await recreationBytes(repo.store, extents, { scheme })), expected);
        await repo.store.backend.refresh();
        const reads = countReads();
        let found: Awaited<ReturnType<typeof measureRecreation>>;
        try {
          let now = 0;
          const clock = () => (now += 3);
          found = await measureRecreation(repo, extents, { scheme, repeat: 3, clock });
        } finally {
          reads.stop();
        }
        t.is(found.bytesRead, expected);
        t.is(
          3 * expected,
          reads.total((file) => /\.(hi|mid|low)$/.test(file)),
        );
        t.deepEqual([found.ms, found.times.length, found.extents], [3, 3, extents.length]);
        const half = await measureRecreation(repo, extents, { scheme, planes: 2 });
        const planned = await recreationBytes(repo.store, extents, { scheme, planes: 2 });
        t.deepEqual(half.bytes, planned);
        t.true(half.bytesRead < expected);
      }
    });
  }
});

test('recreation: a snapshot that a version does not have is named', async (t) => {
  const work = await WorkRepository.make(t);
  const { version } = await work.commit({ 'a.safetensors': checkpoint(1, 0) });
  await work.open(async (repo) => {
    const snapshot = { version, key: 'b.safetensors', role: 'weights' } as const;
    const error = await t.throwsAsync(measureRecreation(repo, snapshot), {
      instanceOf: NotFoundError,
    });
    t.true(error?.message.includes("'b.safetensors'"));
    const own = { version, key: 'a.safetensors', role: 'weights' } as const;
    t.is((await snapshotExtents(repo, own)).length, 2);
  });
});
