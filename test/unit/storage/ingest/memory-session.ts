/** A session on a new store in memory. */
import { PackSession } from '../../../../lib/storage/objects/session.js';
import { MemoryBackend } from '../../../../lib/storage/store/backends/memory-backend.js';
import { ObjectStore } from '../../../../lib/storage/store/object-store.js';

export async function memorySession(): Promise<PackSession> {
  const backend = new MemoryBackend();
  await ObjectStore.init(backend);
  return new PackSession({
    store: await ObjectStore.open(backend),
    chainDepth: 10,
    locked: (action) => action(async () => {}),
    tmpName: () => 'tmp/1-1/0',
  });
}

/** Counts segments that are written before their extent has an id. */
export function countEarly(session: PackSession): { early: number } {
  const counts = { early: 0 };
  const { putUnnamed } = session;
  session.putUnnamed = (record) => {
    counts.early++;
    return putUnnamed.call(session, record);
  };
  return counts;
}
