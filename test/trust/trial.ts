/**
 * A command on the specimen, and what may be there before, during and after it: the expectations that
 * crash replay and injected faults share.
 */
import fs from 'node:fs/promises';
import path from 'node:path';
import type { ExecutionContext } from 'ava';
import type { Id } from '../../lib/base/bytes/hash.js';
import type { ErrorCode } from '../../lib/base/errors.js';
import { io } from '../../lib/base/files/files.js';
import { Layout } from '../../lib/storage/repo/layout.js';
import { hasMoves } from '../../lib/storage/repo/moves/carry-out.js';
import { isUnfinishedName } from '../../lib/storage/repo/processes/abandoned.js';
import { Repository } from '../../lib/use/repository.js';
import { tempDir } from '../helpers/temp-dir.js';
import { readTree, type Tree } from '../helpers/tree.js';
import { errorOf, runInside } from './cli.js';
import {
  type Acknowledged,
  compareVersions,
  type FileHashes,
  fsckProblems,
  rebuildVersion,
} from './record.js';
import { byContent, describe, differences, makeSpecimen, type State } from './specimen.js';
import type { Verb } from './verbs.js';

// Thousands of states are looked at, and no power is cut while they are: nothing is really synced.
io.fsync = async () => {};

/** A command, where it starts, and where it leads. */
export interface Trial {
  verb: Verb;
  /** Its arguments, with --json. */
  argv: readonly string[];
  /** The work tree and the repository before it. */
  tree: Tree;
  acknowledged: Acknowledged;
  /** Files of the version whose exact bytes the command gives up, or brings back, as they are without those. */
  given: Acknowledged;
  /** null if it starts without a repository, or with a damaged one. */
  before: State | null;
  after: State;
  /** `before` and `after` with each version told by its files: two runs make different versions. */
  beforeByContent: State | null;
  afterByContent: State;
}

/** Prepares a command and runs it once with `run`, which is given its arguments and its folder. */
export async function makeTrial(
  t: ExecutionContext,
  verb: Verb,
  run: (argv: readonly string[], dir: string) => Promise<{ code: number | null; stdout: string }>,
): Promise<Trial & { dir: string }> {
  const dir = path.join(await tempDir(t), 'work');
  await fs.mkdir(dir);
  const acknowledged: Acknowledged = verb.isFirst
    ? new Map()
    : (await makeSpecimen(dir)).acknowledged;
  await verb.prepare?.(dir);
  const given: Acknowledged = new Map();
  if (verb.gives !== undefined) await addGiven(dir, [...acknowledged][verb.gives], given);
  const before = verb.isFirst || verb.mends ? null : await describe(dir);
  const beforeByContent = before === null ? null : await byContent(dir, before);
  const tree = readTree(dir);
  const argv = [...verb.argv, '--json'];
  const { code, stdout } = await run(argv, dir);
  if (code !== 0) throw new Error(`${verb.name} ended with ${code}: ${stdout}`);
  const after = (await describe(dir)) as State;
  const afterByContent = await byContent(dir, after);
  if (verb.gives !== undefined) await addGiven(dir, [...acknowledged][verb.gives], given);
  const states = { before, after, beforeByContent, afterByContent };
  return { verb, argv, dir, tree, acknowledged, given, ...states };
}

/**
 * What a command may leave of `before` that failed and staged for a branch apart: what nothing is staged for is
 * staged as the branch is, before the first change to it.
 */
function begunApart(
  before: State | null,
  { after, acknowledged }: Pick<Trial, 'after' | 'acknowledged'>,
): State | null {
  if (before === null) return null;
  const begun = new Map(before);
  for (const thing of after.keys()) {
    const [, line, file] = /^staged apart (\S+) (.*)$/.exec(thing) ?? [];
    if (line === undefined || file === undefined || begun.has(thing)) continue;
    const tip = acknowledged.get(after.get(`ref refs/heads/${line}`) as Id);
    if (tip?.[file] !== undefined) begun.set(thing, tip[file]);
  }
  return begun;
}

/** Adds what is left of a version of which something was given up, if something was. */
async function addGiven(
  dir: string,
  whole: [Id, FileHashes] | undefined,
  given: Acknowledged,
): Promise<void> {
  const [id, files] = whole as [Id, FileHashes];
  const repo = await Repository.open(dir);
  const left = await rebuildVersion(repo, id);
  await repo.close();
  const isWhole = Object.entries(files).every(([name, hash]) => left[name] === hash);
  if (!isWhole) given.set(id, left);
}

