/**
 * What became of versions that no longer exist as they were: pruned, forgotten, or rewritten under
 * another id.
 *
 * One line for each in `logs/gone`, in the form of a reflog: from the old id to the new one, or to
 * none. The reason begins with the version's name and a word for what happened. The list keeps no
 * data; it is consulted for ids and names that cannot be resolved. @see docs/format/refs.md
 */
import type { Id } from '../../../base/bytes/hash.js';
import type { Layout } from '../layout.js';
import type { RepositoryLock } from '../processes/lock.js';
import { appendListLog, GONE_LOG, type MoveReason, readListLog } from './reflog.js';

/**
 * pruned: gc dropped it, since nothing named it. forgotten: taken out of history. moved: another id with
 * the same files, since what it derives from changed. changed: another id, and files were left out.
 */
export const FATES = ['pruned', 'forgotten', 'moved', 'changed'] as const;
export type Fate = (typeof FATES)[number];

/** What became of one version. */
export interface GoneVersion extends MoveReason {
  id: Id;
  /** The version that took its place, or null. */
  becomes: Id | null;
  fate: Fate;
  /** `model@number`, or the model alone where the number is not known. */
  name: string;
}

/** Appends what became of versions; on the disk when this returns. */
export async function noteGone(lock: RepositoryLock, gone: readonly GoneVersion[]): Promise<void> {
  const lines = gone.map(({ id, becomes, fate, name, reason, ...who }) => {
    return { before: id, after: becomes, ...who, reason: `${name} ${fate}: ${reason}` };
  });
  await appendListLog(lock, GONE_LOG, lines);
}

/** All that is known, oldest first. */
export async function readGone(layout: Layout): Promise<GoneVersion[]> {
  const gone: GoneVersion[] = [];
  for (const { before, after, reason, ...who } of await readListLog(layout, GONE_LOG)) {
    const [, name = '', word = '', text = ''] = /^(\S+) (\S+): (.*)$/s.exec(reason) ?? [];
    const fate = FATES.find((known) => known === word);
    if (before === null || fate === undefined) continue;
    gone.push({ id: before, becomes: after, fate, name, reason: text, ...who });
  }
  return gone;
}

/** Those whose id begins with a text, or whose name it is; of each id the last that is known. */
export function findGone(all: readonly GoneVersion[], text: string): GoneVersion[] {
  const prefix = /^[0-9a-f]{4,64}$/i.test(text) ? text.toLowerCase() : null;
  const found = new Map<Id, GoneVersion>();
  for (const gone of all) {
    const isMeant = gone.name === text || (prefix !== null && gone.id.startsWith(prefix));
    if (!isMeant) continue;
    // That gc dropped the bytes later does not change what took its place.
    const known = found.get(gone.id);
    if (known === undefined || known.fate === 'pruned' || gone.fate !== 'pruned') {
      found.set(gone.id, gone);
    }
  }
  return [...found.values()];
}

/**
 * What happened to a version since, step by step: each step begins at the id that the one before led to.
 * The last leads to where it is now, or to none.
 */
export function stepsSince(all: readonly GoneVersion[], from: GoneVersion): GoneVersion[] {
  const next = new Map<Id, GoneVersion>();
  for (const gone of all) if (gone.fate !== 'pruned') next.set(gone.id, gone);
  const steps = [from];
  const seen = new Set<Id>([from.id]);
  for (let id = from.becomes; id !== null; ) {
    const step = next.get(id);
    // What was taken back and done again leads in a circle.
    if (step === undefined || seen.has(id)) break;
    seen.add(id);
    steps.push(step);
    id = step.becomes;
  }
  return steps;
}
