/** The plan of a whole repository: what was chosen for each family, added up. */
import type { StorageGraph } from '../../../pure/plan/graph.js';
import { verifyPlan } from '../../../pure/plan/verify.js';
import type { Survey } from '../survey.js';
import type { Encoding } from './edge-costs.js';
import type { MeasureOptions } from './measure-edges.js';
import type { EncodingEdge, Family, SnapshotGroup } from './storage-graph.js';

/** What a group costs under the plan, beside what was promised. */
export interface PlannedGroup extends SnapshotGroup {
  readonly budget: number;
  /** Of the encodings that were offered. */
  readonly least: number;
  /** True if none but those of today were offered: all its extents are frozen. */
  readonly isKept: boolean;
  /** As stored now; undefined if no single edge can say how an extent is stored. */
  readonly now: number | undefined;
  readonly planned: number;
}

export interface ArchivePlan {
  readonly survey: Survey;
  /** How vertex v is to be stored: chosen[v − 1]. */
  readonly chosen: readonly EncodingEdge[];
  readonly groups: readonly PlannedGroup[];
  /** Bytes of extents now and under the plan; no plan over the measured costs has fewer than the bound. */
  readonly storageNow: number;
  readonly storage: number;
  readonly lowerBound: number;
  readonly isOptimal: boolean;
  readonly isWithin: boolean;
  /** Who found the plan, the planner of the most extents first. */
  readonly planners: readonly string[];
  readonly encoding: Encoding;
  /** Edges that were offered, and how many of them were measured in full. */
  readonly edges: number;
  readonly exactEdges: number;
}

/** Longest chain that is written: a reader would follow longer ones, a commit on top would not. */
const DEPTH_MAX = 48;

/** The plan of one family and the graph that it was made for. */
export interface FamilyPlan {
  parentEdge: Int32Array;
  lowerBound: number;
  planner: string;
}

/** What a report is made of. */
export interface PlanParts {
  readonly survey: Survey;
  readonly edges: readonly EncodingEdge[];
  readonly options: MeasureOptions;
  groupOf(number: number): Pick<PlannedGroup, 'budget' | 'least' | 'now'> & {
    readonly group: SnapshotGroup;
  };
  graphOf(family: Family): StorageGraph;
}

/** Adds up plans of families; chains that are too long are cut. */
export function reportPlan(
  parts: PlanParts,
  families: readonly Family[],
  plans: ReadonlyMap<Family, FamilyPlan>,
): ArchivePlan {
  const { survey, edges, options, groupOf, graphOf } = parts;
  const chosen: EncodingEdge[] = [];
  const groups: PlannedGroup[] = [];
  const planners = new Map<string, number>();
  const total = { storage: 0, lowerBound: 0, isOptimal: true, isWithin: true };
  for (const family of families) {
    const plan = plans.get(family) as FamilyPlan;
    const graph = graphOf(family);
    const parentEdge = cutLongChains({ family, graph, edges }, plan.parentEdge);
    const verified = verifyPlan(graph, parentEdge);
    total.storage += verified.storage;
    total.lowerBound += Math.min(plan.lowerBound, verified.storage);
    total.isOptimal &&= verified.storage <= plan.lowerBound * (1 + 1e-12);
    total.isWithin &&= verified.isWithin;
    planners.set(plan.planner, (planners.get(plan.planner) ?? 0) + family.vertices.length);
    family.vertices.forEach((vertex, index) => {
      const number = family.edges[parentEdge[index + 1] as number] as number;
      chosen[vertex - 1] = edges[number] as EncodingEdge;
    });
    family.groups.forEach((number, index) => {
      const { group, ...costs } = groupOf(number);
      groups[number] = {
        ...group,
        ...costs,
        isKept: group.members.every((vertex) => options.frozen.has(vertex)),
        planned: verified.groups[index]?.cost as number,
      };
    });
  }
  const { extents } = survey;
  total.storage -= freedBytes(survey, chosen);
  // Extents kept only as bases would add at most what they take now, however many of them are kept.
  const under = extents.filter((extent) => !extent.isWanted);
  total.lowerBound -= under.reduce((sum, extent) => sum + extent.live.mostBytes, 0);
  total.lowerBound = Math.max(0, total.lowerBound);
  return {
    survey,
    chosen,
    groups,
    storageNow: extents.reduce((sum, extent) => sum + extent.live.mostBytes, 0),
    ...total,
    isOptimal: total.isOptimal && under.length === 0,
    planners: [...planners].sort((a, b) => b[1] - a[1]).map(([name]) => name),
    encoding: { level: options.level, noPrefix: options.noPrefix },
    edges: edges.length,
    exactEdges: edges.filter((edge) => edge.isExact).length,
  };
}

/** Bytes of extents that no delta and no version needs any more: gc drops them. */
function freedBytes({ extents }: Survey, chosen: readonly EncodingEdge[]): number {
  const isKept = new Uint8Array(chosen.length + 1);
  for (const [index, { isWanted }] of extents.entries()) {
    if (!isWanted) continue;
    for (let at = index + 1; at !== 0 && !isKept[at]; at = (chosen[at - 1] as EncodingEdge).base) {
      isKept[at] = 1;
    }
  }
  return chosen.reduce((sum, { vertex, bytes }) => sum + (isKept[vertex] ? 0 : bytes), 0);
}

/** Stores alone what would stand DEPTH_MAX links deep: nothing is read more slowly for that. */
function cutLongChains(
  { family, graph, edges }: { family: Family; graph: StorageGraph; edges: readonly EncodingEdge[] },
  parentEdge: Int32Array,
): Int32Array {
  const cut = parentEdge.slice();
  for (;;) {
    const { depth } = verifyPlan(graph, cut);
    const vertex = depth.indexOf(DEPTH_MAX + 2);
    if (vertex < 0) return cut;
    for (let at = graph.inStart[vertex] as number; at < (graph.inStart[vertex + 1] as number); ) {
      const edge = graph.inEdges[at++] as number;
      const own = edges[family.edges[edge] as number] as EncodingEdge;
      if (own.base === 0 && own.isExact) cut[vertex] = edge;
    }
    if (cut[vertex] === parentEdge[vertex]) return cut;
  }
}