/** Acknowledged versions that are not there, in sentences. */
async function lostVersions(dir: string, trial: Trial): Promise<string[]> {
  const exact = new Map([...trial.acknowledged].filter(([id]) => !trial.given.has(id)));
  const lost = await compareVersions(dir, exact);
  for (const [id, files] of trial.given) {
    if ((await compareVersions(dir, new Map([[id, files]]))).length === 0) continue;
    const whole = trial.acknowledged.get(id) as Record<string, string>;
    lost.push(...(await compareVersions(dir, new Map([[id, whole]]))));
  }
  return lost;
}

/** How closely a repository is looked at. */
export interface Look {
  /** States that it may be in; each thing may be as in any of them. */
  allowed: readonly (State | null)[];
  /** The states tell versions by their files. */
  byContent: boolean;
  /** Runs fsck as well. */
  fsck: boolean;
  /** What fsck may say. */
  harmless?: RegExp;
  /** The command was cut off: the work tree may hold files that it did not finish, until the next command. */
  wasCutOff?: boolean;
}

/** What was found. */
interface Found {
  /** Null if there is no repository. */
  state: State | null;
  /** The list of moves is there: the command has taken effect, whoever comes next ends it. */
  isMoving: boolean;
  /** In sentences. */
  wrong: string[];
}

/** Looks at a repository. */
export async function lookAt(
  dir: string,
  trial: Trial,
  { allowed, byContent: told, fsck, harmless, wasCutOff }: Look,
): Promise<Found> {
  // Asked first: what looks at versions opens the repository, and so ends the moves.
  const isMoving = await hasMoves(new Layout(dir));
  const found = await describe(dir);
  if (found === null) {
    const wrong = allowed.includes(null) ? [] : ['there is no repository'];
    return { state: null, isMoving, wrong };
  }
  const state = told ? await byContent(dir, found) : found;
  if (wasCutOff) {
    for (const thing of state.keys()) {
      if (thing.startsWith('work ') && isUnfinishedName(path.basename(thing.slice(5))))
        state.delete(thing);
    }
  }
  const wrong = differences(state, ...allowed.map((one) => one ?? new Map()));
  wrong.push(...(await lostVersions(dir, trial)));
  if (fsck) {
    const problems = (await fsckProblems(dir)).filter((text) => !harmless?.test(text));
    wrong.push(...problems.map((text) => `fsck says ${text}`));
  }
  return { state, isMoving, wrong };
}

/** True if the command has taken effect. @param after  where it leads, told as the state that was found. */
export function isDone({ state, isMoving }: Found, after: State): boolean {
  return isMoving || (state !== null && differences(state, after).length === 0);
}

/**
 * Runs the command again, in this process. It has to work, or to say that it has taken effect already
 * where it has, and to lead where it leads. @returns what is wrong, in sentences.
 */
export async function runAgain(
  dir: string,
  trial: Trial,
  isThere: boolean,
  harmless?: RegExp,
): Promise<string[]> {
  const answer = await runInside(trial.argv, dir);
  const wrong: string[] = [];
  if (answer.code !== 0) {
    const { code, message } = errorOf(answer);
    if (!isThere || !trial.verb.landed?.includes(code as ErrorCode)) {
      wrong.push(`it says ${code}: ${message}`);
    }
  }
  const look = { allowed: [trial.afterByContent], byContent: true, fsck: true };
  const after = await lookAt(dir, trial, harmless ? { ...look, harmless } : look);
  return [...wrong, ...after.wrong].map((text) => `run again, ${text}`);
}

/**
 * Looks at a repository after a command met a fault, and runs a command that failed again. What was
 * answered has to be so; what failed may be done in part, each thing whole.
 * @returns what is wrong, in sentences.
 */
export async function lookAfter(dir: string, trial: Trial, failed: boolean): Promise<string[]> {
  const { verb, beforeByContent, afterByContent } = trial;
  const wrong: string[] = [];
  let isThere = false;
  if (!verb.mends || !failed) {
    const begun = begunApart(beforeByContent, trial);
    const allowed = failed ? [beforeByContent, begun, afterByContent] : [afterByContent];
    const left = await lookAt(dir, trial, { allowed, byContent: true, fsck: true });
    wrong.push(...left.wrong);
    isThere = isDone(left, afterByContent);
  }
  if (failed) wrong.push(...(await runAgain(dir, trial, isThere)));
  return wrong;
}
