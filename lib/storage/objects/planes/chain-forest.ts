/**
 * The chains under a set of wanted segments, laid out before anything is decoded: which records they
 * share, which planes each has to give, and in which order they are best rebuilt.
 *
 * Segments of one number form forests of their own: a tree holds segment s of a root and of all that
 * depends on it. Reads indexes, and heads where only leading planes are wanted; no planes. Start at
 * `planChains`; forest-reader.ts carries it out.
 */

import { throwIfAborted } from '../../../base/bytes/abort.js';
import type { Id } from '../../../base/bytes/hash.js';
import { pushAll } from '../../../base/bytes/many.js';
import { CorruptError } from '../../../base/errors.js';
import type { SegmentHeadAt } from '../../store/packs/read-records.js';
import { type SegmentEntry, segmentKey } from '../../store/types.js';
import { linksOf, missingExtent } from '../chain.js';
import { basePlanesOf, stopOf, wantsHead } from './chain-link.js';
import type { SegmentRecords, SegmentRequest } from './plane-reader.js';
import { addReadBytes, headBytesOf, noBytes, type ReadBytes } from './read-counts.js';

/**
 * How wanted segments are rebuilt: `independent` one after another, each through its whole chain;
 * `parallel` the same, several at once; `reusable` with what chains share decoded once.
 */
export type RetrievalScheme = 'independent' | 'parallel' | 'reusable';

/** One segment of one extent, as it is stored, over its base. */
export interface ChainNode {
  readonly entry: SegmentEntry;
  readonly base: ChainNode | null;
  /** Its deltas, of those that were asked for. */
  readonly children: ChainNode[];
  /** Its head, if it was read to know its stops and what it takes of its base. */
  head: SegmentHeadAt | null;
  /** Leading planes that it has to give, where its planes are shared. */
  planes: number;
  /** Places in the order at which it is wanted itself or as a base, ascending. */
  readonly uses: number[];
  /** The place that stands for it in the uses of its base; null if none does. */
  due: number | null;
}

/** A wanted segment in the order of a plan. */
export interface PlannedSegment extends SegmentRequest {
  /** Its place in what was asked for. */
  readonly request: number;
  readonly node: ChainNode;
  /** Leading planes wanted, 1 … width. */
  readonly planes: number;
}

/** Wanted segments in the order in which they are rebuilt, in runs that share no record. */
export interface ChainForest {
  readonly order: readonly PlannedSegment[];
  /** Run r is order[starts[r] .. starts[r + 1]). */
  readonly starts: readonly number[];
  /** Distinct records. */
  readonly nodes: number;
  /** Bytes of heads that were read to plan. */
  readonly headBytes: number;
}

export interface PlanChainsOptions {
  /** Keeps the order of the requests; else that which needs the least memory. */
  readonly keepOrder?: boolean;
  readonly signal?: AbortSignal;
}

/** @throws {NotFoundError} {CorruptError} if a chain is broken. */
export async function planChains(
  records: SegmentRecords,
  requests: readonly SegmentRequest[],
  options: PlanChainsOptions = {},
): Promise<ChainForest> {
  const nodes = new Map<string, ChainNode>();
  const wanted: PlannedSegment[] = [];
  let headBytes = 0;
  for (const [request, { id, segment, planes }] of requests.entries()) {
    throwIfAborted(options.signal);
    const node = await findNode(records, nodes, id, segment);
    const leading = Math.min(planes ?? node.entry.width, node.entry.width);
    wanted.push({ id, segment, request, node, planes: leading });
    headBytes += await layPath(records, node, leading);
  }
  const roots = [...nodes.values()].filter((node) => node.base === null);
  const { order, starts } = options.keepOrder
    ? { order: wanted, starts: [0, wanted.length] }
    : bestOrder(roots, wanted);
  noteUses(order);
  return { order, starts, nodes: nodes.size, headBytes };
}

/** The node of a segment; the part of its chain that is new is looked up and linked. */
async function findNode(
  records: SegmentRecords,
  nodes: Map<string, ChainNode>,
  id: Id,
  segment: number,
): Promise<ChainNode> {
  const known = nodes.get(segmentKey(id, segment));
  if (known !== undefined) return known;
  const fresh: SegmentEntry[] = [];
  let node: ChainNode | null = null;
  for await (const { id: at, entry } of linksOf(id, (next) => records.findSegment(next, segment))) {
    if (entry === null) throw missingExtent(at);
    fresh.push(entry);
    node = (entry.base !== null && nodes.get(segmentKey(entry.base, segment))) || null;
    if (node !== null) break;
  }
  for (const entry of fresh.reverse()) {
    const made: ChainNode = {
      entry,
      base: node,
      children: [],
      head: null,
      planes: 0,
      uses: [],
      due: null,
    };
    node?.children.push(made);
    nodes.set(segmentKey(entry.id, segment), made);
    node = made;
  }
  return node as ChainNode;
}

