/** What a version says of the run that made it, and the note that says how the run ended. @see docs/format/runs.md */
import type { Id } from '../../base/bytes/hash.js';
import type { RunRecord } from '../../storage/repo/runs/run-record.js';
import type { Extension, Version } from '../../storage/repo/version/version.js';

/** Tag of the extension, and kind of the note. */
export const RUN_TAG = 'run';
const FORM = 1;

/** What a version says of its run. */
export interface RunFacts {
  run: string;
  name: string | null;
  kind: RunRecord['kind'];
  command: string[];
  checkpoint: number;
  place: string;
  series: string;
  /** Path in the version, and path below the place; empty: the place itself is the file. */
  files: [path: string, inside: string][];
  /** Paths of the newest checkpoint of each other series of the run, by series. */
  others: Record<string, string[]>;
  started: number;
  seconds: number;
  cpuSeconds: number;
  peakBytes: number;
}

export function runExtension(facts: RunFacts): Extension {
  return { tag: RUN_TAG, value: Buffer.from(JSON.stringify({ form: FORM, ...facts })) };
}

/** What a version says of its run; null if no run made it, or one of a later dlv. */
export function runFacts({ extensions }: Pick<Version, 'extensions'>): RunFacts | null {
  const found = extensions.find(({ tag }) => tag === RUN_TAG);
  if (found === undefined) return null;
  try {
    const facts = JSON.parse(Buffer.from(found.value).toString()) as RunFacts & { form?: unknown };
    const isOurs =
      facts.form === FORM &&
      typeof facts.run === 'string' &&
      Number.isSafeInteger(facts.checkpoint) &&
      typeof facts.place === 'string' &&
      typeof facts.series === 'string' &&
      Array.isArray(facts.files) &&
      facts.files.every(
        (pair) => Array.isArray(pair) && pair.every((one) => typeof one === 'string'),
      );
    return isOurs ? facts : null;
  } catch {
    return null;
  }
}

/** Versions on a line further back than this are not asked which run made them. */
const ANCESTORS_MAX = 100_000;

/** The versions that a run made on a line, by the number of the checkpoint; `tip` and its first parents. */
export async function versionsOfRun(
  repo: { version(id: Id): Promise<Version> },
  tip: Id | null,
  { id, base }: Pick<RunRecord, 'id' | 'base'>,
): Promise<Map<number, { id: Id; version: Version; facts: RunFacts }>> {
  const found = new Map<number, { id: Id; version: Version; facts: RunFacts }>();
  let at = tip;
  for (let i = 0; at !== null && at !== base && i < ANCESTORS_MAX; i++) {
    const version = await repo.version(at);
    const facts = runFacts(version);
    if (facts?.run === id && !found.has(facts.checkpoint))
      found.set(facts.checkpoint, { id: at, version, facts });
    at = version.parents[0] ?? null;
  }
  return found;
}
