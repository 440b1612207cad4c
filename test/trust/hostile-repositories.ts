/**
 * Repositories that a stranger prepared, and what every command does with them: it answers within
 * bounds of time and memory, with an error of the table or an answer, and touches nothing outside of
 * the repository.
 *
 * A row changes a small sound repository by hand (hostile/forge.ts). Each command runs on a repository
 * of its own. To add a row, put it into a list below that fits, or into one of its own.
 */
import fs from 'node:fs/promises';
import path from 'node:path';
import type { ExecutionContext } from 'ava';
import { seededRandom } from '../helpers/rng.js';
import { tempDir } from '../helpers/temp-dir.js';
import { readTree, type Tree, writeTree } from '../helpers/tree.js';
import { answerProblems, must } from './cli.js';
import { Forge } from './hostile/forge.js';
import { PACK_ROWS } from './hostile/packs.js';
import { PLACES } from './hostile/places.js';
import { STATE } from './hostile/state.js';
import { VERSIONS } from './hostile/versions.js';
import { checkpoint } from './model-files.js';
import { Served } from './served.js';
import { VERBS } from './verbs.js';

/** A hostile repository. */
export interface Hostile {
  /** What is wrong with it. */
  name: string;
  /** Spoils a sound repository: model m, two versions of model.safetensors and notes.txt. */
  make: (forge: Forge) => Promise<unknown>;
  /** It needs mkfifo. */
  needsPipes?: true;
}

/** All rows. */
export const HOSTILE: readonly Hostile[] = [...STATE, ...VERSIONS, ...PACK_ROWS, ...PLACES];

/** Commands that only look. */
const LOOKS: readonly (readonly string[])[] = [
  ['status'],
  ['log'],
  ['log', '--all', '--graph', '-p'],
  ['log', 'm@1..HEAD', '--name-status', 'notes.txt'],
  ['list'],
  ['show', 'HEAD'],
  ['diff', 'm@1', 'HEAD'],
  ['diff', 'm@1:notes.txt', 'HEAD:notes.txt'],
  ['diff', '--cached'],
  ['cat', 'HEAD:notes.txt'],
  ['du'],
  ['branch', '--all'],
  ['branch', '--all', '--contains', 'm@1'],
  ['tag', '--list'],
  ['reflog'],
  ['reflog', 'm/main'],
  ['model'],
  ['stash', 'list'],
  ['stash', 'show'],
  ['keep', '--last', '1', '--dry-run'],
  ['forget', '--dry-run', 'm@1'],
  ['revert', '--dry-run', 'HEAD'],
  ['merge', '--dry-run', '-X', 'theirs', 'HEAD~1'],
  ['config', '--list'],
  ['fsck'],
  ['fsck', '--files'],
  ['gc', '--dry-run'],
  ['checkout', 'HEAD', '--out', '../out'],
];

/** Command lines that run in a repository that is there. */
export const COMMANDS: readonly (readonly string[])[] = [
  ...LOOKS,
  ...VERBS.filter(({ isFirst }) => !isFirst).map(({ argv }) => argv),
];

/** Longest time of a command, on a machine that does other things too. */
const TIMEOUT_MS = 120_000;
/** Bound on the heap of JavaScript, and on all memory of the process. */
const HEAP_MB = 256;
const MEMORY_MAX_BYTES = 768 << 20;

/** Makes the sound repository. */
async function makeSound(dir: string): Promise<void> {
  await must(['init', '--model', 'm'], dir);
  for (const step of [0, 1]) {
    await fs.writeFile(path.join(dir, 'model.safetensors'), checkpoint(5, step));
    await fs.writeFile(path.join(dir, 'notes.txt'), `step ${step}\n`);
    await must(['add', '.'], dir);
    await must(['commit', '-m', `step ${step}`], dir);
  }
  await must(['branch', 'topic', 'm@1'], dir);
  await fs.writeFile(path.join(dir, 'notes.txt'), 'step 2\n');
}

