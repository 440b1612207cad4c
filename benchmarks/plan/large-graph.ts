/**
 * A storage graph of the size that one `archive` plans at once: versions of sixteen tensors of sizes
 * that differ a thousandfold, each a delta of its parent or of up to four other recent versions, in
 * both directions. Storage and recreation are both bytes; a snapshot may cost `alpha` times what it
 * costs when everything is materialised.
 */
import { GraphBuilder, type StorageGraph } from '../../lib/pure/plan/graph.js';
import { SeededRandom } from '../../lib/pure/plan/steps.js';

const TENSORS = 16;
/** Lossless byte-wise zlib, of raw. */
const MATERIALIZED_RATIO = 0.84;
const RECENT = 20;

/** Makes the graph of about `extents` extents. */
export function makeLargeGraph(extents: number, alpha: number, seed = 7): StorageGraph {
  const random = new SeededRandom(seed);
  const versions = Math.floor(extents / TENSORS);
  const builder = new GraphBuilder(versions * TENSORS);
  const nodeOf = (version: number, tensor: number): number => 1 + version * TENSORS + tensor;
  const raw = Array.from({ length: TENSORS }, () => Math.round(1000 * 2 ** (10 * random.next())));
  const stored = raw.map((bytes) => Math.round(bytes * MATERIALIZED_RATIO));
  for (let version = 0; version < versions; version++) {
    const parent = version === 0 ? -1 : version - 1 - random.below(Math.min(version, 4));
    raw.forEach((bytes, tensor) => {
      const node = nodeOf(version, tensor);
      builder.materialize(node, stored[tensor]!, stored[tensor]!);
      const bases = new Set<number>();
      if (parent >= 0) bases.add(parent);
      for (let count = 0; count < 4 && version > 0; count++) {
        bases.add(version - 1 - random.below(Math.min(version, RECENT)));
      }
      for (const base of bases) {
        const share = base === parent ? 0.2 + 0.5 * random.next() : 0.4 + 0.4 * random.next();
        const delta = Math.max(1, Math.round(bytes * share));
        builder.delta(nodeOf(base, tensor), node, delta, delta);
        builder.delta(node, nodeOf(base, tensor), delta, delta);
      }
    });
  }
  const fastest = stored.reduce((sum, bytes) => sum + bytes, 0);
  for (let version = 0; version < versions; version++) {
    const members = raw.map((_, tensor) => nodeOf(version, tensor));
    builder.group(`version ${version}`, 'independent', members, Math.round(fastest * alpha));
  }
  return builder.build();
}
