/** What pack sets that were written for the next version hold for its files; what was staged and dropped again is not of it. */
import type { Id } from '../../../base/bytes/hash.js';
import type { ReadAccess } from '../../../storage/objects/access.js';
import {
  namedObjects,
  openStoredFile,
  type Readers,
} from '../../../storage/objects/stored/stored-file.js';
import type { StagedSet } from '../../../storage/repo/staging/staging.js';
import {
  type BlobEntry,
  type SegmentEntry,
  segmentCount,
  storedBytes,
} from '../../../storage/store/types.js';
import type { SizedFile } from './sizes.js';

/**
 * The sets with the bytes that files need of them, and no set of which they need nothing. Sets that were
 * merged into others meanwhile stay as they were noted.
 * @param readers  read the recipes of the files, which may be in a session that is not flushed.
 */
export async function neededOfSets(
  repo: Pick<ReadAccess, 'store'>,
  sets: readonly StagedSet[],
  files: readonly SizedFile[],
  readers: Readers,
): Promise<StagedSet[]> {
  if (sets.length === 0) return [];
  const needed = new NeededRecords(repo, sets);
  for (const file of files) {
    for (const object of namedObjects(await openStoredFile(readers, file))) {
      if (object.kind === 'blob') await needed.blob(object.id);
      else await needed.extent(object.id, segmentCount(object.count as number));
    }
  }
  const listed = new Set<string>(repo.store.sets().map(({ id }) => id));
  return sets.flatMap((set) => {
    const bytes = listed.has(set.id) ? needed.bytes.get(set.id) : set.storedBytes;
    return bytes === undefined ? [] : [{ ...set, storedBytes: Math.min(bytes, set.storedBytes) }];
  });
}

/** Adds up records of some sets, with those that they are deltas against; each once. */
class NeededRecords {
  /** Bytes by set. */
  readonly bytes = new Map<string, number>();
  readonly #repo: Pick<ReadAccess, 'store'>;
  readonly #wanted: ReadonlySet<string>;
  readonly #seen = new Set<Id>();

  constructor(repo: Pick<ReadAccess, 'store'>, sets: readonly StagedSet[]) {
    this.#repo = repo;
    this.#wanted = new Set(sets.map(({ id }) => id));
  }

  async blob(id: Id): Promise<void> {
    for (let next: Id | null = id; next !== null && !this.#seen.has(next); ) {
      this.#seen.add(next);
      const entry: BlobEntry | null = await this.#repo.store.findBlob(next);
      next = entry !== null && this.#count(entry) ? entry.base : null;
    }
  }

  async extent(id: Id, segments: number): Promise<void> {
    if (this.#seen.has(id)) return;
    this.#seen.add(id);
    const bases = new Set<Id>();
    for (let segment = 0; segment < segments; segment++) {
      const entry = await this.#repo.store.here.findSegment(id, segment);
      // What is in another set is not new, and neither is what it is a delta against.
      if (entry === null || !this.#count(entry)) break;
      if (entry.base !== null) bases.add(entry.base);
    }
    for (const base of bases) await this.extent(base, segments);
  }

  /** True if a record is in one of the sets. */
  #count(entry: BlobEntry | SegmentEntry): boolean {
    const { set } = entry;
    if (!this.#wanted.has(set)) return false;
    this.bytes.set(set, (this.bytes.get(set) ?? 0) + storedBytes(entry));
    return true;
  }
}
