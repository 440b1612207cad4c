/** What of wanted objects is not here, by the remote that promised it, and how many bytes that is. */
import type { Id } from '../../../base/bytes/hash.js';
import { basePlanesOf, stopOf, wantsHead } from '../../objects/planes/chain-link.js';
import type { SupplyWants } from '../../objects/stored/bring.js';
import { type Need, type PromisedBy, planesHere } from '../../store/promised.js';
import { type SegmentEntry, segmentKey, storedBytes } from '../../store/types.js';
import type { FetchingRepository } from '../fetch-plan.js';
import type { PromisedContent } from './promised-content.js';

/** What one remote has to give: the sizes are those of PromisedBy, for all of it together. */
export interface WantedPart {
  readonly wants: { blobs: Id[]; extents: Map<Id, { planes: number; segments: number }> };
  bytes: number;
  below?: number;
  bytesMax?: number;
  /** Where it is one object alone. */
  object?: string;
}

/** Parts of what is wanted that are not here; what nobody promised is in none. */
export async function wantedParts(
  repo: FetchingRepository,
  content: PromisedContent,
  { blobs, extents }: SupplyWants,
): Promise<Map<string, WantedPart>> {
  const finder = new MissingLinks(repo, content);
  const parts = new Map<string, WantedPart>();
  for (const id of blobs) {
    if (await repo.store.hasBlob(id)) continue;
    const by = await content.of({ kind: 'blob', id });
    if (by !== null) addTo(parts, by).blobs.push(id);
  }
  for (const [id, want] of extents) {
    const by = await finder.missingOf(id, want);
    if (by !== null) addTo(parts, by).extents.set(id, want);
  }
  return parts;
}

function addTo(parts: Map<string, WantedPart>, by: PromisedBy): WantedPart['wants'] {
  const known = parts.get(by.remote);
  const part: WantedPart = known ?? { wants: { blobs: [], extents: new Map() }, bytes: 0 };
  if (known !== undefined) delete part.object;
  else if (by.object !== undefined) part.object = by.object;
  part.bytes += by.bytes;
  part.below = (part.below ?? 0) + (by.below ?? 0);
  if (by.bytesMax !== undefined) part.bytesMax = by.bytesMax;
  parts.set(by.remote, part);
  return part.wants;
}

/** Follows the chains of extents. */
class MissingLinks {
  readonly #repo: FetchingRepository;
  readonly #content: PromisedContent;
  /** Links whose bytes were counted, by `segmentKey`. */
  readonly #counted = new Set<string>();

  constructor(repo: FetchingRepository, content: PromisedContent) {
    this.#repo = repo;
    this.#content = content;
  }

  /** Who promised what is not here of an extent, bases of it included; null if all is here. */
  async missingOf(
    id: Id,
    { planes, segments }: { planes: number; segments: number },
  ): Promise<PromisedBy | null> {
    let found: PromisedBy | null = null as PromisedBy | null;
    for (let segment = 0; segment < segments; segment++) {
      const need = await this.#shortLink(id, segment, planes);
      if (need === null) continue;
      const by = await this.#content.of(need);
      if (by === null) continue;
      const below = await this.#bytesBelow(need, segment);
      found =
        found === null
          ? { ...by, below }
          : {
              remote: by.remote,
              bytes: by.bytes + found.bytes,
              below: below + (found.below ?? 0),
            };
    }
    return found;
  }

  /** Bytes of the links under one that is not here, as far as they are not here either and not counted yet. */
  async #bytesBelow({ id: start }: Need, segment: number): Promise<number> {
    const { here } = this.#repo.store;
    const remotes = await this.#content.remotes();
    const there = async (id: Id): Promise<SegmentEntry | null> => {
      for (const { store } of remotes) {
        const entry = await store.here.findSegment(id, segment);
        if (entry !== null) return entry;
      }
      return null;
    };
    let bytes = 0;
    this.#counted.add(segmentKey(start, segment));
    for (let id = (await there(start))?.base ?? null; id !== null; ) {
      const key = segmentKey(id, segment);
      if (this.#counted.has(key) || (await here.findSegment(id, segment)) !== null) break;
      this.#counted.add(key);
      const entry = await there(id);
      bytes += entry === null ? 0 : storedBytes(entry);
      id = entry?.base ?? null;
    }
    return bytes;
  }

  /** The first link of a chain that is not here with the planes that are needed of it. */
  async #shortLink(start: Id, segment: number, wanted: number): Promise<Need | null> {
    const { here } = this.#repo.store;
    let planes = wanted;
    for (let id: Id | null = start; id !== null; ) {
      const entry: SegmentEntry | null = await here.findSegment(id, segment);
      if (entry === null) return { kind: 'extent', id, segment, whole: false };
      const few = Math.min(planes, entry.width);
      if (planesHere(entry, this.#content.absent(entry.set)) < few) {
        return { kind: 'extent', id, segment, whole: true };
      }
      if (entry.base === null) return null;
      // As readers do: they look at heads only where that is worth it.
      const head = wantsHead(entry, few) ? await here.openSegment(id, segment) : null;
      planes = basePlanesOf(entry, head, stopOf(entry, head, few));
      id = entry.base;
    }
    return null;
  }
}
