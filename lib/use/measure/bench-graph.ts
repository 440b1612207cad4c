/**
 * The storage graph of the repository that `dlv bench` plans over: present encodings as they are,
 * others by samples. One graph for everything in view.
 */

import { throwIfAborted } from '../../base/bytes/abort.js';
import type { CodecLevel } from '../../pure/codec/segment.js';
import { ROOT, type Scheme, type StorageGraph } from '../../pure/plan/graph.js';
import { verifyPlan } from '../../pure/plan/verify.js';
import type { SurveyedExtent } from '../../storage/archive/numbered-extents.js';
import { EdgeCosts } from '../../storage/archive/planning/edge-costs.js';
import {
  buildFamilyGraph,
  type CostUnit,
  type EncodingEdge,
  groupSnapshots,
  type SnapshotGroup,
} from '../../storage/archive/planning/storage-graph.js';
import type { Survey } from '../../storage/archive/survey.js';
import type { ReadAccess } from '../../storage/objects/access.js';
import type { OpContext } from '../context.js';

/** A graph, and how the repository is stored as a plan of it. */
export interface MeasuredGraph {
  graph: StorageGraph;
  /** Parent edges as stored now; null if the segments of an extent have different bases. */
  now: Int32Array | null;
  /** Candidates that were not measured for lack of time. */
  skipped: number;
}

export interface MeasureOptions {
  scheme: Scheme;
  cost: CostUnit;
  level: CodecLevel;
  /** Asked before each measurement; once it says no, only present encodings are taken. */
  hasTime?: () => boolean;
}

/** Measures every candidate encoding on samples. @throws {CorruptError} {NotFoundError} */
export async function measureGraph(
  repo: ReadAccess,
  survey: Survey,
  options: MeasureOptions,
  context: OpContext,
): Promise<MeasuredGraph> {
  const { edges, skipped } = await measureEdges(repo, survey, options, context);
  const groups = groupSnapshots(survey);
  const graph = graphOf(survey, edges, groups, options);
  const now = new Int32Array(graph.nodeCount).fill(-1);
  edges.forEach((edge, number) => {
    if (edge.how === 'live') now[edge.vertex] = number;
  });
  return { graph, now: now.indexOf(-1, ROOT + 1) === -1 ? now : null, skipped };
}

function graphOf(
  survey: Survey,
  edges: readonly EncodingEdge[],
  groups: readonly SnapshotGroup[],
  { scheme, cost }: { scheme: Scheme; cost: CostUnit },
): StorageGraph {
  const everything = {
    vertices: survey.extents.map((_, index) => index + 1),
    edges: edges.map((_, number) => number),
    groups: groups.map((_, number) => number),
  };
  const budgets = groups.map(() => Infinity);
  return buildFamilyGraph({ survey, edges, groups }, everything, { ...cost, scheme, budgets });
}

async function measureEdges(
  repo: ReadAccess,
  survey: Survey,
  { level, hasTime = () => true }: MeasureOptions,
  context: OpContext,
): Promise<{ edges: EncodingEdge[]; skipped: number }> {
  const costs = new EdgeCosts(repo, context.signal);
  const encoding = { level, noPrefix: false };
  const edges: EncodingEdge[] = [];
  let skipped = 0;
  const offered = survey.extents.map((extent, index) => {
    const candidates = survey.near.candidates(index + 1);
    return [0, ...candidates].filter((base) => base !== extent.live.base);
  });
  const sizeOf = ({ width, count }: SurveyedExtent): number => width * count;
  const total = survey.extents.reduce(
    (sum, extent, i) => sum + sizeOf(extent) * (offered[i] as number[]).length,
    0,
  );
  context.progress.start('measuring candidates', total);
  for (const [index, extent] of survey.extents.entries()) {
    throwIfAborted(context.signal);
    const vertex = index + 1;
    const { base, bytes } = extent.live;
    if (base !== undefined) edges.push({ base, vertex, how: 'live', bytes, isExact: true });
    let alone = base === 0 ? bytes : Infinity;
    for (const candidate of offered[index] as number[]) {
      if (!hasTime()) {
        skipped++;
        continue;
      }
      const under = candidate === 0 ? null : (survey.extents[candidate - 1] as SurveyedExtent);
      const found = await costs.sampled(extent, under, encoding);
      context.progress.advance(sizeOf(extent));
      if (candidate === 0) alone = found.bytes;
      else if (!found.usesBase || found.bytes >= alone) continue;
      const { bytes: coded, isExact } = found;
      edges.push({ base: candidate, vertex, how: 'prefix', bytes: coded, isExact });
    }
  }
  context.progress.finish();
  return { edges, skipped };
}

/** Storage and recreation of the repository as it is, over the same groups. */
export function costsNow({ graph, now }: MeasuredGraph): {
  storage: number;
  recreation: number;
} | null {
  if (now === null) return null;
  const { storage, groups } = verifyPlan(graph, now);
  return { storage, recreation: groups.reduce((sum, { cost }) => sum + cost, 0) };
}
