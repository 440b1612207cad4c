/**
 * A random mixture of the verbs that change history and take it back, beside a model of what there has to
 * be: which versions each branch leads to, their files, what is put aside, and the work tree. A verb that
 * refuses must change nothing.
 */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readStaging } from '../../../lib/storage/repo/staging/staging-file.js';
import type { LogEntry } from '../../../lib/use/ops/log.js';
import type { TestRepository } from '../../helpers/repository.js';
import { seededRandom } from '../../helpers/rng.js';

type Files = ReadonlyMap<string, string>;

interface Version {
  readonly message: string;
  readonly parent: Version | null;
  readonly files: Files;
}

interface Stash {
  readonly base: Version;
  readonly files: Files;
}

const NAMES = ['a.txt', 'b.txt', 'sub/c.txt', 'sub/d.bin', 'e.txt'];

function same(a: Files, b: Files): boolean {
  return a.size === b.size && [...a].every(([path, text]) => b.get(path) === text);
}

function hashes(files: Files): Files {
  const hash = (text: string) => createHash('sha256').update(text).digest('hex');
  return new Map([...files].map(([path, text]) => [path, hash(text)]));
}

/**
 * What the changes from `before` to `after` do to tracked files: the paths whose files become those of
 * `after`, or null if a file is neither as before nor as after. What is as after already is left alone,
 * whatever the work tree holds there. All files are given as hashes.
 */
function touched(before: Files, after: Files, tracked: Files): string[] | null {
  const paths: string[] = [];
  for (const path of new Set([...before.keys(), ...after.keys()])) {
    const [from, to, is] = [before.get(path), after.get(path), tracked.get(path)];
    if (from === to || is === to) continue;
    if (is !== from) return null;
    paths.push(path);
  }
  return paths;
}

/** True if taking over these paths of `after` would replace nothing that was changed in the work tree. */
function isFree(paths: readonly string[], work: Files, tracked: Files, after: Files): boolean {
  return paths.every((path) => {
    const text = work.get(path);
    return text === undefined || text === tracked.get(path) || text === after.get(path);
  });
}

/** Files after these paths became those of `after`. */
function taken(files: Files, paths: readonly string[], after: Files): Map<string, string> {
  const made = new Map(files);
  for (const path of paths) {
    const text = after.get(path);
    if (text === undefined) made.delete(path);
    else made.set(path, text);
  }
  return made;
}

export class UndoWorld {
  readonly done: string[] = [];
  readonly #repo: TestRepository;
  readonly #random: () => number;
  #branches = new Map<string, Version | null>([['main', null]]);
  #head = 'main';
  #work: Files = new Map();
  #stashes: Stash[] = [];
  #count = 0;

  constructor(repo: TestRepository, seed: number) {
    this.#repo = repo;
    this.#random = seededRandom(seed);
  }

