/** Indexes of a remote's sets, kept for the next fetch and push. */
import { packName } from '../../store/names.js';
import { type SetInfo, setBytes } from '../../store/types.js';
import type { RemoteCache } from '../remote/remote-cache.js';
import { remoteFile } from '../remote/remote-store.js';
import type { FetchParts } from './parts.js';

/** Sets below this may be merged here, and have another name then. */
const SMALL_SET_BYTES_MAX = 32 * 1024 * 1024;

/**
 * Keeps indexes of sets that are not here under their name, or may be merged with others.
 * @param whole  sets that were just listed as they are at the remote.
 */
export async function keepIndexes(
  { repo, incoming, sets }: FetchParts,
  cache: RemoteCache,
  whole: readonly SetInfo[],
): Promise<void> {
  const { backend } = repo.store;
  for (const info of whole) {
    if (setBytes(info) >= SMALL_SET_BYTES_MAX) continue;
    const bytes = await backend.read(packName(info.id, 'idx'), 0, info.bytes.idx);
    await cache.keepIndex(info.id, bytes);
  }
  const here = new Set(whole.map(({ id }) => id));
  for (const info of sets.filter(({ id }) => !here.has(id))) {
    const file = remoteFile(info, 'idx');
    if (!incoming.has(file) || !(await incoming.isWhole(file))) continue;
    await cache.keepIndex(info.id, await incoming.read(file, 0, file.size));
  }
}
