/**
 * Makes versions of the checkpoints of a run that are held: one after another, on the line of the run, wherever HEAD
 * is. A checkpoint that is a version already, because whoever made it was killed before it could say so, is found.
 *
 * Run by a process of low priority while the command goes on, and by whoever recovers a run. Start at
 * `commitHeld`.
 */
import path from 'node:path';
import type { Id } from '../../base/bytes/hash.js';
import { ChangedError, ConflictError, DlvError, IoError, LockedError } from '../../base/errors.js';
import { isMissing, statOrNull } from '../../base/files/files.js';
import {
  millisecondsOf,
  type RunCheckpoint,
  type RunRecord,
} from '../../storage/repo/runs/run-record.js';
import type { Version } from '../../storage/repo/version/version.js';
import type { OpContext } from '../context.js';
import type { StoreAccess } from '../history/access.js';
import { type HeldFile, heldFiles } from './checkpoints/held-files.js';
import { wholenessProblem } from './checkpoints/whole.js';
import { equalVersion, heldInOrder } from './equal-checkpoint.js';
import { versionsOfRun } from './run-facts.js';
import { storeHeld, tipOf } from './store-held.js';

/** What became of a checkpoint. */
export type HeldOutcome = Pick<RunCheckpoint, 'n' | 'version' | 'number' | 'problem' | 'copies'> & {
  /** 'unparsed': its files do not read to their end, so that it is no version yet. */
  state: 'committed' | 'unparsed' | 'failed';
  /** Of what failed: true if it would fail again, whatever comes. */
  isLasting?: boolean;
};

export interface HeldOptions {
  /** Numbers of checkpoints that become versions even if a file of them cannot be read to its end. */
  asIs: ReadonlySet<number>;
  onOutcome(outcome: HeldOutcome): void;
}

/** How often another process may move the branch first. */
const ATTEMPTS = 8;

/** Makes versions of what is held. An error of one checkpoint is its outcome. @throws {AbortedError} */
export async function commitHeld(
  repo: StoreAccess,
  record: RunRecord,
  options: HeldOptions,
  context: OpContext,
): Promise<void> {
  for (const checkpoint of heldInOrder(record.checkpoints)) {
    context.signal?.throwIfAborted();
    const { n } = checkpoint;
    try {
      options.onOutcome(await commitOne(repo, { record, checkpoint, asIs: options.asIs }, context));
    } catch (error) {
      context.signal?.throwIfAborted();
      const problem = error instanceof Error ? error.message : String(error);
      const none = { version: null, number: null };
      const isLost = error instanceof ChangedError || isMissing(error);
      if (isLost) options.onOutcome({ n, state: 'unparsed', ...none, problem });
      else options.onOutcome({ n, state: 'failed', ...none, problem, isLasting: isLasting(error) });
    }
  }
}

/** Room comes, locks go, and another process may be quicker once; nothing mends what is wrong in itself. */
function isLasting(error: unknown): boolean {
  if (!(error instanceof DlvError)) return false;
  return ![IoError, LockedError, ConflictError].some((kind) => error instanceof kind);
}

async function commitOne(
  repo: StoreAccess,
  {
    record,
    checkpoint,
    asIs,
  }: { record: RunRecord; checkpoint: RunCheckpoint } & Pick<HeldOptions, 'asIs'>,
  context: OpContext,
): Promise<HeldOutcome> {
  const { n } = checkpoint;
  const versions = await versionsOfRun(repo, await tipOf(repo, record), record);
  const before = outcomeOf(versions.get(n), n);
  if (before !== null) return before;
  const files = await heldFiles(repo.layout.heldCheckpoint(record.id, n), checkpoint.isFolder);
  if (files.length === 0) {
    return {
      n,
      state: 'unparsed',
      version: null,
      number: null,
      problem: 'none of its files is held',
    };
  }
  const problem =
    (await rewritten(files, checkpoint)) ?? (await wholenessProblem(files, context.signal));
  if (problem !== null && !asIs.has(n)) {
    return { n, state: 'unparsed', version: null, number: null, problem };
  }
  const equal = await equalVersion(repo, versions.values(), checkpoint, files);
  if (equal !== null) {
    const { id, number, copies } = equal;
    // Those that are stored after it do not carry along what the series had before.
    Object.assign(checkpoint, { version: id, copies });
    return { n, state: 'committed', version: id, number, copies, problem };
  }
  for (let attempt = 1; ; attempt++) {
    const made = await madeBefore(repo, record, n);
    if (made !== null) return made;
    try {
      const { id, number } = await storeHeld(repo, record, { checkpoint, files }, context);
      return { n, state: 'committed', version: id, number, problem };
    } catch (error) {
      if (!(error instanceof ConflictError) || attempt === ATTEMPTS) throw error;
    }
  }
}

/** The version that whoever was killed had made of a checkpoint, or another process meanwhile; null for none. */
async function madeBefore(
  repo: StoreAccess,
  record: RunRecord,
  n: number,
): Promise<HeldOutcome | null> {
  return outcomeOf((await versionsOfRun(repo, await tipOf(repo, record), record)).get(n), n);
}

function outcomeOf(known: { id: Id; version: Version } | undefined, n: number): HeldOutcome | null {
  if (known === undefined) return null;
  const { id, version } = known;
  return { n, state: 'committed', version: id, number: version.number, problem: null };
}

/** A link shares its bytes with whoever writes in place: then it is not any more what was complete. */
async function rewritten(
  files: readonly HeldFile[],
  { written }: RunCheckpoint,
): Promise<string | null> {
  for (const { file, inside } of files) {
    const found = await statOrNull(file);
    if (found !== null && millisecondsOf(found.stat.mtimeNs) > written) {
      return `'${inside === '' ? path.basename(file) : inside}' was written to again after it was complete`;
    }
  }
  return null;
}