/** What a command may not touch. */
const CANARY: Tree = new Map([
  ['canary', null],
  ['canary/file', Buffer.from('of the user\n')],
]);

/** Everything around the work tree but what commands are asked to write. */
async function surroundings(root: string): Promise<string> {
  const tree = new Map<string, string>();
  for (const entry of await fs.readdir(root, { recursive: true })) {
    if (/^(work|out)(\/|$)/.test(entry)) continue;
    const file = path.join(root, entry);
    const isFile = (await fs.lstat(file)).isFile();
    tree.set(entry, isFile ? await fs.readFile(file, 'utf8') : 'no file');
  }
  return JSON.stringify([...tree].sort());
}

/** The most memory that a process has had. */
async function peakBytes(pid: number): Promise<number> {
  const status = await fs.readFile(`/proc/${pid}/status`, 'utf8').catch(() => '');
  return 1024 * Number(/VmHWM:\s+(\d+) kB/.exec(status)?.[1] ?? 0);
}

/** Runs commands in hostile repositories. */
export class HostileTests {
  readonly #sound: Tree;
  readonly #root: string;
  #served: Served | null = null;
  #runs = 0;

  private constructor(sound: Tree, root: string) {
    this.#sound = sound;
    this.#root = root;
  }

  static async make(t: ExecutionContext): Promise<HostileTests> {
    const dir = path.join(await tempDir(t), 'work');
    await fs.mkdir(dir);
    await makeSound(dir);
    const tests = new HostileTests(readTree(dir), await fs.realpath(await tempDir(t)));
    t.teardown(() => tests.#served?.stop());
    return tests;
  }

  /** Runs one command in one repository. @returns what is wrong, in sentences. */
  async run(row: Hostile, argv: readonly string[]): Promise<string[]> {
    const root = path.join(this.#root, String(this.#runs++));
    writeTree(root, CANARY, null);
    const dir = path.join(root, 'work');
    writeTree(dir, this.#sound, null);
    try {
      await row.make(new Forge(dir));
    } catch (error) {
      throw new Error(`'${row.name}' cannot be made`, { cause: error });
    }
    const before = await surroundings(root);
    const wrong: string[] = [];
    this.#served ??= Served.start({}, HEAP_MB);
    try {
      const json = argv[0] === 'cat' ? argv : [...argv, '--json'];
      const answer = await this.#served.run(json, dir, TIMEOUT_MS);
      wrong.push(...answerProblems(answer, argv[0] !== 'cat'));
    } catch (error) {
      wrong.push((error as Error).message);
    }
    const peak = await peakBytes(this.#served.pid);
    if (peak > MEMORY_MAX_BYTES) wrong.push(`took ${peak >> 20} MiB of memory`);
    if (!this.#served.isAlive || peak > MEMORY_MAX_BYTES) {
      await this.#served.stop();
      this.#served = null;
    }
    if ((await surroundings(root)) !== before)
      wrong.push('changed files outside of the repository');
    await fs.rm(root, { recursive: true });
    return wrong.map((text) => `${row.name}, dlv ${argv.join(' ')}: ${text}`);
  }

  /**
   * Runs commands, in an order that the seed decides.
   * @param untilMs  when to stop, as performance.now() tells time; each row meets one in any case.
   */
  async runAll(
    rows: readonly Hostile[],
    seed: number,
    untilMs: number,
  ): Promise<{ runs: number; of: number; failures: string[] }> {
    const random = seededRandom(seed);
    const orders = rows.map((row) => {
      const keyed = COMMANDS.map((argv): [number, readonly string[]] => [random(), argv]);
      return { row, argvs: keyed.sort(([a], [b]) => a - b).map(([, argv]) => argv) };
    });
    const failures: string[] = [];
    let runs = 0;
    for (let round = 0; round < COMMANDS.length; round++) {
      for (const { row, argvs } of orders) {
        if (round > 0 && performance.now() > untilMs) break;
        runs++;
        failures.push(...(await this.run(row, argvs[round] as readonly string[])));
      }
    }
    return { runs, of: rows.length * COMMANDS.length, failures };
  }
}
