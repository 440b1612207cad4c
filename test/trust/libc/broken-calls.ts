/**
 * Commands whose calls of the C library fail: the n-th open, read, write, fsync and so on, for every
 * n until the command makes fewer. After each the answer is one of the documented ones, the repository
 * is sound, what the command said is so, and the command run again works.
 */
import fs from 'node:fs/promises';
import path from 'node:path';
import type { ExecutionContext } from 'ava';
import { seededRandom } from '../../helpers/rng.js';
import { tempDir } from '../../helpers/temp-dir.js';
import { writeTree } from '../../helpers/tree.js';
import { type Answer, answerProblems, errorOf, isDocumented, runInside } from '../cli.js';
import { Served } from '../served.js';
import { lookAfter, makeTrial, type Trial } from '../trial.js';
import type { Verb } from '../verbs.js';
import { preloaded, runDlv } from './calls.js';
import { FAULTS, type Fault, FaultPlan, KINDS, type Kind } from './fault-plan.js';

/** A call that fails. */
interface Place {
  kind: Kind;
  /** Its number among the calls of its kind, from 1. */
  n: number;
}

/** The process that commands run in; another takes its place when it has ended. */
class Serving {
  readonly under: string;
  readonly plan: FaultPlan;
  /** Environment of a process whose calls the plan breaks. */
  readonly env: Record<string, string>;
  #served: Served | null = null;

  /** @param under  folder on whose files calls fail. */
  constructor(library: string, under: string) {
    this.under = under;
    this.plan = new FaultPlan(`${under}.plan`);
    this.env = {
      ...preloaded(library, under),
      DLV_CALLS_PLAN: this.plan.file,
      DLV_CALLS_NOSYNC: '1',
    };
  }

  run(argv: readonly string[], dir: string): Promise<Answer> {
    this.#served ??= Served.start(this.env);
    return this.#served.run(argv, dir);
  }

  /** Ends the process. */
  async renew(): Promise<void> {
    await this.#served?.stop();
    this.#served = null;
  }

  async stop(): Promise<void> {
    await this.renew();
    this.plan.close();
  }
}

/** What a fault led to. */
interface Outcome {
  /** What is wrong, in sentences. */
  wrong: string[];
  /** The file of the call that failed, or null if there were fewer calls. */
  hit: string | null;
  /** The command failed; else it got over the fault. */
  failed: boolean;
}

/** Tries one fault. */
async function tryFault(
  serving: Serving,
  dir: string,
  trial: Trial,
  { kind, n, fault }: Place & { fault: Fault },
): Promise<Outcome> {
  writeTree(dir, trial.tree, null);
  serving.plan.arm(kind, n, fault);
  let answer: Answer;
  try {
    answer = await serving.run(trial.argv, dir);
  } catch (error) {
    const { hit } = serving.plan.disarm();
    await serving.renew();
    return { wrong: [(error as Error).message], hit, failed: true };
  }
  const { hit } = serving.plan.disarm();
  // A fault that stays also keeps the process from clearing up: its end does.
  if (fault.endsWith('from then on')) await serving.renew();
  const failed = answer.code !== 0;
  const wrong = answerProblems(answer);
  if (failed && hit === null) wrong.push(`fails without a fault: ${errorOf(answer).message}`);
  if (failed && fault === 'short') {
    wrong.push(`does not go on after a short transfer: ${errorOf(answer).message}`);
  }
  try {
    wrong.push(...(await lookAfter(dir, trial, failed)));
  } catch (error) {
    wrong.push(`throws ${(error as Error).stack}`);
  }
  return { wrong, hit, failed };
}

/** What was tried. */
export interface Tried {
  faults: number;
  /** Faults after which the command failed; the others it got over. */
  failed: number;
  /** Calls that the command makes. */
  calls: number;
  failures: string[];
}

/** The command whose calls are broken, and what decides the order of faults. */
interface Breaking {
  verb: Verb;
  seed: number;
}

/** What both ways of breaking calls start from: the command that is tried, and where. */
async function prepare(t: ExecutionContext, library: string, { verb, seed }: Breaking) {
  const trial = await makeTrial(t, verb, runInside);
  const random = seededRandom(seed);
  const under = path.join(await fs.realpath(await tempDir(t)), 'tried');
  await fs.mkdir(under);
  const serving = new Serving(library, under);
  const tried: Tried = { faults: 0, failed: 0, calls: 0, failures: [] };
  return { trial, random, under, serving, tried };
}