/**
 * Notes what each link of a chain has to give for the leading `wanted` planes of a node. Reads the heads
 * that say so. @returns their bytes.
 */
async function layPath(records: SegmentRecords, node: ChainNode, wanted: number): Promise<number> {
  let bytes = 0;
  let planes = wanted;
  for (let at: ChainNode | null = node; at !== null; at = at.base) {
    if (at.head === null && wantsHead(at.entry, planes)) {
      at.head = await openHead(records, at.entry);
      bytes += headBytesOf(at.entry);
    }
    const { stop, ofBase } = stepOf(at, planes);
    // A link that gives more already may have been laid without the heads that fewer planes need.
    at.planes = Math.max(at.planes, stop);
    planes = ofBase;
  }
  return bytes;
}

async function openHead(
  records: SegmentRecords,
  { id, segment, base }: SegmentEntry,
): Promise<SegmentHeadAt> {
  const head = await records.openSegment(id, segment);
  if (head === null) throw missingExtent(id);
  if (head.entry.base === base) return head;
  throw new CorruptError(`the base of extent '${id}' changed while its chain was read`, {
    id,
    hint: 'another command is re-encoding the repository; run the command again',
  });
}

/**
 * Planes that a link has to give for `wanted` of them, and what these take of its base. A head that
 * was read for fewer planes is not looked at: nor does a reader of this chain alone.
 */
function stepOf({ entry, head }: ChainNode, wanted: number): { stop: number; ofBase: number } {
  const known = wantsHead(entry, wanted) ? head : null;
  const stop = stopOf(entry, known, wanted);
  return { stop, ofBase: basePlanesOf(entry, known, stop) };
}

/** Links of a chain from the wanted one to the root, with the planes that each has to give. */
export function* pathOf(
  node: ChainNode,
  planes: number,
): Generator<{ node: ChainNode; planes: number }> {
  let wanted = planes;
  for (let at: ChainNode | null = node; at !== null; at = at.base) {
    const { stop, ofBase } = stepOf(at, wanted);
    yield { node: at, planes: stop };
    wanted = ofBase;
  }
}

/**
 * What rebuilding takes, from indexes and heads alone: the records of every chain counted for each
 * wanted segment, or, if what chains share is decoded once, counted once.
 */
export function plannedBytes(forest: ChainForest, scheme: RetrievalScheme): ReadBytes {
  const bytes = noBytes();
  const seen = new Set<ChainNode>();
  for (const { node, planes } of forest.order) {
    for (const link of pathOf(node, planes)) {
      if (scheme === 'reusable') {
        if (seen.has(link.node)) break;
        seen.add(link.node);
        addReadBytes(bytes, link.node.entry, link.node.planes);
      } else addReadBytes(bytes, link.node.entry, link.planes);
    }
  }
  return bytes;
}

/**
 * Depth first, trees in the order in which they are first asked for. Of the children of a node the one
 * under which the most has to be kept comes last: the node itself need not be kept for that one.
 */
function bestOrder(
  roots: readonly ChainNode[],
  wanted: readonly PlannedSegment[],
): { order: PlannedSegment[]; starts: number[] } {
  const own = new Map<ChainNode, PlannedSegment[]>();
  for (const target of wanted) {
    const known = own.get(target.node);
    if (known) known.push(target);
    else own.set(target.node, [target]);
  }
  const order: PlannedSegment[] = [];
  const starts: number[] = [];
  for (const root of roots) {
    const kept = keptBelow(root);
    starts.push(order.length);
    const stack = [root];
    for (let node = stack.pop(); node !== undefined; node = stack.pop()) {
      pushAll(order, own.get(node) ?? []);
      const children = [...node.children];
      children.sort((a, b) => (kept.get(b) as number) - (kept.get(a) as number));
      pushAll(stack, children);
    }
  }
  starts.push(order.length);
  return { order, starts };
}

/** How many nodes have to be kept while the subtree of each is rebuilt, at best. */
function keptBelow(root: ChainNode): Map<ChainNode, number> {
  const kept = new Map<ChainNode, number>();
  const nodes = [root];
  for (const node of nodes) for (const child of node.children) nodes.push(child);
  for (const node of nodes.reverse()) {
    let most = 0;
    let second = 0;
    for (const child of node.children) {
      const below = kept.get(child) as number;
      if (below > most) [most, second] = [below, most];
      else if (below > second) second = below;
    }
    kept.set(node, node.children.length > 1 ? Math.max(most, 1 + second) : most);
  }
  return kept;
}

/** Notes for every node when its planes are used, if each node is decoded just once. */
function noteUses(order: readonly PlannedSegment[]): void {
  const met = new Set<ChainNode>();
  for (const [place, { node }] of order.entries()) {
    node.uses.push(place);
    for (let at = node; !met.has(at) && at.base !== null; at = at.base) {
      met.add(at);
      at.due = place;
      at.base.uses.push(place);
    }
  }
}
