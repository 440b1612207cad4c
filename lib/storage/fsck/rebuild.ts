/**
 * `fsck --rebuild`: rebuilds derived files and salvages undamaged data. Deletes nothing: what is
 * replaced goes to trash.
 *
 * Indexes are made from the records of `.blob` and `.hi`, and the manifest from packs/ alone; one that is older than
 * the packs is filled up from there. From
 * a damaged set, the undamaged records are copied into a new set. If the remaining live records
 * form no forest, hidden ones are copied to the front (promotion). The new list of sets is written
 * once, at the end: an interrupted rebuild changes nothing but indexes. State files are in
 * rebuild-state.ts. The caller holds the lock.
 */

import { throwIfAborted } from '../../base/bytes/abort.js';
import { counted } from '../../base/bytes/words/wording.js';
import { isDamage } from '../../base/errors.js';
import { isMissing } from '../../base/files/files.js';
import { INDEX_BYTES_MAX, MANIFEST_BYTES_MAX } from '../../base/limits.js';
import type { Layout } from '../repo/layout.js';
import { newWorkName } from '../repo/processes/made-names.js';
import { readPromised, thinSets } from '../repo/promised.js';
import type { Backend } from '../store/backends/backend.js';
import { FolderBackend } from '../store/backends/folder-backend.js';
import { findUnresolved, planPromotion, setsOfLive } from '../store/forest.js';
import { decodeRow, SetRows } from '../store/indexes/set-rows.js';
import { decodeManifest, encodeManifest, type Manifest } from '../store/manifest.js';
import { copyRecords } from '../store/merge.js';
import { MANIFEST_NAME, PACKS_DIR, packName, stemOf } from '../store/names.js';
import { ObjectStore } from '../store/object-store.js';
import { RollingWriter, removeSealed } from '../store/packs/rolling-writer.js';
import {
  FILE_CLASSES,
  isSetId,
  type PlaneClass,
  type SealedSet,
  type SetId,
  type SetInfo,
} from '../store/types.js';
import { salvageSet, scanPacks, scanSet } from '../store/verify.js';
import { copyToTrash } from './copy-to-trash.js';
import { SalvageSink } from './salvage-sink.js';
import type { WrongRecords } from './wrong-records.js';

export interface RebuildReport {
  /** What was done, one sentence each. */
  done: string[];
  /** What could not be mended, and why. */
  failed: string[];
}

export interface RebuildOptions {
  /** Records that decode to something else than their ids say: left out like damaged ones. */
  wrong?: WrongRecords;
  signal?: AbortSignal;
}

/** Rebuilds indexes and the manifest, and salvages damaged sets. @throws {FormatVersionError} */
export async function rebuildPacks(
  layout: Layout,
  report: RebuildReport,
  options: RebuildOptions = {},
): Promise<void> {
  const backend = new FolderBackend(layout.dir);
  try {
    await new PackRebuild(layout, backend, report, options).run();
  } finally {
    await backend.close();
  }
}

class PackRebuild {
  readonly #layout: Layout;
  readonly #backend: Backend;
  readonly #report: RebuildReport;
  readonly #signal: AbortSignal | undefined;
  readonly #wrong: WrongRecords;
  /** Sets whose records or sizes are not as they should be. */
  readonly #damaged = new Set<SetId>();
  #thin: ReadonlyMap<SetId, readonly PlaneClass[]> = new Map();
  readonly #writers: RollingWriter[] = [];
  /** Sets that were finished and may still be in tmp/. */
  readonly #sealed: SealedSet[] = [];

  constructor(
    layout: Layout,
    backend: Backend,
    report: RebuildReport,
    { signal, wrong = new Map() }: RebuildOptions,
  ) {
    this.#layout = layout;
    this.#backend = backend;
    this.#report = report;
    this.#signal = signal;
    this.#wrong = wrong;
  }

