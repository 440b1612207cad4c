/** One process in a storm: what it does, and what it is killed in. */
import fs from 'node:fs/promises';
import path from 'node:path';
import { type Id, sha256Hex } from '../../../lib/base/bytes/hash.js';
import { seededRandom } from '../../helpers/rng.js';
import { type Answer, errorOf } from '../cli.js';
import { checkpoint } from '../model-files.js';
import type { Acknowledged, FileHashes } from '../record.js';
import { EndedError, Served } from '../served.js';
import { type Content, contentOf, type Effect, type Expected, NONE } from './expected.js';

/** What a storm did. */
export interface Weather {
  /** Commands that answered, by verb and exit code: `commit 0`. */
  answers: Record<string, number>;
  versions: number;
  kills: number;
  wrong: string[];
}

/** What all actors share. */
export interface Scene {
  dir: string;
  /** Folder for what lies outside of the work tree. */
  aside: string;
  expected: Expected;
  /** Versions of the shared line, each with the file of the actor that made it. */
  shared: Acknowledged;
  weather: Weather;
  untilMs: number;
}

const NO_EFFECT: Effect = new Map();

/** Commands that a process runs before it is killed in the middle of the next one, at most. */
const LIFE_MAX = 12;

/** Errors that a command may give because of others that work at the same time. */
const OF_OTHERS: readonly string[] = ['DLV_CONFLICT', 'DLV_LOCKED'];

/** One process and the line that it alone works on. */
export class Actor {
  readonly #scene: Scene;
  readonly #name: string;
  readonly #random: () => number;
  #served: Served | null = null;
  /** Commands that its process still runs to the end. */
  #life = 0;
  /** How long commands take, in the mean of the last ones. */
  #usualMs = 100;
  #step = 0;
  #names = 0;

  constructor(scene: Scene, name: string, seed: number) {
    this.#scene = scene;
    this.#name = name;
    this.#random = seededRandom(seed);
  }

  async act(): Promise<void> {
    try {
      while (performance.now() < this.#scene.untilMs) await this.#turn();
    } finally {
      await this.#served?.stop();
      this.#served = null;
    }
  }

  get #line(): string {
    return `refs/heads/${this.#name}/main`;
  }

