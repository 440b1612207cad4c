/** Which parameters are worth a plane more: as few bytes as certify almost as many examples as all would. */
import type { Depths, PlaneSource } from './plane-source.js';

/** Parameters that are left at their depth one by one, largest first; smaller ones all go deeper. */
const TRIALS_MAX = 12;
/** A plane more makes intervals narrower by so many bits. */
const NARROWER = 8;
/** Share of the examples that all parameters would certify. */
const KEPT = 0.5;

export interface NextDepths {
  from: Depths;
  /** One plane more of every parameter. */
  to: Depths;
  source: PlaneSource;
  /** Examples that are tried. */
  samples: readonly number[];
  /**
   * Which of some samples would be certain if the radii of these parameters were smaller by some bits.
   * @param missing  so many may fail; after more of them the rest is not tried.
   */
  suppose(
    parameters: ReadonlySet<string>,
    bits: number,
    of: { samples: readonly number[]; missing: number },
  ): Promise<number[]>;
}

/**
 * The next depths. Radii are made narrower without reading anything, so that a sample shows what would be
 * certain then. A large parameter that changes little stays as it is.
 */
export async function nextDepths(options: NextDepths): Promise<Depths> {
  const { from, to, source, suppose, samples } = options;
  const deeper = source.parameters.filter(({ name }) => to.get(name) !== from.get(name));
  const chosen = new Set(deeper.map(({ name }) => name));
  // Less that is known certifies no other sample.
  const proven = await suppose(chosen, NARROWER, { samples, missing: samples.length });
  if (proven.length === 0) return to;
  const missing = proven.length - Math.max(1, Math.ceil(KEPT * proven.length));
  const bySize = [...deeper].sort((a, b) => b.elements - a.elements).slice(0, TRIALS_MAX);
  for (const { name } of bySize) {
    if (chosen.size === 1) break;
    chosen.delete(name);
    const found = await suppose(chosen, NARROWER, { samples: proven, missing });
    if (found.length < proven.length - missing) chosen.add(name);
  }
  return new Map(
    [...from].map(([name, planes]) => [name, chosen.has(name) ? (to.get(name) as number) : planes]),
  );
}
