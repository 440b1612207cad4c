/** Whether a plan is worth carrying out: what it saves, compared with how reading costs change. */
import type { ArchivePlan } from './planning/report-plan.js';

/** Nothing changes, it grows, it is worth it, or hardly. */
export type Verdict = 'nothing' | 'grows' | 'worth' | 'hardly';

export interface PlanWorth {
  /** Bytes that the plan saves; negative if the repository grows. */
  savedBytes: number;
  /** Their part of what is stored now. */
  savedShare: number;
  /** What the snapshot costs that costs most to read: as stored now, null if unknown, and by the plan. */
  slowestBefore: number | null;
  slowestPlanned: number;
  verdict: Verdict;
}

/** Less than this part of the repository is hardly worth slower reads. */
const SHARE_MIN = 0.02;
/** Growth by up to this part is what a promise of faster reads costs, and no surprise to who asked for one. */
const GROWTH_UNASKED = 0.01;
/** Reads that take up to this many times as long count as equally fast. */
const EQUAL_SPEED = 1.05;

/** True if a plan makes the repository so much larger that a person is asked before it is carried out. */
export function growsMuch({ verdict, savedShare }: PlanWorth): boolean {
  return verdict === 'grows' && -savedShare > GROWTH_UNASKED;
}

/** Weighs a plan. */
export function worthOf({ chosen, groups, storageNow, storage }: ArchivePlan): PlanWorth {
  const savedBytes = storageNow - storage;
  const savedShare = storageNow > 0 ? savedBytes / storageNow : 0;
  const known = groups.flatMap(({ now }) => now ?? []);
  const slowestBefore = known.length === groups.length && known.length > 0 ? most(known) : null;
  const slowestPlanned = most(groups.map(({ planned }) => planned));
  const weighed = { savedBytes, savedShare, slowestBefore, slowestPlanned };
  if (chosen.every(({ how }) => how === 'live')) return { ...weighed, verdict: 'nothing' };
  if (savedBytes < 0) return { ...weighed, verdict: 'grows' };
  const slower = slowestBefore === null ? 1 : slowestPlanned / slowestBefore;
  const isWorth = savedShare >= SHARE_MIN || (savedBytes > 0 && slower <= 1 / EQUAL_SPEED);
  return { ...weighed, verdict: isWorth ? 'worth' : 'hardly' };
}

function most(values: readonly number[]): number {
  return values.reduce((a, b) => Math.max(a, b), 0);
}
