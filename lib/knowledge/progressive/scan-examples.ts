/** Intervals of all examples that are open, batch by batch. */
import { type Claim, claimsOf, leastOf } from '../../pure/bounds/decisions.js';
import type { NetworkBounds } from './network-bounds.js';
import type { Queries } from './queries.js';
import type { CascadeOptions, Settle } from './stages.js';

/** Where fewer than one of so many examples is open, each is bounded alone. */
const FEW_OPEN = 4;

interface Scanned {
  bounds: NetworkBounds;
  queries: Queries;
  options: CascadeOptions;
  settle: Settle;
}

/** Intervals of all open examples. @returns those that stay open, with the claims that are not certain. */
export async function scanExamples(
  { bounds, queries, options, settle }: Scanned,
  open: readonly number[],
  scores: readonly number[][],
): Promise<Map<number, Claim[]>> {
  const { decision, margin } = options;
  const isOpen = new Set(open);
  const left = new Map<number, Claim[]>();
  const isTop = decision.kind === 'top' && decision.count === 1;
  // Where the batch is not the first axis of every value, graphs are of one example; and where few examples are
  // open, batches would be of others.
  const isAlone = !bounds.analysis.isBatched || open.length * FEW_OPEN < options.set.examples;
  const most = isAlone ? 1 : options.batch;
  for await (const { fed, first, count, rows } of queries.batches(open, most)) {
    const best = Array.from({ length: rows }, (_, i) => {
      const row = scores[first + (i % count)] as number[];
      return row.reduce((most, score, c) => (score > (row[most] as number) ? c : most), 0);
    });
    const scan = await bounds.scan(await bounds.given(fed), best);
    const width = scan.low.length / rows;
    for (let i = 0; i < count; i++) {
      const example = first + i;
      if (!isOpen.has(example)) continue;
      const part = (values: Float64Array): Float64Array =>
        values.subarray(i * width, (i + 1) * width);
      const [low, high] = [part(scan.low), part(scan.high)];
      const margins = isTop && scan.margin !== null ? part(scan.margin) : null;
      const row = scores[example] as number[];
      const unsure = claimsOf(decision, row).filter((claim) => {
        const other = claim.terms[1]?.[0] ?? 0;
        const least = Math.max(
          leastOf(claim, low, high),
          margins?.[other] ?? Number.NEGATIVE_INFINITY,
        );
        return !(scan.isFinite && least - 1e-9 * Math.abs(claim.offset) > margin);
      });
      if (unsure.length === 0) settle(example, row, 'intervals');
      else left.set(example, unsure);
    }
  }
  return left;
}
