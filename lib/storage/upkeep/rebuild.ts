/**
 * `fsck --rebuild`: makes anew what is derived and saves what is undamaged. Deletes nothing: what is
 * replaced goes to trash.
 *
 * Indexes come from the records of `.blob` and `.hi`; the manifest from packs/ alone; of a damaged set
 * the undamaged records are copied into a new one in its place. State files are in rebuild-state.ts.
 * The caller holds the lock.
 */
import { isMissing, throwIfAborted, writeFileAtomic } from '../../base/bytes/files.js';
import { isDamage } from '../../base/errors.js';
import { INDEX_BYTES_MAX } from '../../base/limits.js';
import type { Layout } from '../repo/layout.js';
import { ownIdentity } from '../repo/processes/process-identity.js';
import type { Backend } from '../store/backend.js';
import { FolderBackend } from '../store/folder-backend.js';
import { encodeManifest } from '../store/manifest.js';
import { ObjectStore } from '../store/object-store.js';
import { packName } from '../store/pack-format.js';
import { PackSetWriter } from '../store/pack-writer.js';
import {
  FILE_CLASSES,
  isSetId,
  type RecordSink,
  type SealedSet,
  type SetId,
  type SetInfo,
} from '../store/types.js';
import { salvageSet, scanPacks, scanSet } from '../store/verify.js';
import { keepAside } from './keep-aside.js';

export interface RebuildReport {
  /** What was done, one sentence each. */
  done: string[];
  /** What could not be mended, and why. */
  failed: string[];
}

export interface RebuildOptions {
  signal?: AbortSignal;
}

/** Rebuilds indexes and the manifest, and salvages damaged sets. */
export async function rebuildPacks(
  layout: Layout,
  report: RebuildReport,
  options: RebuildOptions = {},
): Promise<void> {
  const backend = new FolderBackend(layout.dir);
  try {
    const listed = await listedSets(backend);
    const ids = listed?.map((info) => info.id) ?? (await setsOnDisk(backend));
    const damaged = new Set<SetId>();
    for (const id of ids) {
      throwIfAborted(options.signal);
      if (!(await mendIndex(layout, backend, id, report))) damaged.add(id);
    }
    if (listed === null) await rebuildManifest(layout, backend, damaged, report);
    else await checkSizes(backend, listed, damaged);
    for (const id of damaged) {
      throwIfAborted(options.signal);
      await salvage(layout, backend, id, report);
    }
  } finally {
    await backend.close();
  }
}

/** The sets that the manifest lists; null if it cannot be read. */
async function listedSets(backend: Backend): Promise<readonly SetInfo[] | null> {
  try {
    return (await ObjectStore.open(backend)).sets();
  } catch (error) {
    if (!isDamage(error) && !isMissing(error)) throw error;
    return null;
  }
}

async function setsOnDisk(backend: Backend): Promise<SetId[]> {
  const stems = (await backend.list('packs')).map((name) => name.split('.')[0] as string);
  return [...new Set(stems.filter(isSetId))].sort();
}

/** Writes the idx of a sound set if it is not there as it should be. @returns false for a damaged set. */
async function mendIndex(
  layout: Layout,
  backend: Backend,
  id: SetId,
  report: RebuildReport,
): Promise<boolean> {
  const scan = await scanSet(backend, id);
  if (scan.index === null || scan.info?.id !== id || scan.problems.length > 0) return false;
  const name = packName(id, 'idx');
  const found = await backend.readAll(name, INDEX_BYTES_MAX).catch((error: unknown) => {
    if (isMissing(error) || isDamage(error)) return null;
    throw error;
  });
  if (found !== null && Buffer.compare(found, scan.index) === 0) return true;
  if (found !== null) await keepAside(layout, name);
  await backend.writeAtomic(name, scan.index);
  report.done.push(`made '${name}' anew from its records`);
  return true;
}

/** A set whose records give its id may still have files of other sizes than the manifest says. */
async function checkSizes(
  backend: Backend,
  listed: readonly SetInfo[],
  damaged: Set<SetId>,
): Promise<void> {
  for (const info of listed) {
    for (const fileClass of FILE_CLASSES) {
      const name = packName(info.id, fileClass);
      const size = (await backend.exists(name)) ? await backend.size(name) : 0;
      if (size !== info.bytes[fileClass]) damaged.add(info.id);
    }
  }
}

async function rebuildManifest(
  layout: Layout,
  backend: Backend,
  damaged: ReadonlySet<SetId>,
  report: RebuildReport,
): Promise<void> {
  const { sets } = await scanPacks(backend);
  const sound = sets.filter((info) => !damaged.has(info.id));
  await keepAside(layout, 'manifest');
  // Any number above the last one does; it is not known, and no repository counts milliseconds.
  const manifest = { generation: Date.now(), sets: sound };
  await writeFileAtomic(layout.manifest, encodeManifest(manifest));
  report.done.push(`made 'manifest' anew from packs: ${sound.length} sets`);
}

/** Copies what is undamaged in a set into a new one that takes its place. */
async function salvage(
  layout: Layout,
  backend: Backend,
  id: SetId,
  report: RebuildReport,
): Promise<void> {
  const { pid, start } = ownIdentity();
  const dir = `tmp/${pid}-${start}/salvage-${id}`;
  const writer = await PackSetWriter.create(backend, dir);
  const counter = new CountingSink(writer);
  try {
    const problems = await salvageSet(backend, id, counter);
    const sealed = writer.isEmpty ? null : await writer.finish();
    await keepSet(layout, backend, id);
    await replaceSet(backend, id, sealed);
    const lost = problems.length === 0 ? '' : `; ${problems.length} places are damaged`;
    report.done.push(
      sealed === null
        ? `set ${id} holds nothing readable: it is listed no more and kept in trash`
        : `saved ${counter.records} records of set ${id} in set ${sealed.info.id}${lost}`,
    );
  } finally {
    await writer.abort();
  }
}

class CountingSink implements RecordSink {
  records = 0;
  readonly #sink: RecordSink;

  constructor(sink: RecordSink) {
    this.#sink = sink;
  }

  async addBlob(record: Parameters<RecordSink['addBlob']>[0]): Promise<void> {
    await this.#sink.addBlob({ ...record, payload: new Uint8Array(record.payload) });
    this.records++;
  }

  async addSegment(record: Parameters<RecordSink['addSegment']>[0]): Promise<void> {
    await this.#sink.addSegment(record);
    this.records++;
  }
}

async function keepSet(layout: Layout, backend: Backend, id: SetId): Promise<void> {
  for (const fileClass of FILE_CLASSES) {
    const name = packName(id, fileClass);
    if (await backend.exists(name)) await keepAside(layout, name);
  }
}

/** Lists the new set where the old one stood, and takes the old files out of packs/. */
async function replaceSet(backend: Backend, id: SetId, sealed: SealedSet | null): Promise<void> {
  const store = await ObjectStore.open(backend);
  const fresh = sealed?.info;
  await store.publish(sealed === null ? [] : [sealed], (sets) => {
    const others = sets.filter((info) => info.id !== fresh?.id || info.id === id);
    if (!others.some((info) => info.id === id)) return fresh ? [...others, fresh] : others;
    return others.flatMap((info) => (info.id !== id ? [info] : fresh ? [fresh] : []));
  });
  if (fresh?.id !== id) await store.retire([id]);
}
