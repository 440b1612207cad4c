/** Extents by number, from 1 like the vertices of a storage graph, and how each is stored now. */
import type { Id } from '../../base/bytes/hash.js';
import type { BaseGraph } from '../ingest/bases/base-graph.js';
import type { ReadAccess } from '../objects/access.js';
import { linksOf, missingExtent } from '../objects/chain.js';
import {
  type SegmentEntry,
  segmentCount,
  segmentHeaderBytes,
  storedBytes,
} from '../store/types.js';

/** How an extent is stored now. */
export interface LiveEncoding {
  /**
   * Vertex of its base, 0 if it is stored alone. Undefined if its segments have different bases, or
   * one of another number depends on this very extent: no single edge stands for that.
   */
  readonly base: number | undefined;
  /** Bytes of its records, all segments. */
  readonly bytes: number;
  /**
   * Bytes of its records wherever they may end up: one whose planes are in `.hi` is copied by
   * gc and by archive runs into sets where they do not, which takes 16 bytes more. What is promised
   * counts these.
   */
  readonly mostBytes: number;
}

/** One extent. */
export interface SurveyedExtent {
  readonly id: Id;
  readonly width: number;
  /** Elements. */
  readonly count: number;
  readonly segments: number;
  readonly live: LiveEncoding;
  /** False for an extent kept only as a base of deltas: no version in view needs it. */
  readonly isWanted: boolean;
}

interface MutableExtent {
  id: Id;
  width: number;
  count: number;
  segments: number;
  live: LiveEncoding;
  isWanted: boolean;
}

/** Numbers extents as they are met, and the bases of their present chains with them. */
export class NumberedExtents {
  /** Vertex v is all[v − 1]. */
  readonly all: MutableExtent[] = [];
  readonly #repo: ReadAccess;
  readonly #near: BaseGraph;
  readonly #vertices = new Map<Id, number>();
  /** Vertices whose present chains are being followed. */
  readonly #open = new Set<number>();

  /** @param near  an extent and its present base are joined in it. */
  constructor(repo: ReadAccess, near: BaseGraph) {
    this.#repo = repo;
    this.#near = near;
  }

  /** The number of an extent; when met first, its present chain is followed down. */
  async vertex(
    id: Id,
    { width, count, isWanted }: Pick<SurveyedExtent, 'width' | 'count' | 'isWanted'>,
  ): Promise<number> {
    const known = this.#vertices.get(id);
    if (known !== undefined) {
      const extent = this.all[known - 1] as MutableExtent;
      extent.isWanted ||= isWanted;
      return known;
    }
    const segments = segmentCount(count);
    const live = { base: undefined, bytes: 0, mostBytes: 0 };
    const vertex = this.all.push({ id, width, count, segments, live, isWanted });
    this.#vertices.set(id, vertex);
    this.#open.add(vertex);
    const entries: SegmentEntry[] = [];
    for (let segment = 0; segment < segments; segment++) {
      const entry = await this.#repo.store.here.findSegment(id, segment);
      if (entry === null) throw missingExtent(id);
      entries.push(entry);
    }
    const bases = new Set(entries.map((entry) => entry.base));
    const vertices = new Map<Id | null, number>([[null, 0]]);
    // A run that was killed leaves one segment of a on b, and another one of b on a.
    let isCrossed = false;
    for (const base of bases) {
      if (base === null) continue;
      const under = await this.#baseVertex(base);
      vertices.set(base, under);
      if (this.#open.has(under)) {
        await this.#checkChains(id, segments);
        isCrossed = true;
      }
      this.#near.join(under, vertex);
    }
    this.#open.delete(vertex);
    const extent = this.all[vertex - 1] as MutableExtent;
    extent.live = {
      base: isCrossed ? undefined : commonBase(vertices),
      bytes: entries.reduce((sum, entry) => sum + storedBytes(entry), 0),
      mostBytes: entries.reduce((sum, entry) => sum + mostBytes(entry), 0),
    };
    return vertex;
  }

  /** The number of a base, which may have another size than what depends on it. */
  async #baseVertex(id: Id): Promise<number> {
    const known = this.#vertices.get(id);
    if (known !== undefined) return known;
    const first = await this.#repo.store.here.findSegment(id, 0);
    if (first === null) throw missingExtent(id);
    return this.vertex(id, { width: first.width, count: first.count, isWanted: false });
  }

  /** @throws {CorruptError} if the chain of a segment leads back into itself. */
  async #checkChains(id: Id, segments: number): Promise<void> {
    const { store } = this.#repo;
    for (let segment = 0; segment < segments; segment++) {
      for await (const _ of linksOf(id, (next) => store.here.findSegment(next, segment)));
    }
  }
}

/** Bytes of a record with the header it has at most. */
function mostBytes(entry: SegmentEntry): number {
  const hasBase = entry.depth > 0;
  const header = segmentHeaderBytes(hasBase, false) - segmentHeaderBytes(hasBase, entry.inline);
  return storedBytes(entry) + header;
}

/**
 * The base of an extent from those of its segments. Segments that do without cost less than a chain
 * through the base of the others, so that one stands for all.
 */
function commonBase(vertices: ReadonlyMap<Id | null, number>): number | undefined {
  const bases = [...vertices.values()].filter((vertex) => vertex !== 0);
  return bases.length > 1 ? undefined : (bases[0] ?? 0);
}
