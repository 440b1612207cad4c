/**
 * What one more version costs when there is much else: add, commit, commit -a and status with a small model, each in a
 * process of its own, after many versions of it, beside many tensors of other models, and beside many files.
 */
import fs from 'node:fs/promises';
import path from 'node:path';
import { add } from '../../lib/use/ops/add.js';
import { commit } from '../../lib/use/ops/commit.js';
import { noProgress } from '../../lib/use/progress.js';
import { Repository } from '../../lib/use/repository.js';
import { type Measured, measureDlv } from '../harness.js';
import { encodeSafetensors } from '../train/safetensors.js';

/** A model of the shapes of a small transformer, scaled down: each tensor is an extent of 4 KiB. */
const TENSORS = 60;
const ELEMENTS = 1024;
const MODEL = 'model.safetensors';
/** Tensors of a file of another model. */
const OTHERS_IN_FILE = 10_000;

/** What there is besides the versions that are measured. */
export interface Crowd {
  what: string;
  /** Makes more of it, up to the count. */
  grow(count: number): Promise<void>;
}

export type MeasuredCommand = 'add' | 'commit' | 'commit -a' | 'status';

/** Which line versions are made on; the one of HEAD if nothing is said. */
interface Where {
  readonly branch?: string;
}

const CONTEXT = { progress: noProgress, warn() {} };

/** Numbers that look like noise, the same in every run. */
function noise(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32 - 0.5;
  };
}

/** Tensors that change a little from version to version, as in training. */
class Model {
  readonly #values = Array.from({ length: TENSORS }, (_, i) =>
    new Float32Array(ELEMENTS).map(noise(i + 1)),
  );
  #step = 0;

  async writeNext(dir: string): Promise<void> {
    const draw = noise(1000 + this.#step++);
    for (const values of this.#values) {
      for (let i = 0; i < values.length; i++) values[i] = (values[i] as number) + 1e-3 * draw();
    }
    const tensors = this.#values.map((values, i) => ({
      name: `layer.${i}.weight`,
      shape: [32, ELEMENTS / 32],
      values,
    }));
    await fs.writeFile(path.join(dir, MODEL), encodeSafetensors(tensors, {}));
  }
}

export class CommitCost {
  readonly #dir: string;
  readonly #model = new Model();
  #made = 0;

  private constructor(dir: string) {
    this.#dir = dir;
  }

  static async make(dir: string): Promise<CommitCost> {
    await (await Repository.init(dir, 'm')).close();
    return new CommitCost(dir);
  }

  async #inside(action: (repo: Repository) => Promise<void>): Promise<void> {
    const repo = await Repository.open(this.#dir);
    try {
      await action(repo);
    } finally {
      await repo.close();
    }
  }

  async #store(repo: Repository, paths: string[], how: Where = {}): Promise<void> {
    const context = { cwd: this.#dir, ...CONTEXT };
    await add(repo, { paths, ...how }, context);
    await commit(repo, { message: 'more', ...how }, context);
  }

  /** Versions of the model itself. */
  versions(): Crowd {
    let made = 0;
    const grow = (count: number): Promise<void> =>
      this.#inside(async (repo) => {
        for (; made < count; made++) {
          await this.#model.writeNext(this.#dir);
          await this.#store(repo, [MODEL]);
        }
      });
    return { what: 'versions', grow };
  }

  /** Tensors of other models. */
  tensors(): Crowd {
    let made = 0;
    const grow = (count: number): Promise<void> =>
      this.#inside(async (repo) => {
        while (made < count) {
          const many = Math.min(count - made, OTHERS_IN_FILE);
          const draw = noise(7_000_000 + made);
          const tensors = Array.from({ length: many }, (_, i) => ({
            name: `other.${made + i}`,
            shape: [ELEMENTS],
            values: new Float32Array(ELEMENTS).map(draw),
          }));
          const name = `other-${made}.safetensors`;
          await fs.writeFile(path.join(this.#dir, name), encodeSafetensors(tensors, {}));
          made += many;
          await this.#store(repo, [name], { branch: 'other/main' });
          await fs.rm(path.join(this.#dir, name));
        }
      });
    return { what: 'tensors of other models', grow };
  }

  /** Small files of the same version. */
  files(): Crowd {
    let made = 0;
    const grow = async (count: number): Promise<void> => {
      for (; made < count; made++) {
        const file = path.join(this.#dir, `part-${made % 100}`, `file-${made}.txt`);
        if (made < 100) await fs.mkdir(path.dirname(file), { recursive: true });
        await fs.writeFile(file, `content ${made}`);
      }
      await this.#inside((repo) => this.#store(repo, ['.']));
    };
    return { what: 'other files', grow };
  }

  /** What one more version takes, command by command, and two of them in one: each a process of its own. */
  async measure(): Promise<Record<MeasuredCommand, Measured>> {
    const message = (): string[] => ['-m', `measured ${this.#made++}`];
    await this.#model.writeNext(this.#dir);
    const add = await measureDlv(['add', MODEL], this.#dir);
    const commit = await measureDlv(['commit', ...message()], this.#dir);
    await this.#model.writeNext(this.#dir);
    const commitAll = await measureDlv(['commit', '-a', ...message()], this.#dir);
    const status = await measureDlv(['status'], this.#dir);
    return { add, commit, 'commit -a': commitAll, status };
  }
}
