/**
 * The storage graph of a repository: every way in which its extents could be stored, with costs.
 *
 * Vertices are extents. For each there are edges for how it is stored now, for storing it alone and
 * for a delta against each candidate base, in each encoding asked for: parallel edges are encodings.
 * Storage is in bytes of records; recreation in bytes read or in predicted milliseconds. Groups are
 * snapshots; equal ones are one group. Source: ModelHub (Miao et al., ICDE 2017), IV-B.
 */
import type { Scheme, StorageGraph } from '../../../pure/plan/graph.js';
import { GraphBuilder } from '../../../pure/plan/graph.js';
import { UnionFind } from '../../../pure/plan/union-find.js';
import type { Survey, SurveyedSnapshot } from '../survey.js';

/** What an edge's recreation cost counts. */
export type RecreationUnit = 'bytes' | 'ms';

/** One way to store one extent. */
export interface EncodingEdge {
  /** Vertex of the base; 0: alone. */
  readonly base: number;
  readonly vertex: number;
  /** As stored now; else level and kind of a new encoding. */
  readonly how: 'live' | 'prefix' | 'whole';
  /** Bytes of its records. */
  bytes: number;
  /** False while measured on a sample. */
  isExact: boolean;
}

/** What applying one edge takes. */
export interface EdgeWork {
  /** Read from packs. */
  readonly bytes: number;
  /** Decoded. */
  readonly elements: number;
  /** Bytes of one element. */
  readonly width: number;
  readonly segments: number;
  readonly isDelta: boolean;
}

/** Predicts the time to apply one edge, its base being in memory: read and decode. */
export interface TimeModel {
  edgeMs(edge: EdgeWork): number;
}

/** Snapshots with the same extents: one group. */
export interface SnapshotGroup {
  /** Vertices, ascending. */
  readonly members: readonly number[];
  readonly snapshots: readonly SurveyedSnapshot[];
}

/** Groups of a survey, in order of their first snapshots. */
export function groupSnapshots(survey: Survey): SnapshotGroup[] {
  const groups = new Map<string, { members: readonly number[]; snapshots: SurveyedSnapshot[] }>();
  for (const snapshot of survey.snapshots) {
    const key = snapshot.extents.join();
    const known = groups.get(key);
    if (known) known.snapshots.push(snapshot);
    else groups.set(key, { members: snapshot.extents, snapshots: [snapshot] });
  }
  return [...groups.values()];
}

/** A part of the survey that can be planned alone: no edge and no group leads out of it. */
export interface Family {
  /** Vertices of the survey, ascending; vertex i + 1 of the family's graph is vertices[i]. */
  readonly vertices: readonly number[];
  /** Numbers of edges and of groups. */
  readonly edges: readonly number[];
  readonly groups: readonly number[];
}

/** Cuts into families: vertices joined by edges or by a group are in one. */
export function findFamilies(
  vertexCount: number,
  edges: readonly EncodingEdge[],
  groups: readonly SnapshotGroup[],
): Family[] {
  const joined = new UnionFind(vertexCount + 1);
  for (const { base, vertex } of edges) if (base !== 0) joined.join(base, vertex);
  for (const { members } of groups) {
    for (const member of members) joined.join(members[0] as number, member);
  }
  const families = joined
    .sets(1)
    .map((vertices) => ({ vertices, edges: [] as number[], groups: [] as number[] }));
  const byRoot = new Map(
    families.map((family) => [joined.find(family.vertices[0] as number), family]),
  );
  edges.forEach(({ vertex }, number) => {
    byRoot.get(joined.find(vertex))?.edges.push(number);
  });
  groups.forEach(({ members }, number) => {
    if (members.length > 0) byRoot.get(joined.find(members[0] as number))?.groups.push(number);
  });
  return families;
}

/** The unit that costs are in, and the model behind milliseconds. */
export interface CostUnit {
  readonly unit: RecreationUnit;
  /** Wanted for 'ms' only. */
  readonly time?: TimeModel;
}

