/**
 * Verifies a repository: state files, pack sets, and everything that versions and staging need.
 *
 * Reads only, without the lock; `rebuild.ts` mends. Works also on a repository that cannot be opened, as
 * far as that goes. Garbage and leftovers of killed processes are information, not problems. What other
 * commands change meanwhile must not look like damage: see `checkRepository`. Memory: ids of the needed
 * objects, a set's index while it is read, 96 MiB of planes. The checks are in check.ts.
 */

import { formatBytes } from '../../base/bytes/words/wording.js';
import { type DlvError, isDamage } from '../../base/errors.js';
import { isMissing } from '../../base/files/files.js';
import type { Layout } from '../repo/layout.js';
import { promisedSize } from '../store/promised.js';
import type { SetId } from '../store/types.js';
import { trashBytes, unfinished } from '../upkeep/leftovers.js';
import { Check } from './check.js';
import type { CheckedRepository } from './check-sets.js';
import { checkState } from './check-state.js';
import {
  Findings,
  type FsckChecked,
  type FsckOptions,
  type FsckProblem,
  type PromisedCount,
  problemOf,
  REMEDY,
} from './report.js';
import { markState } from './state-mark.js';

export interface CheckOptions extends FsckOptions {
  /**
   * Opens the repository, one whose format or config may be unreadable as well.
   * @throws {CorruptError} {IoError} if the manifest cannot be read.
   */
  open(layout: Layout): Promise<CheckedRepository>;
}

export interface FsckResult {
  /** True if there are no problems. */
  ok: boolean;
  problems: FsckProblem[];
  /** Sentences about what is no fault and matters all the same. */
  information: string[];
  /** Sentences about garbage, leftovers and copies: what 'dlv gc' sees to by itself. */
  details: string[];
  checked: FsckChecked;
  /** What is not here and was promised by a remote, which is no problem. */
  promised: PromisedCount[];
}

/** Checks of a repository that changes all the time before only what all of them found is reported. */
const ATTEMPTS = 4;

/**
 * Verifies the repository at `layout`.
 *
 * Refs are read before the manifest, as they are written after it. A check that finds problems while
 * other commands changed refs, staging or the manifest is done again. If it never has the repository
 * for itself, only those problems are reported that the last two checks both found.
 * @throws {FormatVersionError} {IoError} {AbortedError}
 */
export async function checkRepository(layout: Layout, options: CheckOptions): Promise<FsckResult> {
  /** Sets that were found sound: their files never change. */
  const sound = new Set<SetId>();
  let known: FsckResult | null = null;
  for (let attempt = 1; ; attempt++) {
    const before = await markState(layout);
    const result = await checkOnce(layout, options, sound);
    if (result.problems.length === 0 || (await markState(layout)) === before) return result;
    if (attempt === ATTEMPTS) return whatBothFound(result, known);
    known = result;
  }
}

/** The problems of a check that the one before it had found as well. */
function whatBothFound(result: FsckResult, known: FsckResult | null): FsckResult {
  const text = ({ kind, area, file, message }: FsckProblem): string =>
    [kind, area, file, message].join('\n');
  const before = new Set(known?.problems.map(text));
  const problems = result.problems.filter((problem) => before.has(text(problem)));
  const gone = result.problems.length - problems.length;
  const information = [...result.information];
  if (gone > 0) {
    information.push(
      `${gone} problems came and went while other commands changed the repository: ` +
        "run 'dlv fsck' again when they are done",
    );
  }
  return { ...result, ok: isOk(problems), problems, information };
}

function isOk(problems: readonly FsckProblem[]): boolean {
  return problems.every((problem) => problem.kind === 'promised');
}

async function checkOnce(
  layout: Layout,
  options: CheckOptions,
  sound: Set<SetId>,
): Promise<FsckResult> {
  const findings = new Findings();
  const checked: FsckChecked = {
    stateFiles: 0,
    sets: 0,
    packBytes: 0,
    versions: 0,
    blobs: 0,
    extents: 0,
    files: 0,
  };
  const state = await checkState(layout, findings);
  checked.stateFiles = state.files + 1;
  const repo = await openDamaged(layout, findings, options);
  if (repo !== null) {
    try {
      await new Check({ repo, state, findings, checked, sound, options }).run();
    } finally {
      await repo.close();
    }
  }
  await addLeftovers(layout, findings);
  const { problems, information, details } = findings;
  for (const { problem, objects } of findings.list) {
    if (problem.kind !== 'missing' && problem.kind !== 'damaged') continue;
    const named = problem.places.flatMap(({ object }) => object ?? []);
    // What stands on a lost object is among the objects, and is not lost.
    for (const id of named.length > 0 ? named : objects) options.onLost?.(id);
  }
  const promised = [...findings.promised.values()];
  for (const { remote, objects, ...sizes } of promised) {
    const shown = promisedSize(sizes);
    const size = shown === '' ? '' : ` (${shown})`;
    information.push(
      `the remote '${remote}' alone holds ${objects} object${objects === 1 ? '' : 's'}${size}, as promised`,
    );
  }
  return { ok: isOk(problems), problems, information, details, checked, promised };
}

/** Opens what opens; a manifest that cannot be read leaves only the packs to be looked at. */
async function openDamaged(
  layout: Layout,
  findings: Findings,
  options: CheckOptions,
): Promise<CheckedRepository | null> {
  try {
    return await options.open(layout);
  } catch (error) {
    if (!isDamage(error) && !isMissing(error)) throw error;
    const kind = isMissing(error) ? 'missing' : 'damaged';
    const message = isMissing(error) ? "'manifest' is missing" : (error as DlvError).message;
    findings.add(
      problemOf({ kind, area: 'manifest', file: 'manifest', message, remedy: REMEDY.rebuild }),
    );
    findings.information.push('without the manifest no object can be read, so none was checked');
    return null;
  }
}

async function addLeftovers(layout: Layout, findings: Findings): Promise<void> {
  const trash = await trashBytes(layout);
  if (trash > 0) findings.details.push(`${formatBytes(trash)} in trash wait for 'dlv gc'`);
  const left = (await unfinished(layout)).filter((place) => place.state !== 'alive').length;
  if (left > 0) {
    findings.details.push(
      `${left} unfinished files, of processes that ended or cannot be seen from here, wait for 'dlv gc'`,
    );
  }
}
