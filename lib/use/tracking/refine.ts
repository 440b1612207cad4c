/** Brings what a wider filter takes of versions that are here already: more planes, files of older versions. */
import type { Id } from '../../base/bytes/hash.js';
import { WIDTH_MAX } from '../../base/limits.js';
import { bringObjects, bytesToBring, notePromised } from '../../storage/exchange/partial/bring.js';
import type { PartlyDownloaded } from '../../storage/exchange/partial/copy-arrived.js';
import { PartialTaking } from '../../storage/exchange/partial/taking.js';
import { type NamedSource, waitingSets } from '../../storage/exchange/partial/waiting.js';
import { wholeFilesWarning } from '../../storage/exchange/transports/transport.js';
import { leavesOut, type PartialFilter, writePromised } from '../../storage/repo/promised.js';
import { namedVersions } from '../../storage/repo/refs/named-versions.js';
import { reachFrom, refuseBroken } from '../../storage/upkeep/reachable.js';
import type { OpContext } from '../context.js';
import type { TrackingRepository } from './fetch-refs.js';

/** @returns bytes of records that arrived, or would. */
export async function refine(
  repo: TrackingRepository,
  from: NamedSource,
  { filter, dryRun }: { filter: PartialFilter; dryRun: boolean },
  context: OpContext,
): Promise<number> {
  const { store } = repo;
  const { remote, source } = from;
  const wanted = await wantsOf(repo, filter, context);
  const wasKnown = source.sendsWhole === true;
  const { signal, progress } = context;
  if (dryRun) return bytesToBring(repo, from, wanted, signal ? { signal } : {});
  let bytes = 0;
  const done: PartlyDownloaded = await bringObjects(repo, from, wanted, {
    ...(signal ? { signal } : {}),
    onPlan: (planned) => {
      bytes = planned;
      progress.start(`fetching from ${source.shown}`, planned);
    },
    onBytes: (count) => progress.advance(count),
  });
  if (source.sendsWhole && !wasKnown) context.warn(wholeFilesWarning(source.shown));
  const sets = [...(await source.holdings()).sets, ...(await waitingSets(repo.layout, from))];
  await repo.locked(async (lock) => {
    await store.reload();
    await notePromised(lock, store, done.thin, { remote, sets, filter });
    const hidden = await hiddenThinSets(repo);
    if (hidden.length > 0) {
      await store.publish([], (all) => all.filter(({ id }) => !hidden.includes(id)));
      await store.retire(hidden);
    }
    const stillThin = store.sets().some(({ id }) => (store.promised?.absent(id) ?? []).length > 0);
    // Then it is a clone like any other.
    if (!leavesOut(filter) && filter.lines.length === 0 && !stillThin) {
      await writePromised(lock, remote, null);
    }
  });
  await repo.readPromises?.();
  return bytes;
}

/** What versions here need with a filter: all of it is looked for, and what is here is not fetched. */
async function wantsOf(repo: TrackingRepository, filter: PartialFilter, { signal }: OpContext) {
  const taking = new PartialTaking(filter);
  const tips = await namedVersions(repo.layout);
  await taking.findNear(
    [...tips],
    () => false,
    (id) => repo.version(id),
  );
  const needed = await reachFrom(repo, tips, {
    isKnown: () => false,
    onBroken: (link) => refuseBroken('cannot fetch', link),
    ...taking.walking,
    ...(signal ? { signal } : {}),
  });
  const extents = new Map<Id, { planes: number; segments: number }>();
  for (const [id, segments] of needed.extents) {
    extents.set(id, { planes: Math.min(taking.planesOf(id), WIDTH_MAX), segments });
  }
  const blobs: Id[] = [];
  for (const id of needed.blobs.keys()) if (!(await repo.store.hasBlob(id))) blobs.push(id);
  return { blobs, extents };
}

/** Sets with promised planes of which every record stands in another set that comes first. */
async function hiddenThinSets({ store }: TrackingRepository) {
  const hidden = [];
  for (const info of store.sets()) {
    if ((store.promised?.absent(info.id) ?? []).length === 0) continue;
    let isHidden = true;
    for await (const entry of store.segmentsOf(info)) {
      const live = await store.here.findSegment(entry.id, entry.segment);
      isHidden &&= live?.set !== info.id;
    }
    if (isHidden) hidden.push(info.id);
  }
  return hidden;
}
