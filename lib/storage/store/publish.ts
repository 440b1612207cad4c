/**
 * The manifest on the disk: it is read, new sets are listed in it, sets that it no longer lists go to
 * trash. Whoever writes it holds the lock.
 */
import { assert, CorruptError } from '../../base/errors.js';
import { isMissing } from '../../base/files/files.js';
import { MANIFEST_BYTES_MAX } from '../../base/limits.js';
import type { Backend } from './backends/backend.js';
import { checkOrder } from './forest.js';
import { decodeManifest, encodeManifest, type Manifest } from './manifest.js';
import { MANIFEST_NAME, PACKS_DIR, packName, retiredName, TRASH_DIR } from './names.js';
import { FILE_CLASSES, type FileClass, type SealedSet, type SetId, type SetInfo } from './types.js';

/** The manifest as read, with its bytes: equal bytes mean that nothing changed. */
export interface ReadManifest extends Manifest {
  bytes: Uint8Array;
}

/** @throws {CorruptError} if it is missing or damaged. */
export async function readManifest(backend: Backend): Promise<ReadManifest> {
  const bytes = await readManifestBytes(backend);
  return { ...decodeManifest(bytes, MANIFEST_NAME), bytes };
}

/** @throws {CorruptError} if it is missing. */
export async function readManifestBytes(backend: Backend): Promise<Uint8Array> {
  try {
    return await backend.readAll(MANIFEST_NAME, MANIFEST_BYTES_MAX);
  } catch (error) {
    if (!isMissing(error)) throw error;
    throw new CorruptError(`the repository has no '${MANIFEST_NAME}'`, {
      file: MANIFEST_NAME,
      hint: "run 'dlv fsck --rebuild' to rebuild it from the packs",
    });
  }
}

/**
 * Renames finished sets into packs/ and swaps the manifest.
 * @param edit  gets the current list with the new sets appended, returns the list to write.
 * @returns the manifest that was written.
 * @throws {ConflictError} DLV_CONFLICT if the live deltas would not stay a forest; nothing is changed then.
 */
export async function publishSets(
  backend: Backend,
  sealed: readonly SealedSet[],
  edit: (sets: readonly SetInfo[]) => readonly SetInfo[],
): Promise<ReadManifest> {
  const current = await readManifest(backend);
  const listed = new Set(current.sets.map((info) => info.id));
  const fresh = new Map<SetId, SetInfo>();
  for (const { info } of sealed) if (!listed.has(info.id)) fresh.set(info.id, info);
  const appended = [...current.sets, ...fresh.values()];
  const sets = [...edit(appended)];
  assert(new Set(sets.map((info) => info.id)).size === sets.length, 'a set is listed twice');
  const isAppended =
    sets.length === appended.length && sets.every((info, i) => info.id === appended[i]?.id);
  if (!isAppended) await checkOrder(backend, current.sets, sets, sealed);
  for (const { info, files } of sealed) {
    // The index comes last: a set is complete if it is there.
    for (const fileClass of FILE_CLASSES) {
      const from = files[fileClass];
      if (from !== undefined) await backend.rename(from, packName(info.id, fileClass));
    }
  }
  if (sealed.length > 0) await backend.syncDir(PACKS_DIR);
  const manifest = { generation: current.generation + 1, sets };
  const bytes = encodeManifest(manifest);
  await backend.writeAtomic(MANIFEST_NAME, bytes);
  return { ...manifest, bytes };
}

/** Moves sets that the manifest no longer lists to trash/. */
export async function retireSets(backend: Backend, setIds: readonly SetId[]): Promise<void> {
  // Read now: to move a set that is listed would be to lose it.
  const { sets } = await readManifest(backend);
  const listed = new Set(sets.map((info) => info.id));
  let moved = 0;
  for (const id of setIds) {
    if (listed.has(id)) continue;
    // The index first: without it the rest counts as garbage, not as a set.
    for (const fileClass of [...FILE_CLASSES].reverse() as FileClass[]) {
      const name = packName(id, fileClass);
      if (!(await backend.exists(name))) continue;
      await backend.rename(name, retiredName(id, fileClass));
      moved++;
    }
  }
  if (moved > 0) {
    await backend.syncDir(TRASH_DIR);
    await backend.syncDir(PACKS_DIR);
  }
}