/** Recreation cost of an edge, its base being in memory. Milliseconds are rounded up to 1/1024. */
export function edgeRecreation(edge: EncodingEdge, survey: Survey, cost: CostUnit): number {
  if (cost.unit === 'bytes' || cost.time === undefined) return edge.bytes;
  const { count, width, segments } = survey.extents[edge.vertex - 1] as Survey['extents'][0];
  const ms = cost.time.edgeMs({
    bytes: edge.bytes,
    elements: count,
    width,
    segments,
    isDelta: edge.base !== 0,
  });
  return Math.ceil(ms * 1024) / 1024;
}

/**
 * Bytes that rebuilding each snapshot of a survey reads, encoded as it is now; undefined if segments of
 * an extent under it depend on different ones.
 */
export function liveRecreation(survey: Survey, scheme: Scheme): (number | undefined)[] {
  const { extents, snapshots } = survey;
  const costs = new Float64Array(extents.length + 1).fill(-1);
  costs[0] = 0;
  /** Vertices of a chain, the last one first, down to one that is in `known`. */
  const chain = (vertex: number, isKnown: (v: number) => boolean): number[] => {
    const path: number[] = [];
    for (let at: number | undefined = vertex; at !== undefined && !isKnown(at); ) {
      path.push(at);
      at = extents[at - 1]?.live.base;
    }
    return path;
  };
  const bytesOf = (vertex: number): number => extents[vertex - 1]?.live.mostBytes as number;
  const costOf = (vertex: number): number => {
    for (const at of chain(vertex, (v) => costs[v] !== -1).reverse()) {
      const base = extents[at - 1]?.live.base;
      costs[at] = base === undefined ? Number.NaN : (costs[base] as number) + bytesOf(at);
    }
    return costs[vertex] as number;
  };
  return snapshots.map((snapshot) => {
    const each = snapshot.extents.map(costOf);
    const met = new Set<number>([0]);
    let cost = each.reduce((sum, bytes) => sum + bytes, 0);
    if (scheme === 'parallel') cost = each.reduce((most, bytes) => Math.max(most, bytes), 0);
    else if (scheme === 'reusable' && !Number.isNaN(cost)) {
      for (const vertex of snapshot.extents) {
        for (const at of chain(vertex, (v) => met.has(v))) met.add(at);
      }
      met.delete(0);
      cost = [...met].reduce((sum, at) => sum + bytesOf(at), 0);
    }
    return Number.isNaN(cost) ? undefined : cost;
  });
}

/** What a graph is made of: encodings that were measured, and the snapshots that want extents. */
export interface OfferedEdges {
  readonly survey: Survey;
  readonly edges: readonly EncodingEdge[];
  readonly groups: readonly SnapshotGroup[];
}

/** The graph of one family; edge i of it is family.edges[i]. @param budgets per group of the survey. */
export function buildFamilyGraph(
  { survey, edges, groups }: OfferedEdges,
  family: Family,
  options: CostUnit & { scheme: Scheme; budgets: ArrayLike<number> },
): StorageGraph {
  const place = new Map(family.vertices.map((vertex, index) => [vertex, index + 1]));
  const builder = new GraphBuilder(family.vertices.length);
  for (const number of family.edges) {
    const edge = edges[number] as EncodingEdge;
    const to = place.get(edge.vertex) as number;
    const recreation = edgeRecreation(edge, survey, options);
    if (edge.base === 0) builder.materialize(to, edge.bytes, recreation);
    else builder.delta(place.get(edge.base) as number, to, edge.bytes, recreation);
  }
  for (const number of family.groups) {
    const { members } = groups[number] as SnapshotGroup;
    const inFamily = members.map((member) => place.get(member) as number);
    builder.group(`${number}`, options.scheme, inFamily, options.budgets[number] as number);
  }
  return builder.build();
}
