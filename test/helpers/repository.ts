/**
 * A repository in a folder of its own, for tests of the command.
 *
 * It is set up through ops; what a test is about it runs through the command: `dlv` and `json`.
 */
import fs from 'node:fs/promises';
import path from 'node:path';
import type { ExecutionContext } from 'ava';
import type { OpContext } from '../../lib/use/context.js';
import { add } from '../../lib/use/ops/add.js';
import { type CommitOptions, type CommitResult, commit } from '../../lib/use/ops/commit.js';
import { withRepository } from '../../lib/use/ops/with-repository.js';
import { noProgress } from '../../lib/use/progress.js';
import { Repository } from '../../lib/use/repository.js';
import { keepCalibration } from './calibration.js';
import { type DlvResult, dlv, dlvJson } from './dlv.js';
import { nudge, randomTensors, safetensors, type Tensors } from './safetensors.js';
import { tempDir } from './temp-dir.js';
import { readTree, type Tree, writeTree } from './tree.js';

/** The error document of a command. */
export interface ErrorDocument {
  error: { code: string; message: string; data: Record<string, unknown> & { hint?: string } };
}

/** A repository of the model `net` and the work tree around it. */
export class TestRepository {
  readonly dir: string;
  readonly context: OpContext;
  readonly warnings: string[] = [];
  /** True for a test that changes the settings of the user: its commands are processes. */
  hasUserSettings = false;

  constructor(dir: string) {
    this.dir = dir;
    this.context = { cwd: dir, progress: noProgress, warn: (text) => this.warnings.push(text) };
  }

  /** Makes an empty one. */
  /** @param parent  folder that it is made in; default: one of its own. */
  static async create(t: ExecutionContext, parent?: string): Promise<TestRepository> {
    const dir = path.join(parent ?? (await tempDir(t)), 'net');
    await fs.mkdir(dir);
    await (await Repository.init(dir, 'net')).close();
    await keepCalibration(dir);
    return new TestRepository(dir);
  }

  /** Runs the command here. */
  dlv(...args: string[]): Promise<DlvResult> {
    return dlv(args, { cwd: this.dir, process: this.hasUserSettings });
  }

  /** Runs the command with --json, expects success and gives the document. */
  json<T>(...args: string[]): Promise<T> {
    return dlvJson<T>(args, { cwd: this.dir, process: this.hasUserSettings });
  }

  /** Runs the command with --json, expects this exit code and gives the error. */
  async fails(exitCode: number, ...args: string[]): Promise<ErrorDocument['error']> {
    const result = await this.dlv('--json', ...args);
    if (result.code !== exitCode) {
      throw new Error(
        `dlv ${args.join(' ')} ended with ${result.code}: ${result.stdout}${result.stderr}`,
      );
    }
    return (JSON.parse(result.stdout) as ErrorDocument).error;
  }

  file(name: string): string {
    return path.join(this.dir, ...name.split('/'));
  }

  /** Writes a work file and the folders above it. */
  async write(name: string, content: string | Uint8Array): Promise<void> {
    await fs.mkdir(path.dirname(this.file(name)), { recursive: true });
    await fs.writeFile(this.file(name), content);
  }

  read(name: string): Promise<Buffer> {
    return fs.readFile(this.file(name));
  }

  /** Content of a text file, or null if it is not there. */
  async text(name: string): Promise<string | null> {
    return fs.readFile(this.file(name), 'utf8').catch(() => null);
  }

  exists(name: string): Promise<boolean> {
    return fs.lstat(this.file(name)).then(
      () => true,
      () => false,
    );
  }

  async remove(name: string): Promise<void> {
    await fs.rm(this.file(name), { recursive: true });
  }

  /** Adds everything (or `paths`) and commits. */
  async commit(
    message: string,
    options: Partial<CommitOptions> & { paths?: string[] } = {},
  ): Promise<CommitResult> {
    const { paths = ['.'], ...rest } = options;
    return withRepository(this.context, async (repo) => {
      if (paths.length > 0) {
        const model = rest.model === undefined ? {} : { model: rest.model };
        await add(repo, { paths, ...model }, this.context);
      }
      return commit(repo, { message, ...rest }, this.context);
    });
  }

  /** Runs something on the open repository in this process. */
  with<T>(action: (repo: Repository) => Promise<T>): Promise<T> {
    return withRepository(this.context, action);
  }

  /** Paths that differ between version, staging and work tree, for `deepEqual` with `[]`. */
  async changes(): Promise<string[]> {
    interface Change {
      path: string;
      status: string;
    }
    const { models, untracked } = await this.json<{
      models: { model: string; staged: Change[]; unstaged: Change[] }[];
      untracked: string[];
    }>('status');
    return models
      .flatMap(({ staged, unstaged }) => [
        ...staged.map(({ path, status }) => `staged ${status} ${path}`),
        ...unstaged.map(({ path, status }) => `${status} ${path}`),
      ])
      .concat(untracked.map((file) => `untracked ${file}`));
  }
}

/** Shapes of a small network with one extent of 32 KiB and two literals. */
export const SHAPES = { 'fc.weight': [64, 128], 'fc.bias': [64], 'out.weight': [10, 64] };

/** A line of three versions of `model.safetensors` and `note.txt`, each a small change. */
export interface ThreeVersions {
  repo: TestRepository;
  versions: CommitResult[];
  tensors: Tensors[];
}

/** The tensors of those versions. */
export function threeTensors(): Tensors[] {
  const tensors = [randomTensors(SHAPES, 1)];
  tensors.push(nudge(tensors[0] as Tensors, 1e-3, 2));
  tensors.push(nudge(tensors[1] as Tensors, 1e-3, 3));
  return tensors;
}

/**
 * For a repository that many tests of a file begin with: `make` makes it once in a process, and each test gets a copy
 * of its own, with what else `make` gave.
 */
export function madeOnce<Made extends { repo: TestRepository }>(
  make: (t: ExecutionContext) => Promise<Made>,
): (t: ExecutionContext) => Promise<Made> {
  let first: Promise<{ tree: Tree; made: Made }> | undefined;
  return async (t) => {
    first ??= make(t).then((made) => ({ tree: readTree(made.repo.dir), made }));
    const { tree, made } = await first;
    const repo = new TestRepository(path.join(await tempDir(t), 'net'));
    writeTree(repo.dir, tree, null);
    const { repo: _, ...rest } = made;
    return { ...structuredClone(rest), repo } as Made;
  };
}

async function makeThree(t: ExecutionContext): Promise<Omit<ThreeVersions, 'tensors'>> {
  const repo = await TestRepository.create(t);
  const versions: CommitResult[] = [];
  for (const [i, values] of threeTensors().entries()) {
    await repo.write('model.safetensors', safetensors(values));
    await repo.write('note.txt', `version ${i + 1}\n`);
    const message = ['first', 'second', 'third'][i] as string;
    const metrics = { accuracy: (5 + i) / 10 };
    versions.push(
      await repo.commit(message, { metrics, params: { lr: 0.1 }, step: 100 * (i + 1) }),
    );
  }
  return { repo, versions };
}

const three = madeOnce(makeThree);

/** Three versions in a repository of the test's own: made once in a process, and copied for each test. */
export async function threeVersions(t: ExecutionContext): Promise<ThreeVersions> {
  return { ...(await three(t)), tensors: threeTensors() };
}