  get #tip(): Version | null {
    return this.#branches.get(this.#head) ?? null;
  }

  get #isClean(): boolean {
    return same(this.#work, this.#tip?.files ?? new Map());
  }

  #pick<T>(items: readonly T[]): T {
    return items[Math.floor(this.#random() * items.length)] as T;
  }

  /** Runs a command. @returns true if it succeeded; else it has said why. */
  async #run(...args: string[]): Promise<boolean> {
    const { code, stderr, stdout } = await this.#repo.dlv(...args);
    this.done.push(`dlv ${args.join(' ')}${code === 0 ? '' : `   # ${code}: ${stderr.trim()}`}`);
    assert.ok(code === 0 || code === 1, `${code}: ${stdout}${stderr}`);
    return code === 0;
  }

  /** One step, chosen at random, and the checks that are cheap. */
  async step(): Promise<void> {
    const steps = [
      ...Array<() => Promise<void>>(4).fill(() => this.#edit()),
      ...Array<() => Promise<void>>(3).fill(() => this.#commit()),
      () => this.#remove(),
      () => this.#stash(),
      () => this.#stash(),
      () => this.#pop(),
      () => this.#pop(),
      () => this.#revert(),
      () => this.#reset(),
      () => this.#move(),
      () => this.#forgetPath(),
      () => this.#forgetVersion(),
      () => this.#branch(),
      () => this.#switch(),
      () => this.#rename(),
      () => this.#collect(),
    ];
    await this.#pick(steps)();
    await this.#checkWork();
  }

  async #edit(): Promise<void> {
    const path = this.#pick(NAMES);
    const text = `${this.#count++} `.repeat(this.#pick([1, 50, 5000]));
    this.done.push(`# write ${path}`);
    await this.#repo.write(path, text);
    this.#work = new Map([...this.#work, [path, text]]);
  }

  async #remove(): Promise<void> {
    const path = this.#pick([...this.#work.keys()]);
    if (path === undefined) return;
    this.done.push(`# rm ${path}`);
    await this.#repo.remove(path);
    this.#work = new Map([...this.#work].filter(([other]) => other !== path));
  }

  async #commit(): Promise<void> {
    if (this.#work.size > 0 || this.#tip !== null) await this.#run('add', '.');
    const message = `m${this.#count++}`;
    const made = await this.#run('commit', '-m', message, '--allow-removals');
    assert.equal(made, !this.#isClean, 'a commit is made if and only if something changed');
    if (made) this.#advance(message, this.#work);
  }

  #advance(message: string, files: Files): void {
    this.#branches.set(this.#head, { message, parent: this.#tip, files });
  }

  async #stash(): Promise<void> {
    const tip = this.#tip;
    if (tip === null) return;
    const pushed = await this.#run('stash', '-u');
    assert.equal(pushed, !this.#isClean, 'a stash is made if and only if something changed');
    if (!pushed) return;
    this.#stashes.push({ base: tip, files: this.#work });
    this.#work = tip.files;
  }

  async #pop(): Promise<void> {
    const stash = this.#stashes.at(-1);
    const tracked = await this.#staged();
    const popped = await this.#run('stash', 'pop');
    if (stash === undefined) {
      assert.ok(!popped, 'nothing was put aside, and something came back');
      return;
    }
    const after = hashes(stash.files);
    const paths = touched(hashes(stash.base.files), after, tracked);
    if (!popped) {
      const isRefused = paths === null || !isFree(paths, hashes(this.#work), tracked, after);
      assert.ok(isRefused, 'a stash that is in no conflict comes back');
      return;
    }
    assert.ok(paths, 'a stash that is in conflict stays');
    this.#stashes.pop();
    this.#work = taken(this.#work, paths, stash.files);
  }

  async #revert(): Promise<void> {
    const [tip, version] = [this.#tip, this.#pick(this.#line())];
    if (tip === null || version === undefined || version.parent === null) return;
    const after = version.parent.files;
    const tracked = hashes(tip.files);
    const paths = touched(hashes(version.files), hashes(after), tracked);
    const isStaged = !same(await this.#staged(), tracked);
    const message = `r${this.#count++}`;
    const name = `HEAD~${this.#line().indexOf(version)}`;
    if (!(await this.#run('revert', name, '-m', message))) {
      const isNothing = paths === null || paths.length === 0;
      const isRefused =
        isNothing || isStaged || !isFree(paths, hashes(this.#work), tracked, hashes(after));
      assert.ok(isRefused, 'a version that is in no conflict is taken back');
      return;
    }
    assert.ok(paths, 'a version that is in conflict is not taken back');
    this.#work = taken(this.#work, paths, after);
    this.#advance(message, taken(tip.files, paths, after));
  }

  async #reset(): Promise<void> {
    const tip = this.#tip;
    if (!this.#isClean || tip?.parent == null) return;
    if (!(await this.#run('reset', '--hard', 'HEAD~1'))) return;
    this.#work = tip.parent.files;
    this.#branches.set(this.#head, tip.parent);
    if (this.#random() < 0.5) return;
    assert.ok(await this.#run('reset', '--hard', 'HEAD@{1}'), 'the reflog leads back');
    this.#work = tip.files;
    this.#branches.set(this.#head, tip);
  }

  async #move(): Promise<void> {
    const from = this.#pick([...(this.#tip?.files.keys() ?? [])]);
    const to = this.#pick(NAMES);
    if (from === undefined || !this.#isClean || !(await this.#run('mv', from, to))) return;
    const text = this.#work.get(from) as string;
    this.#work = new Map([...this.#work].filter(([path]) => path !== from).concat([[to, text]]));
  }

  async #forgetPath(): Promise<void> {
    const path = this.#pick(NAMES);
    if (this.#random() < 0.7 || !(await this.#run('forget', '-f', '--path', path))) return;
    const without = (files: Files) => new Map([...files].filter(([other]) => other !== path));
    this.#rewrite((version, parent) => ({ ...version, parent, files: without(version.files) }));
    this.#stashes = this.#stashes.map((stash) => ({ ...stash, files: without(stash.files) }));
  }

  async #forgetVersion(): Promise<void> {
    const version = this.#pick(this.#line());
    if (version === undefined || version.parent === null || this.#random() < 0.5) return;
    const name = `HEAD~${this.#line().indexOf(version)}`;
    if (!(await this.#run('forget', '-f', name))) return;
    this.#rewrite((other, parent) => (other === version ? parent : { ...other, parent }));
  }

  /** Gives every version its successor; a version without one is replaced by its parent. */
  #rewrite(make: (version: Version, parent: Version | null) => Version | null): void {
    const made = new Map<Version, Version | null>();
    const of = (version: Version | null): Version | null => {
      if (version === null) return null;
      if (!made.has(version)) made.set(version, make(version, of(version.parent)));
      return made.get(version) ?? null;
    };
    for (const [name, tip] of this.#branches) this.#branches.set(name, of(tip));
    this.#stashes = this.#stashes.map(({ base, files }) => ({ base: of(base) as Version, files }));
  }

  async #branch(): Promise<void> {
    const name = this.#pick(['left', 'right', 'third']);
    if (this.#tip === null || !(await this.#run('switch', '-c', name))) return;
    assert.ok(!this.#branches.has(name));
    this.#branches.set(name, this.#tip);
    this.#head = name;
  }

  async #switch(): Promise<void> {
    const name = this.#pick([...this.#branches.keys()]);
    if (!this.#isClean || !(await this.#run('switch', name))) return;
    this.#head = name;
    this.#work = this.#tip?.files ?? new Map();
  }

  async #rename(): Promise<void> {
    const [from, to] = [this.#pick([...this.#branches.keys()]), `branch${this.#count++}`];
    if (this.#tip === null || !(await this.#run('branch', '-m', from, to))) return;
    this.#branches = new Map(
      [...this.#branches].map(([name, tip]) => [name === from ? to : name, tip]),
    );
    if (this.#head === from) this.#head = to;
  }

  async #collect(): Promise<void> {
    assert.ok(await this.#run('gc', '--prune=now'));
  }

  /** Hashes of the files that are staged, whole trees as in git's index. */
  async #staged(): Promise<Files> {
    const { staging } = await this.#repo.with((repo) => readStaging(repo.layout));
    return new Map(staging.entries('net').map(({ path, sha256 }) => [path, sha256]));
  }

  /** Versions of HEAD's line, the newest first. */
  #line(): Version[] {
    const line: Version[] = [];
    for (let at = this.#tip; at !== null; at = at.parent) line.push(at);
    return line;
  }

  async #checkWork(): Promise<void> {
    for (const path of NAMES) {
      const text = await this.#repo.text(path);
      assert.equal(text, this.#work.get(path) ?? null, `work file ${path}`);
    }
  }

  /** Compares every branch, every version and what is put aside with the model; fsck finds nothing. */
  async check(): Promise<void> {
    await this.#checkWork();
    const seen = new Map<string, Files>();
    for (const [branch, tip] of this.#branches) {
      if (tip === null) continue;
      const log = await this.#repo.json<LogEntry[]>('log', `refs/heads/net/${branch}`);
      const messages: string[] = [];
      for (let at: Version | null = tip; at !== null; at = at.parent) {
        messages.push(at.message);
        seen.set(log[messages.length - 1]?.version ?? '', at.files);
      }
      assert.deepEqual(
        log.map(({ message }) => message),
        messages,
        branch,
      );
    }
    const stashes = await this.#repo.json<{ version: string }[]>('stash', 'list');
    assert.equal(stashes.length, this.#stashes.length);
    for (const [i, { version }] of stashes.entries()) {
      seen.set(version, (this.#stashes.at(-1 - i) as Stash).files);
    }
    await this.#repo.with(async (repo) => {
      for (const [id, expected] of seen) {
        const { files } = await repo.tree(id as Parameters<typeof repo.tree>[0]);
        const found = Object.fromEntries(files.map(({ path, sha256 }) => [path, sha256]));
        assert.deepEqual(found, Object.fromEntries(hashes(expected)), `files of ${id}`);
      }
    });
    const { code, stdout, stderr } = await this.#repo.dlv('fsck', '--files');
    assert.equal(code, 0, stdout + stderr);
  }
}

/**
 * Worlds of some dozen steps, one after another, until the time is over.
 * @returns how many there were. @throws with the steps that led to what is wrong.
 */
export async function undoWorlds(
  make: () => Promise<TestRepository>,
  seed: number,
  untilMs: number,
): Promise<{ worlds: number; steps: number }> {
  let worlds = 0;
  let steps = 0;
  const began = performance.now();
  do {
    const world = new UndoWorld(await make(), seed * 1000 + worlds);
    try {
      for (let i = 0; i < 40; i++, steps++) {
        await world.step();
        if (i % 20 === 19) await world.check();
      }
    } catch (error) {
      const { message } = error as Error;
      throw new Error(`seed ${seed}, world ${worlds}: ${message}\n${world.done.join('\n')}`, {
        cause: error,
      });
    }
    worlds++;
  } while (performance.now() - began < untilMs);
  return { worlds, steps };
}