  #wrong(text: string): void {
    this.#scene.weather.wrong.push(`${this.#name}: ${text}`);
  }

  /** Runs a command. @returns its answer, or null if it was killed or gave way to another one. */
  async #run(
    argv: readonly string[],
    effect: Effect = NO_EFFECT,
    allowed: readonly string[] = OF_OTHERS,
  ): Promise<Answer | null> {
    const { expected, weather } = this.#scene;
    const before = new Map([...effect.keys()].map((ref) => [ref, expected.of(ref)]));
    let answer: Answer;
    expected.unknown(effect);
    try {
      answer = await this.#runOrDie([...argv, '--json']);
    } catch (error) {
      if (!(error instanceof EndedError)) throw error;
      const { message } = error;
      // Killed on purpose, it says nothing.
      if (!message.endsWith('ended its process: ')) this.#wrong(message);
      this.#served = null;
      for (const ref of effect.keys()) await this.#settle(ref);
      return null;
    }
    const key = `${argv[0]} ${answer.code}`;
    weather.answers[key] = (weather.answers[key] ?? 0) + 1;
    if (answer.code === 0) {
      expected.done(effect);
      return answer;
    }
    for (const [ref, contents] of before) expected.restore(ref, contents);
    if (argv[0] === 'fsck') return answer;
    const { code, message } = errorOf(answer);
    if (!allowed.includes(code)) this.#wrong(`${argv.join(' ')} says ${code}: ${message}`);
    return null;
  }

  /** Runs a command; if its process has lived long enough, kills it on the way. */
  async #runOrDie(argv: readonly string[]): Promise<Answer> {
    const { dir, weather } = this.#scene;
    if (this.#served === null) {
      this.#served = Served.start();
      this.#life = Math.floor(this.#random() * LIFE_MAX);
    }
    const served = this.#served;
    const begun = performance.now();
    let timer: NodeJS.Timeout | undefined;
    if (this.#life-- <= 0) {
      const kill = (): void => {
        weather.kills++;
        served.kill();
      };
      timer = setTimeout(kill, this.#random() * 1.5 * this.#usualMs);
    }
    try {
      const answer = await served.run(argv, dir);
      this.#usualMs += (performance.now() - begun - this.#usualMs) / 4;
      return answer;
    } finally {
      clearTimeout(timer);
    }
  }

  async #settle(ref: string): Promise<Content> {
    const settled = await this.#scene.expected.settle(this.#scene.dir, ref);
    if ('content' in settled) return settled.content;
    this.#wrong(settled.wrong);
    return NONE;
  }

  async #write(name: string, bytes: Uint8Array): Promise<void> {
    const { dir, aside } = this.#scene;
    const unfinished = path.join(aside, this.#name);
    await fs.writeFile(unfinished, bytes);
    await fs.rename(unfinished, path.join(dir, name));
  }

  /** One thing, whichever the dice say. */
  async #turn(): Promise<void> {
    const dice = this.#random();
    if (dice < 0.35) await this.#commit();
    else if (dice < 0.45) await this.#share();
    else if (dice < 0.6) await this.#rename();
    else if (dice < 0.72) await this.#read();
    else if (dice < 0.8) await this.#run(['gc']);
    else if (dice < 0.84) await this.#run(['gc', '--prune=now']);
    else if (dice < 0.9) {
      const budget = ['1', '1.5', 'none'][Math.floor(this.#random() * 3)] as string;
      await this.#run(['archive', '--yes', '--budget', budget, '--time-limit', '2']);
    } else if (dice < 0.96) await this.#fsck();
    else await this.#run(['list']);
  }

  /** Commits new files to the line of this actor. */
  async #commit(): Promise<void> {
    const { expected } = this.#scene;
    const model = `${this.#name}/model.safetensors`;
    const notes = `${this.#name}/notes.txt`;
    const bytes = checkpoint(7, ++this.#step + 1000 * this.#name.charCodeAt(1));
    await this.#write(model, bytes);
    const text = Buffer.from(`step ${this.#step} of ${this.#name}\n`);
    await this.#write(notes, text);
    const files = { [model]: sha256Hex(bytes), [notes]: sha256Hex(text) };
    const added = await this.#run(['add', this.#name, '--model', this.#name]);
    if (added === null) return;
    const effect = new Map([[this.#line, contentOf(files)]]);
    const argv = ['commit', '-m', `step ${this.#step}`, '--model', this.#name];
    const answer = await this.#run(argv, effect);
    if (answer === null) return;
    const { version } = JSON.parse(answer.stdout) as { version: Id };
    expected.acknowledged.set(version, files);
  }

  /** Commits to the line that all share. */
  async #share(): Promise<void> {
    const file = `s/${this.#name}.txt`;
    const bytes = Buffer.from(`${this.#name} ${this.#random()}\n`);
    await this.#write(file, bytes);
    if ((await this.#run(['add', file, '--model', 's'])) === null) return;
    const answer = await this.#run(['commit', '-m', this.#name, '--model', 's']);
    if (answer === null) return;
    const { version } = JSON.parse(answer.stdout) as { version: Id };
    this.#scene.shared.set(version, { [file]: sha256Hex(bytes) });
  }

  /** Makes, renames or deletes a branch or a tag of this line. */
  async #rename(): Promise<void> {
    const { expected } = this.#scene;
    const tip = [...expected.of(this.#line)];
    if (tip.length !== 1 || tip[0] === NONE) return;
    const content = tip[0] as Content;
    const prefix = `refs/heads/${this.#name}/`;
    const branches = expected.refs.filter(
      (ref) => ref.startsWith(prefix) && ref !== this.#line && !expected.of(ref).has(NONE),
    );
    const old = branches[0];
    const dice = this.#random();
    const name = `n${this.#names++}`;
    const model = ['--model', this.#name];
    if (old === undefined || dice < 0.4) {
      await this.#run(
        ['branch', `deep/${name}`, ...model],
        new Map([[`${prefix}deep/${name}`, content]]),
      );
    } else if (dice < 0.6) {
      const was = [...expected.of(old)][0] as Content;
      const effect = new Map([
        [old, NONE],
        [prefix + name, was],
      ]);
      await this.#run(['branch', '-m', old.slice(prefix.length), name, ...model], effect);
    } else if (dice < 0.8) {
      await this.#run(['branch', '-d', old.slice(prefix.length), ...model], new Map([[old, NONE]]));
    } else {
      const tag = `${this.#name}-${name}`;
      await this.#run(['tag', tag, this.#name], new Map([[`refs/tags/${tag}`, content]]));
    }
  }

  /** Checks an acknowledged version out to a folder of its own and compares it. */
  async #read(): Promise<void> {
    const { expected, aside } = this.#scene;
    const ids = [...expected.acknowledged.keys()];
    const id = ids[Math.floor(this.#random() * ids.length)];
    if (id === undefined) return;
    const out = path.join(aside, `out-${this.#name}`);
    const answer = await this.#run(['checkout', id, '--out', out], NO_EFFECT, []);
    if (answer !== null) {
      for (const [name, hash] of Object.entries(expected.acknowledged.get(id) as FileHashes)) {
        const found = sha256Hex(await fs.readFile(path.join(out, name)));
        if (found !== hash) this.#wrong(`version ${id}: '${name}' has other bytes`);
      }
    }
    await fs.rm(out, { recursive: true, force: true });
  }

  async #fsck(): Promise<void> {
    const answer = await this.#run(['fsck', '--files'], NO_EFFECT, []);
    if (answer === null) return;
    const { problems } = JSON.parse(answer.stdout) as { problems: { message: string }[] };
    for (const { message } of problems) this.#wrong(`fsck says ${message}`);
  }
}
