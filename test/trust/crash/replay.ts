/**
 * Crashes of real commands, replayed: the calls of a `dlv` process are recorded, and after every one
 * of them the states are made that a killed process or a power cut may leave. In each of them nothing
 * that was acknowledged is lost, and the command can be run again.
 */
import fs from 'node:fs/promises';
import { uptime } from 'node:os';
import path from 'node:path';
import type { ExecutionContext } from 'ava';
import { seededRandom } from '../../helpers/rng.js';
import { tempDir } from '../../helpers/temp-dir.js';
import { hashTree, readTree, type Tree, writeTree } from '../../helpers/tree.js';
import { type Call, recordDlv } from '../libc/calls.js';
import { isDone, lookAt, makeTrial, runAgain, type Trial } from '../trial.js';
import type { Verb } from '../verbs.js';
import { CONTENTS, type Content, Disk, type Names } from './disk.js';

/**
 * How a command was cut off. `kill`: every call took effect. The others are power cuts. `strict`: only
 * what was synced is there. `content`: all names are there, of bytes that were not synced some.
 * `names`: one change of a name that was not synced is there alone, or missing alone.
 */
export const MODELS = ['kill', 'strict', 'content', 'names'] as const;
export type Model = (typeof MODELS)[number];

/** A state that a crash may leave. */
export interface CrashState {
  model: Model;
  /** Calls that were made. */
  cut: number;
  /** What happened to what was not synced. */
  what: string;
  /** The command had answered. */
  acknowledged: boolean;
  tree: Tree;
}

/** A recorded command and its crashes. */
export interface Rehearsal extends Trial {
  calls: Call[];
  /** Those that differ. */
  states: CrashState[];
  /** With those that equal others. */
  crashes: number;
}

/** Runs and records a command. */
export async function rehearse(
  t: ExecutionContext,
  library: string,
  verb: Verb,
): Promise<Rehearsal> {
  let calls: Call[] = [];
  let left = '';
  const trial = await makeTrial(t, verb, async (argv, dir) => {
    const recording = await recordDlv(library, argv, dir);
    calls = recording.calls;
    // Before anybody looks at it: a look at what a remote promised brings it here.
    left = hashTree(readTree(dir));
    return recording;
  });
  const disk = new Disk(trial.tree);
  for (const call of calls) disk.apply(call);
  t.is(hashTree(disk.tree('all', 'live')), left, `${verb.name}: the recording misses calls`);
  return { ...trial, calls, ...crashStates(trial.tree, calls) };
}

/** Every different state after every call. */
export function crashStates(
  tree: Tree,
  calls: readonly Call[],
): { states: CrashState[]; crashes: number } {
  const disk = new Disk(tree);
  const found = new Map<string, CrashState>();
  let acknowledged = false;
  let crashes = 0;
  const add = (cut: number, model: Model, names: Names, content: Content): void => {
    crashes++;
    const left = disk.tree(names, content);
    // A killed process leaves a system that goes on; after a power cut it starts again.
    const key = `${hashTree(left)} ${acknowledged} ${model === 'kill'}`;
    if (found.has(key)) return;
    const what = `names: ${nameOf(names, disk)}, bytes: ${content}`;
    found.set(key, { model, cut, what, acknowledged, tree: left });
  };
  for (let cut = 0; cut <= calls.length; cut++) {
    const call = calls[cut - 1];
    if (call !== undefined) disk.apply(call);
    acknowledged ||= call?.op === 'stdout';
    add(cut, 'kill', 'all', 'live');
    add(cut, 'strict', 'strict', 'synced');
    for (const content of CONTENTS) add(cut, 'content', 'all', content);
    for (const content of ['live', 'synced'] as const) {
      add(cut, 'names', 'none', content);
      for (const at of disk.pending.keys()) {
        add(cut, 'names', { only: at }, content);
        add(cut, 'names', { without: at }, content);
      }
    }
  }
  return { states: [...found.values()], crashes };
}

/** A call in a few words. */
function wordsOf(call: Call | undefined): string {
  if (call === undefined) return 'nothing';
  const { op, path: file, to } = call as Call & { path?: string; to?: string };
  return `${op} ${to ?? file ?? ''}`.trim();
}

function nameOf(names: Names, disk: Disk): string {
  if (typeof names === 'string') return names;
  const [word, at] = 'only' in names ? ['only', names.only] : ['all but', names.without];
  return `${word} ${wordsOf(disk.pending[at]?.call)}`;
}

/** The time of files that were written before this system started. */
const BEFORE_BOOT = new Date(Date.now() - uptime() * 1000 - 60_000);

/** Reflog lines are not synced: a power cut may tear them, which fsck says and which costs nothing. */
const TORN_REFLOG = /^damaged reflog: /;

/**
 * What is wrong in a state, in sentences. Runs the command in it.
 * @param fsck  runs fsck before the command, too; after it, it always runs.
 */
async function examine(
  dir: string,
  trial: Trial,
  state: CrashState,
  fsck: boolean,
): Promise<string[]> {
  const { verb, before, after } = trial;
  const isKill = state.model === 'kill';
  const harmless = isKill ? {} : { harmless: TORN_REFLOG };
  const wrong: string[] = [];
  writeTree(dir, state.tree, isKill ? null : BEFORE_BOOT);
  try {
    let isThere = false;
    if (!verb.mends || state.acknowledged) {
      const allowed = state.acknowledged ? [after] : [before, after];
      const wasCutOff = !state.acknowledged;
      const look = { allowed, byContent: false, fsck, wasCutOff, ...harmless };
      const left = await lookAt(dir, trial, look);
      wrong.push(...left.wrong);
      isThere = isDone(left, after);
    }
    wrong.push(...(await runAgain(dir, trial, isThere, harmless.harmless)));
  } catch (error) {
    wrong.push(`throws ${(error as Error).stack}`);
  }
  await fs.rm(dir, { recursive: true });
  return wrong;
}

/** How many states of each model were looked at, and what was wrong in them. */
export interface Replayed {
  counts: Record<Model, number>;
  failures: string[];
}

/**
 * Looks at the states of a command: those of kill and strict first, then others that the seed picks.
 * @param untilMs  when to stop, as performance.now() tells time; the strict ones are never left out.
 */
export async function replay(
  t: ExecutionContext,
  rehearsal: Rehearsal,
  seed: number,
  untilMs: number,
): Promise<Replayed> {
  const random = seededRandom(seed);
  const rank: Record<Model, number> = { strict: 0, kill: 1, content: 2, names: 2 };
  const order = rehearsal.states
    .map((state): [number, CrashState] => [rank[state.model] + random(), state])
    .sort(([a], [b]) => a - b);
  const counts = { kill: 0, strict: 0, content: 0, names: 0 };
  const failures: string[] = [];
  const root = await tempDir(t);
  for (const [i, [, state]] of order.entries()) {
    const { model, cut, what, acknowledged } = state;
    if (model !== 'strict' && performance.now() > untilMs) break;
    const fsck = model === 'strict' || i % 4 === 0;
    const wrong = await examine(path.join(root, String(i)), rehearsal, state, fsck);
    counts[model]++;
    if (wrong.length === 0) continue;
    const after = `after call ${cut} (${wordsOf(rehearsal.calls[cut - 1])})`;
    const answered = acknowledged ? 'it had answered, ' : '';
    const where = `${rehearsal.verb.name}, ${model} ${after}, ${answered}${what}`;
    failures.push(`${where}\n  ${wrong.join('\n  ')}`);
  }
  return { counts, failures };
}
