/** What garbage collection keeps although no branch, tag, note or staged file names it, and why. */

import { throwIfAborted } from '../../base/bytes/abort.js';
import type { Id } from '../../base/bytes/hash.js';
import { maxOf, pushAll } from '../../base/bytes/many.js';
import { statOrNull } from '../../base/files/files.js';
import type { ObjectAccess } from '../objects/access.js';
import type { NoteReader } from '../objects/tiers.js';
import type { Layout } from '../repo/layout.js';
import {
  DELETED_LOG,
  isListLog,
  listReflogs,
  NOT_A_VERSION,
  readListLog,
  readReflog,
} from '../repo/refs/reflog.js';
import { bytesHere } from '../store/promised.js';
import { type BlobEntry, type SegmentEntry, type SetId, storedBytes } from '../store/types.js';
import type { LeftoverBytes } from './leftovers.js';
import { withBases } from './needed.js';
import type { Reachable } from './reachable.js';

/**
 * reflog: versions that only reflogs name. given-up: files that a tombstone gave up within the grace period. base: what other versions are stored as differences from.
 * young: written within the grace period and named by nothing yet. share: garbage in packs of which it is
 * too small a part to write them again. trash: replaced packs. unfinished: files of processes elsewhere.
 */
export type KeptReason =
  | 'reflog'
  | 'given-up'
  | 'base'
  | 'young'
  | 'share'
  | 'trash'
  | 'unfinished';

/** Bytes that stay for one reason. */
export interface KeptBytes {
  why: KeptReason;
  bytes: number;
  /** Versions that are kept so; null where it is not about versions. */
  versions: number | null;
  /** When the last of it goes by itself, milliseconds since 1970; null: not by time. */
  untilMs: number | null;
  /** The command that frees it now; null if there is none. */
  command: string | null;
}

const PRUNE = 'dlv gc --prune=now';

/** Ids of what must stay. */
export interface Needed {
  blobs: Set<Id>;
  extents: Set<Id>;
}

export function isIn(needed: Needed, entry: BlobEntry | SegmentEntry): boolean {
  return ('kind' in entry ? needed.blobs : needed.extents).has(entry.id);
}

/** Bytes of a record that are here: planes of it may be at a remote alone. */
export function heldBytes(
  { store }: Pick<ObjectAccess, 'store'>,
  entry: BlobEntry | SegmentEntry,
): number {
  return 'segment' in entry ? bytesHere(store.promised, entry) : storedBytes(entry);
}

/** What the roots of a collection reach. */
export interface FoundObjects {
  reachable: Reachable;
  /** The same with all bases. */
  needed: Needed;
  /** What is reached without reflogs; the same as `reachable` if that is all. */
  now: Reachable;
}

/** When each set that is younger than the grace period was written, milliseconds since 1970. */
export async function youngSets(
  repo: ObjectAccess & NoteReader,
  graceMs: number,
): Promise<Map<SetId, number>> {
  const young = new Map<SetId, number>();
  for (const info of repo.store.sets()) {
    const there = await statOrNull(repo.layout.packFile(info.id, 'idx'));
    const written = there === null ? Date.now() : Number(BigInt(there.stat.mtimeNs) / 1_000_000n);
    if (Date.now() - written < graceMs) young.set(info.id, written);
  }
  return young;
}

function has(found: Reachable, entry: BlobEntry | SegmentEntry): boolean {
  return 'kind' in entry ? found.blobs.has(entry.id) : found.extents.has(entry.id);
}

/** Looks at what stays, before the plan adds to `needed` what stays for other reasons. */
export class KeptObjects {
  readonly #repo: ObjectAccess & NoteReader;
  readonly #found: FoundObjects;
  readonly #graceMs: number;
  /** `needed` as it was found. */
  readonly #withBases: Needed;

  constructor(repo: ObjectAccess & NoteReader, found: FoundObjects, graceMs: number) {
    this.#repo = repo;
    this.#found = found;
    this.#graceMs = graceMs;
    const { blobs, extents } = found.needed;
    this.#withBases = { blobs: new Set(blobs), extents: new Set(extents) };
  }

