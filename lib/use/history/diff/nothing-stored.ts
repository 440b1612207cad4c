/** A repository without objects, in memory: what files are compared with that lie in none. */

import type { ReadAccess } from '../../../storage/objects/access.js';
import { Blobs } from '../../../storage/objects/blobs.js';
import { ChainReader } from '../../../storage/objects/planes/chain-reader.js';
import { RunHashes } from '../../../storage/objects/planes/run-hashes.js';
import { Sketches } from '../../../storage/objects/sketches/sketches.js';
import { Layout } from '../../../storage/repo/layout.js';
import { readTree } from '../../../storage/repo/version/file-tree.js';
import { shortId } from '../../../storage/repo/version/short-id.js';
import { decodeVersion } from '../../../storage/repo/version/version-bytes.js';
import { MemoryBackend } from '../../../storage/store/backends/memory-backend.js';
import { ObjectStore } from '../../../storage/store/object-store.js';

/** @param cwd  folder that stands for its work tree; nothing is read or written there. */
export async function nothingStored(cwd: string): Promise<ReadAccess> {
  const backend = new MemoryBackend();
  await ObjectStore.init(backend);
  const store = await ObjectStore.open(backend);
  const blobs = new Blobs(store);
  const access: ReadAccess = {
    layout: new Layout(cwd),
    store,
    blobs,
    planes: new ChainReader(store, {}),
    hashes: new RunHashes(store),
    sketches: new Sketches(store),
    readBlob: (id, kind) => blobs.readBlob(id, kind),
    version: async (id) =>
      decodeVersion(await blobs.readBlob(id, 'version'), `version ${shortId(id)}`),
    tree: async (id) => readTree((await access.version(id)).tree, access),
    tier: async () => null,
  };
  return access;
}