/**
 * Makes calls of a command fail, each in one of the ways that its kind can, until all have failed or
 * the time is over. The seed decides the order and the ways.
 * @param searchMs  time for that, after preparations.
 */
export async function breakCalls(
  t: ExecutionContext,
  library: string,
  { verb, seed, searchMs }: Breaking & { searchMs: number },
): Promise<Tried> {
  const { trial, random, under, serving, tried } = await prepare(t, library, { verb, seed });
  try {
    const places = await countCalls(serving, trial);
    tried.calls = places.length;
    const untilMs = performance.now() + searchMs;
    for (const place of shuffle(places, random)) {
      // However slow the machine is, one call is tried.
      if (tried.faults > 0 && performance.now() > untilMs) break;
      const ways = FAULTS[place.kind];
      const fault = ways[Math.floor(random() * ways.length)] as Fault;
      const dir = path.join(under, String(tried.faults++));
      const { wrong, hit, failed } = await tryFault(serving, dir, trial, { ...place, fault });
      await fs.rm(dir, { recursive: true });
      if (failed) tried.failed++;
      if (wrong.length === 0) continue;
      const file = hit?.slice(dir.length + 1);
      const where = `${verb.name}, ${fault} at ${place.kind} ${place.n} ('${file}')`;
      tried.failures.push(`${where}\n  ${wrong.join('\n  ')}`);
    }
  } finally {
    await serving.stop();
  }
  return tried;
}

/** What a person would not understand of what a command printed on stderr, in sentences. */
function textProblems(code: number | null, stderr: string): string[] {
  const wrong: string[] = [];
  if (code !== 0 && (code === null || !isDocumented(code))) wrong.push(`ended with ${code}`);
  const odd = stderr.split('\n').filter((line) => !/^(dlv: |hint: |warning: |$)/.test(line));
  if (code !== 0 && odd.length > 0) wrong.push(`says '${odd.join("', '")}'`);
  const said = stderr.split('\n').filter((line) => line.startsWith('dlv: '));
  if (code !== 0 && said.length !== 1)
    wrong.push(`says what failed ${said.length} times: ${stderr}`);
  return wrong;
}

/** As breakCalls, for `count` calls, each in a process of its own that answers as people see it. */
export async function breakProcesses(
  t: ExecutionContext,
  library: string,
  { verb, seed, count }: Breaking & { count: number },
): Promise<Tried> {
  const { trial, random, under, serving, tried } = await prepare(t, library, { verb, seed });
  try {
    const places = shuffle(await countCalls(serving, trial), random);
    tried.calls = places.length;
    for (const { kind, n } of places.slice(0, count)) {
      const dir = path.join(under, String(tried.faults++));
      writeTree(dir, trial.tree, null);
      serving.plan.arm(kind, n, 'EIO');
      const { code, stderr } = await runDlv(verb.argv, dir, serving.env);
      const { hit } = serving.plan.disarm();
      if (code !== 0) tried.failed++;
      const where = `${verb.name}, EIO at ${kind} ${n} ('${hit?.slice(dir.length + 1)}')`;
      tried.failures.push(...textProblems(code, stderr).map((text) => `${where} ${text}`));
    }
  } finally {
    await serving.stop();
  }
  return tried;
}

/** Every call of a command. */
async function countCalls(serving: Serving, { argv, tree }: Trial): Promise<Place[]> {
  const dir = path.join(serving.under, 'count');
  writeTree(dir, tree, null);
  serving.plan.arm('open', 2 ** 31, 'EIO');
  await serving.run(argv, dir);
  const { calls } = serving.plan.disarm();
  await fs.rm(dir, { recursive: true });
  const places: Place[] = [];
  for (const kind of KINDS) for (let n = 1; n <= calls[kind]; n++) places.push({ kind, n });
  return places;
}

function shuffle<T>(items: readonly T[], random: () => number): T[] {
  const keyed = items.map((item): [number, T] => [random(), item]);
  return keyed.sort(([a], [b]) => a - b).map(([, item]) => item);
}