  async run(): Promise<void> {
    this.#thin = thinSets(await this.#readPromised());
    const manifest = await this.#readManifest();
    const ids = manifest?.sets.map((info) => info.id) ?? (await this.#setsOnDisk());
    for (const id of ids) {
      throwIfAborted(this.#signal);
      if (!(await this.#mendIndex(id))) this.#damaged.add(id);
    }
    const listed =
      manifest === null
        ? await this.#soundSets()
        : [...manifest.sets, ...(await this.#strayingSets(manifest.sets))];
    // One that is listed no more since it was found to be wrong has gone already.
    for (const { id } of listed) if (this.#wrong.has(id)) this.#damaged.add(id);
    if (manifest !== null) await this.#findOtherSizes(manifest.sets);
    try {
      const salvaged = await this.#salvageAll(listed);
      const sets = await this.#promote(salvaged);
      await this.#writeList(manifest, sets);
    } finally {
      for (const writer of this.#writers) await writer.abort();
      await removeSealed(this.#backend, this.#sealed);
    }
    const store = await ObjectStore.open(this.#backend);
    await store.retire([...this.#damaged]);
  }

  /** Nothing if it cannot be read: then planes that are elsewhere count as lost. */
  async #readPromised(): ReturnType<typeof readPromised> {
    try {
      return await readPromised(this.#layout);
    } catch (error) {
      if (!isDamage(error)) throw error;
      return new Map();
    }
  }

  /** null if it is damaged or missing. */
  async #readManifest(): Promise<Manifest | null> {
    try {
      const bytes = await this.#backend.readAll(MANIFEST_NAME, MANIFEST_BYTES_MAX);
      return decodeManifest(bytes, MANIFEST_NAME);
    } catch (error) {
      if (!isDamage(error) && !isMissing(error)) throw error;
      return null;
    }
  }

  /** Swaps the manifest if it lists anything else. */
  async #writeList(manifest: Manifest | null, sets: SetInfo[]): Promise<void> {
    const encode = (generation: number): Uint8Array => encodeManifest({ generation, sets });
    if (manifest === null) {
      await copyToTrash(this.#layout, MANIFEST_NAME);
      // Any number above the last one does; it is not known, and no repository counts milliseconds.
      await this.#backend.writeAtomic(MANIFEST_NAME, encode(Date.now()));
      this.#report.done.push(`rebuilt 'manifest' from packs: ${sets.length} sets`);
      return;
    }
    const { generation } = manifest;
    if (Buffer.compare(encode(generation), encodeManifest(manifest)) === 0) return;
    await this.#backend.writeAtomic(MANIFEST_NAME, encode(generation + 1));
  }

  /** Classes of planes that a remote has in place of this repository. */
  #absent(id: SetId): readonly PlaneClass[] {
    return this.#thin.get(id) ?? [];
  }

  async #setsOnDisk(): Promise<SetId[]> {
    const stems = (await this.#backend.list(PACKS_DIR)).map(stemOf);
    return [...new Set(stems.filter(isSetId))].sort();
  }

  async #soundSets(): Promise<SetInfo[]> {
    const { sets } = await scanPacks(this.#backend, (id) => this.#absent(id));
    return sets.filter((info) => !this.#damaged.has(info.id));
  }

  /**
   * Sound sets that the manifest does not list and that hold what no listed set does, as where an older manifest was
   * put back. They come last, so that they hide nothing; what nobody needs of them, gc drops.
   */
  async #strayingSets(listed: readonly SetInfo[]): Promise<SetInfo[]> {
    const known = new Set(listed.map(({ id }) => id));
    const { sets } = await scanPacks(this.#backend, (id) => this.#absent(id), known);
    if (sets.length === 0) return [];
    for (const { id } of sets) await this.#mendIndex(id);
    const here = listed.filter(({ id }) => !this.#damaged.has(id));
    const rows = new SetRows(this.#backend, [...here, ...sets], { signal: this.#signal });
    const first = await setsOfLive(rows);
    const straying = sets.filter(({ id }) => first.has(id));
    if (straying.length > 0) {
      this.#report.done.push(
        `listed ${counted(straying.length, 'pack set', 'pack sets')} again that 'manifest' did not name`,
      );
    }
    return straying;
  }

  /** Writes the idx of a sound set if it is not there as it should be. @returns false for a damaged set. */
  async #mendIndex(id: SetId): Promise<boolean> {
    const scan = await scanSet(this.#backend, id, this.#absent(id));
    if (scan.index === null || scan.info?.id !== id || scan.problems.length > 0) return false;
    const name = packName(id, 'idx');
    const found = await this.#backend.readAll(name, INDEX_BYTES_MAX).catch((error: unknown) => {
      if (isMissing(error) || isDamage(error)) return null;
      throw error;
    });
    if (found !== null && Buffer.compare(found, scan.index) === 0) return true;
    if (found !== null) await copyToTrash(this.#layout, name);
    await this.#backend.writeAtomic(name, scan.index);
    this.#report.done.push(`rebuilt '${name}' from its records`);
    return true;
  }

  /** A set whose records give its id may still have files of other sizes than the manifest says. */
  async #findOtherSizes(listed: readonly SetInfo[]): Promise<void> {
    for (const info of listed) {
      for (const fileClass of FILE_CLASSES) {
        const name = packName(info.id, fileClass);
        const there = await this.#backend.exists(name);
        if (!there && this.#absent(info.id).some((plane) => plane === fileClass)) continue;
        const size = there ? await this.#backend.size(name) : 0;
        if (size !== info.bytes[fileClass]) this.#damaged.add(info.id);
      }
    }
  }

  /** The list with each damaged set replaced by one of its undamaged records, which is in packs/. */
  async #salvageAll(listed: readonly SetInfo[]): Promise<SetInfo[]> {
    const fresh = new Map<SetId, SetInfo[]>();
    for (const id of this.#damaged) {
      throwIfAborted(this.#signal);
      fresh.set(id, await this.#salvage(id));
    }
    const sets = new Map<SetId, SetInfo>();
    const add = (infos: readonly SetInfo[]): void => {
      for (const info of infos) if (!sets.has(info.id)) sets.set(info.id, info);
    };
    for (const info of listed) add(fresh.get(info.id) ?? [info]);
    // Without a manifest, the place of a damaged set in the list is unknown.
    for (const infos of fresh.values()) add(infos);
    return [...sets.values()];
  }

  /** Copies what is undamaged in a set into new ones, one as a rule; none if that is nothing. */
  async #salvage(id: SetId): Promise<SetInfo[]> {
    const saved: SealedSet[] = [];
    const writer = this.#openWriter((sealed) => {
      saved.push(sealed);
    });
    const counter = new SalvageSink(writer, this.#wrong.get(id));
    const problems = await salvageSet(this.#backend, id, counter);
    await writer.flush();
    const damaged =
      problems.length === 0
        ? ''
        : `; ${counted(problems.length, 'place is', 'places are')} damaged`;
    const wrong =
      counter.left === 0 ? '' : `; ${counted(counter.left, 'decodes', 'decode')} to other bytes`;
    const lost = damaged + wrong;
    const names = saved.map(({ info }) => info.id).join(', ');
    this.#report.done.push(
      saved.length === 0
        ? `set ${id} holds nothing readable: it is listed no more and kept in trash`
        : `saved ${counted(counter.records, 'record', 'records')} of set ${id} in set ${names}${lost}`,
    );
    for (const sealed of saved) {
      if (sealed.info.id === id) await this.#keepSet(id);
      await this.#moveIn(sealed);
    }
    return saved.map(({ info }) => info);
  }

  #openWriter(take: (sealed: SealedSet) => Promise<void> | void): RollingWriter {
    const writer = new RollingWriter({
      backend: this.#backend,
      tmpName: () => newWorkName('rebuild'),
      onSealed: (sealed) => {
        this.#sealed.push(sealed);
        return take(sealed);
      },
    });
    this.#writers.push(writer);
    return writer;
  }

  async #keepSet(id: SetId): Promise<void> {
    for (const fileClass of FILE_CLASSES) {
      const name = packName(id, fileClass);
      if (await this.#backend.exists(name)) await copyToTrash(this.#layout, name);
    }
  }

  /** Moves a finished set to packs/, where it is garbage until the manifest lists it. */
  async #moveIn({ info, files }: SealedSet): Promise<void> {
    for (const fileClass of FILE_CLASSES) {
      const from = files[fileClass];
      if (from !== undefined) await this.#backend.rename(from, packName(info.id, fileClass));
    }
    await this.#backend.syncDir(PACKS_DIR);
  }

  /**
   * Copies hidden records to the front where the live ones lead nowhere or in a circle.
   * @returns the list with the copies first.
   */
  async #promote(sets: readonly SetInfo[]): Promise<SetInfo[]> {
    const rows = new SetRows(this.#backend, sets, { signal: this.#signal });
    const { rows: chosen } = await planPromotion(rows);
    const fronts: SetInfo[] = [];
    const writer = this.#openWriter(async (sealed) => {
      await this.#moveIn(sealed);
      fronts.push(sealed.info);
    });
    const entries = chosen.map(({ table, row }) => decodeRow(table, row));
    await copyRecords(this.#backend, entries, writer, this.#signal);
    await writer.flush();
    const known = new Set(fronts.map((info) => info.id));
    const list = [...fronts, ...sets.filter((info) => !known.has(info.id))];
    if (chosen.length > 0) {
      this.#report.done.push(
        `put ${counted(chosen.length, 'record', 'records')} in front of those that hid them, whose bases are lost`,
      );
    }
    await this.#sayWhatIsLost(list);
    return list;
  }

  /** Checks the whole list once more, as it will be written. */
  async #sayWhatIsLost(list: readonly SetInfo[]): Promise<void> {
    const lost = await findUnresolved(new SetRows(this.#backend, list, { signal: this.#signal }));
    if (lost.length === 0) return;
    this.#report.failed.push(
      `${counted(lost.length, 'record is a delta', 'records are deltas')} of something that is gone, and can be used again ` +
        'once the original files are added again',
    );
  }
}
