/**
 * Measures candidate encodings: which edges a storage graph of the repository has, and what each takes.
 * Deltas are first measured on samples; what a plan chooses is then measured in full.
 */
import { forEachLimit } from '../../../base/bytes/for-each-limit.js';
import type { CodecLevel } from '../../../pure/codec/segment.js';
import type { ObjectAccess } from '../../objects/access.js';
import { segmentElements } from '../../objects/planes/segment-head.js';
import type { SurveyedExtent } from '../numbered-extents.js';
import type { Survey } from '../survey.js';
import { EdgeCosts } from './edge-costs.js';
import type { EncodingEdge } from './storage-graph.js';

/** Which edges are offered, and how the caller learns of the progress. */
export interface MeasureOptions {
  readonly level: CodecLevel;
  /** Offers differences that are exact only when read whole. */
  readonly noPrefix: boolean;
  /** Vertices that stay as they are stored, if a single edge can say how that is. */
  readonly frozen: ReadonlySet<number>;
  readonly signal?: AbortSignal;
  /** Begins a piece of work of this many bytes of tensors, 0 if unknown. */
  onStart?(what: 'measure' | 'plan' | 'check', bytes: number): void;
  onBytes?(bytes: number): void;
}

/** Encodings measured at once: what they decode is 2 segments each. */
const MEASURED_AT_ONCE = 3;

/** An encoding to be made and dropped. */
type Measurable = Pick<EncodingEdge, 'vertex' | 'base' | 'how'> & { bytes: number };

export class EdgeMeasurer {
  readonly #survey: Survey;
  readonly #options: MeasureOptions;
  readonly #costs: EdgeCosts;
  /** Where each vertex is in the order of histories. */
  readonly #place: Int32Array;

  constructor(repo: ObjectAccess, survey: Survey, options: MeasureOptions) {
    this.#survey = survey;
    this.#options = options;
    this.#costs = new EdgeCosts(repo, options.signal);
    this.#place = new Int32Array(survey.extents.length + 1);
    for (const [place, vertex] of survey.near.order(survey.extents.length).entries()) {
      this.#place[vertex] = place;
    }
  }

  /** Every edge: present encodings as they are, alone in full, deltas by samples. */
  async offer(): Promise<EncodingEdge[]> {
    const edges: EncodingEdge[] = [];
    const { extents, near } = this.#survey;
    const jobs: { vertex: number; base: number; how: 'prefix' | 'whole' }[] = [];
    extents.forEach((extent, index) => {
      const vertex = index + 1;
      const { base, mostBytes: bytes } = extent.live;
      if (base !== undefined) {
        edges.push({ base, vertex, how: 'live', bytes, isExact: true });
        if (this.#options.frozen.has(vertex) || !extent.isWanted) return;
      }
      const isAnew = this.#options.level === 2;
      if (base !== 0 || isAnew) jobs.push({ vertex, base: 0, how: 'prefix' });
      for (const candidate of near.candidates(vertex)) {
        if (base !== candidate || isAnew) jobs.push({ vertex, base: candidate, how: 'prefix' });
        if (this.#options.noPrefix && extent.width === 4) {
          jobs.push({ vertex, base: candidate, how: 'whole' });
        }
      }
    });
    this.#inOrder(jobs);
    const alone = new Map<number, number>();
    for (const { vertex, base, bytes } of edges) if (base === 0) alone.set(vertex, bytes);
    const inFull = jobs.filter(({ base }) => base === 0).map((job) => ({ ...job, bytes: 0 }));
    const sampled = jobs.filter(({ base }) => base !== 0);
    this.#start('measure', [...inFull, ...sampled]);
    await this.#measureInFull(inFull);
    for (const edge of inFull) {
      alone.set(edge.vertex, Math.min(edge.bytes, alone.get(edge.vertex) ?? Infinity));
      edges.push({ ...edge, isExact: true });
    }
    await forEachLimit(sampled, MEASURED_AT_ONCE, async ({ vertex, base, how }) => {
      const encoding = { level: this.#options.level, noPrefix: how === 'whole' };
      const found = await this.#costs.sampled(this.#extent(vertex), this.#extent(base), encoding);
      this.#options.onBytes?.(tensorBytes(this.#extent(vertex)));
      const { bytes, isExact } = found;
      if (found.usesBase) edges.push({ base, vertex, how, bytes, isExact });
    });
    // A delta that takes as much as the extent alone costs more in every way.
    const useful = edges.filter(
      ({ base, how, vertex, bytes }) =>
        base === 0 || how === 'live' || bytes < (alone.get(vertex) ?? Infinity),
    );
    // Jobs end in any order; the plan must not depend on it.
    return useful.sort(
      (a, b) => a.vertex - b.vertex || a.base - b.base || (a.how < b.how ? -1 : 1),
    );
  }

  /** Measures edges in full that were measured on samples. */
  async measure(edges: EncodingEdge[]): Promise<void> {
    this.#inOrder(edges);
    this.#start('check', edges);
    await this.#measureInFull(edges);
    for (const edge of edges) edge.isExact = true;
  }

  /** Makes each encoding, segment by segment along histories, and adds up what it takes. */
  async #measureInFull(edges: readonly Measurable[]): Promise<void> {
    const jobs: { edge: Measurable; segment: number }[] = [];
    for (let from = 0; from < edges.length; ) {
      // Vertices of one history have one size, and so one number of segments.
      const { width, count, segments } = this.#extent((edges[from] as Measurable).vertex);
      let to = from;
      while (to < edges.length) {
        const other = this.#extent((edges[to] as Measurable).vertex);
        if (other.width !== width || other.count !== count) break;
        to++;
      }
      for (let segment = 0; segment < segments; segment++) {
        for (const edge of edges.slice(from, to)) jobs.push({ edge, segment });
      }
      from = to;
    }
    for (const edge of edges) edge.bytes = 0;
    await forEachLimit(jobs, MEASURED_AT_ONCE, async ({ edge, segment }) => {
      const encoding = { level: this.#options.level, noPrefix: edge.how === 'whole' };
      const child = this.#extent(edge.vertex);
      const base = edge.base === 0 ? null : this.#extent(edge.base);
      // Segments of one extent are measured side by side: the sum is read after the wait.
      const bytes = await this.#costs.exactSegment(child, base, segment, encoding);
      edge.bytes += bytes;
      this.#options.onBytes?.(child.width * segmentElements(child.count, segment));
    });
  }

  /** Sorts along histories. */
  #inOrder(edges: { vertex: number; base: number }[]): void {
    edges.sort(
      (a, b) =>
        (this.#place[a.vertex] as number) - (this.#place[b.vertex] as number) || a.base - b.base,
    );
  }

  #start(what: 'measure' | 'check', edges: readonly { vertex: number }[]): void {
    const sizes = edges.map(({ vertex }) => tensorBytes(this.#extent(vertex)));
    this.#options.onStart?.(
      what,
      sizes.reduce((sum, size) => sum + size, 0),
    );
  }

  #extent(vertex: number): SurveyedExtent {
    return this.#survey.extents[vertex - 1] as SurveyedExtent;
  }
}

function tensorBytes({ width, count }: SurveyedExtent): number {
  return width * count;
}
