/**
 * What a comparison of two to eight versions says, as plain values: the terminal, JSON and pages are drawn
 * from them. Lists with one item for each version are in the order in which the versions were named.
 */
import type { Id } from '../../base/bytes/hash.js';
import type { Direction } from '../../pure/logs/direction.js';
import type { ParamValue } from '../../pure/logs/param-value.js';
import type { Parting } from '../../pure/logs/parting.js';
import type { LayerKind } from '../../pure/network/layers/kinds.js';
import type { LayerMatch } from '../../pure/network/match/match-layers.js';
import type { Dim, Shape } from '../../pure/network/network.js';
import type { CheckpointDiff } from '../history/diff/checkpoints.js';
import type { FileDiff } from '../history/diff/files.js';
import type { SnapshotDiff } from '../history/diff/snapshots.js';
import type { MetricPlace, MetricValue } from '../history/version-values.js';

/** One side of a comparison. */
export interface DiffEnd {
  label: string;
  /** null: staging or the work tree. */
  version: Id | null;
  /** Tiers that replace exact files of it: those are compared. */
  tier: string | null;
}

/** A run of lines that differ between two texts, with what stands around them. */
export interface TextHunk {
  /** First line on either side, counted from 1. */
  before: number;
  after: number;
  /** Each begins with ' ' (on both sides), '-' or '+'. */
  lines: string[];
}

/** A text file that differs. */
export interface TextDiff {
  path: string;
  /** On the first side, where it is another. */
  pathBefore?: string;
  added: number;
  removed: number;
  /** True for JSON on one line, which is compared as it looks with line breaks. */
  reformatted: boolean;
  hunks: TextHunk[];
  /** Lines that differ and are left out because there are too many; 0 for none. */
  omitted: number;
}

/** How one side differs from another: files, tensors, texts. */
export interface PairDiff {
  before: DiffEnd;
  after: DiffEnd;
  /** True if nothing differs. */
  same: boolean;
  files: FileDiff[];
  /** Folders of checkpoints that came, went or moved as a whole; `files` has their files too. */
  checkpoints: CheckpointDiff[];
  snapshots: SnapshotDiff[];
  texts: TextDiff[];
}

/** A named value in each version. */
export interface ComparedValue {
  name: string;
  /** null where a version does not have it. `delta`: less that of the baseline, of numbers. */
  cells: ({ value: ParamValue; delta: number | null } | null)[];
  equal: boolean;
}

/** A metric in one version. */
export interface MetricCell {
  /** The value without a step, which then is null; else the last one. */
  last: { step: number | null; value: MetricValue };
  /** The best one; null if whether less or more is better is not known. */
  best: MetricPlace | null;
  /** `last`, less that of the baseline. */
  delta: number | null;
  /** Steps with a value. */
  count: number;
  /** Where the curve leaves that of the baseline; null if they have no steps in common. */
  parting: Parting | null;
}

export interface ComparedMetric {
  name: string;
  direction: Direction | null;
  cells: (MetricCell | null)[];
  equal: boolean;
  /** Places of the versions whose `last` is best. */
  leaders: number[];
}

/** A layer in one version's network. */
export interface NetworkCell {
  name: string;
  alias: string;
  kind: LayerKind;
  type: string;
  shape: Shape | null;
  parameters: number;
  macs: Dim;
  /** What differs from the baseline: 'shape', 'type', or the name of an attribute, with both values. */
  changes: { what: string; before: string; after: string }[];
  /** How it was found to be the layer of the baseline; null if it has none there, and in the baseline. */
  match: LayerMatch | null;
  /** ‖b − a‖ / ‖a‖ of its weights against the baseline, where they were compared; null if not. */
  drift: number | null;
}

/** A layer of the merged graph. */
export interface MergedLayer {
  /** As the baseline calls it, else as the first version that has it. */
  name: string;
  alias: string;
  kind: LayerKind;
  type: string;
  cells: (NetworkCell | null)[];
}

/** An edge of the merged graph, from layer to layer by their places. */
export interface MergedEdge {
  from: number;
  to: number;
  /** For each version whether it has the edge. */
  ends: boolean[];
}

/** Layers of one kind against the baseline. */
export interface KindCounts {
  added: number;
  removed: number;
  /** Other shapes, types or attributes. */
  changed: number;
  equal: number;
}

export interface KindSummary {
  kind: LayerKind;
  /** null for the baseline, and for a version without the network. */
  cells: (KindCounts | null)[];
}

/** A network in the versions that have it, as one graph. */
export interface ComparedNetwork {
  /** Path of its file in each version; null where there is none. */
  paths: (string | null)[];
  /** False for layers as the names of tensors tell, which have no edges. */
  isGraph: boolean;
  /** Where the network has it, layers come in an order in which they can run. */
  layers: MergedLayer[];
  edges: MergedEdge[];
  kinds: KindSummary[];
  totals: ({ layers: number; parameters: number; macs: Dim } | null)[];
}

/**
 * How far the weights of a layer moved from those of the baseline: of its tensors that differ, without
 * statistics and counters where it has others.
 */
export interface DriftCell {
  /** ‖b − a‖ / ‖a‖. */
  relativeL2: number | null;
  cosine: number | null;
  maxAbs: number | null;
  /** Shares of elements. */
  changed: number | null;
  signFlips: number | null;
  /** The relative L2 is right to ± this; 0 if it comes from all bytes. */
  bound: number;
  /** The same for the largest difference and for the cosine. */
  maxAbsBound: number;
  cosineBound: number;
}

/** A layer by its tensors: those whose names are equal but for the last part. */
export interface LayerDrift {
  /** Role of the checkpoint and its file, as SnapshotDiff has them. */
  key: string;
  name: string;
  kind: LayerKind;
  tensors: string[];
  elements: number;
  /** null for the baseline, and where the layer is not on both sides. */
  cells: (DriftCell | null)[];
}

/** What is compared of versions as wholes. */
export interface Comparison {
  ends: DiffEnd[];
  /** Place of the one that others are compared with. */
  baseline: number;
  params: ComparedValue[];
  metrics: ComparedMetric[];
  /** The recorded operation, programs and machines, ids of data sets. */
  operation: ComparedValue[];
  environment: ComparedValue[];
  data: ComparedValue[];
  networks: ComparedNetwork[];
  /** Layers whose weights differ, those that moved most first if that was asked for. */
  layers: LayerDrift[];
}