  /** @param chosen  sets that are written again without their garbage. */
  async count(chosen: ReadonlySet<SetId>, signal?: AbortSignal): Promise<KeptBytes[]> {
    const { reachable, now, needed } = this.#found;
    const young = await youngSets(this.#repo, this.#graceMs);
    const refsAlone =
      now === reachable ? this.#withBases : await withBases(this.#repo, now, signal);
    const bytes = { reflog: 0, 'given-up': 0, base: 0, young: 0, share: 0 };
    let written = 0;
    for await (const { entry, live } of this.#repo.store.records()) {
      throwIfAborted(signal);
      const size = heldBytes(this.#repo, entry);
      if (live && has(now, entry)) continue;
      if (live && isIn(refsAlone, entry)) bytes.base += size;
      else if (live && isIn(this.#withBases, entry)) bytes[this.#reasonOf(entry)] += size;
      else if (live && (young.has(entry.set) || (chosen.has(entry.set) && isIn(needed, entry)))) {
        bytes.young += size;
        written = Math.max(written, young.get(entry.set) ?? 0);
      } else if (!chosen.has(entry.set)) bytes.share += size;
    }
    const old = [...reachable.versions].filter((id) => !now.versions.has(id));
    const grown = written === 0 ? Date.now() : written;
    const kept: KeptBytes[] = [
      {
        why: 'reflog',
        bytes: bytes.reflog,
        versions: old.length,
        untilMs: old.length === 0 ? null : await this.#lastNamed(new Set(old)),
        command: PRUNE,
      },
      {
        why: 'given-up',
        bytes: bytes['given-up'],
        versions: reachable.waiting.size,
        untilMs: maxOf(reachable.waiting.values(), 0) + this.#graceMs,
        command: PRUNE,
      },
      { why: 'base', bytes: bytes.base, versions: null, untilMs: null, command: null },
      {
        why: 'young',
        bytes: bytes.young,
        versions: null,
        untilMs: grown + this.#graceMs,
        command: PRUNE,
      },
      { why: 'share', bytes: bytes.share, versions: null, untilMs: null, command: PRUNE },
    ];
    return kept.filter((row) => row.bytes > 0);
  }

  /** Why something is needed that refs do not need at once: only a reflog reaches it, or it was given up lately. */
  #reasonOf({ id }: BlobEntry | SegmentEntry): 'reflog' | 'given-up' {
    const { reachable, now } = this.#found;
    if (reachable.waiting.size === 0) return 'reflog';
    const version = reachable.users.get(id)?.version ?? null;
    if (version !== null) return now.versions.has(version) ? 'given-up' : 'reflog';
    return reachable.versions.size > now.versions.size ? 'reflog' : 'given-up';
  }

  /** When the last reflog line that names one of the versions is past the grace period. */
  async #lastNamed(versions: ReadonlySet<Id>): Promise<number> {
    const { layout } = this.#repo;
    let last = 0;
    const entries = await readListLog(layout, DELETED_LOG);
    for (const name of await listReflogs(layout)) {
      if (isListLog(name)) continue;
      pushAll(entries, (await readReflog(layout, name, NOT_A_VERSION)).entries);
    }
    for (const { before, after, time } of entries) {
      const isMeant = [before, after].some((id) => id !== null && versions.has(id));
      if (isMeant) last = Math.max(last, time);
    }
    return last + this.#graceMs;
  }
}

/** What waits in trash, and what processes elsewhere have not finished. */
export async function keptLeftovers(
  layout: Layout,
  left: LeftoverBytes,
  graceMs: number,
): Promise<KeptBytes[]> {
  const last = await statOrNull(layout.trash);
  const changed = last === null ? Date.now() : Number(BigInt(last.stat.mtimeNs) / 1_000_000n);
  const kept: KeptBytes[] = [
    {
      why: 'trash',
      bytes: left.trashBytes,
      versions: null,
      untilMs: changed + graceMs,
      command: PRUNE,
    },
    {
      why: 'unfinished',
      bytes: left.unfinishedBytes,
      versions: null,
      untilMs: null,
      command: null,
    },
  ];
  return kept.filter((row) => row.bytes > 0);
}
