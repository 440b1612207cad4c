/** A repository with a work tree for the tests of archive: files in, versions out. */
import fs from 'node:fs/promises';
import path from 'node:path';
import type { ExecutionContext } from 'ava';
import type { Id } from '../../../../lib/base/bytes/hash.js';
import type { OpContext } from '../../../../lib/use/context.js';
import { type AddResult, add } from '../../../../lib/use/ops/add.js';
import { type CommitResult, commit } from '../../../../lib/use/ops/commit.js';
import { init } from '../../../../lib/use/ops/init.js';
import { noProgress } from '../../../../lib/use/progress.js';
import { Repository } from '../../../../lib/use/repository.js';
import { packFiles } from '../../../helpers/pack-files.js';
import { tempDir } from '../../../helpers/temp-dir.js';
import { hashFiles } from '../../../trust/record.js';

/** What a test does in its repository. Every call opens it again, as a command does. */
export class WorkRepository {
  readonly dir: string;
  readonly context: OpContext;
  /** sha256 of the files of each version made by `commit`. */
  readonly versions = new Map<Id, Record<string, string>>();

  constructor(dir: string) {
    this.dir = dir;
    this.context = { cwd: dir, progress: noProgress, warn: () => {} };
  }

  /** @param config  text to be added to the config file. */
  static async make(t: ExecutionContext, config = ''): Promise<WorkRepository> {
    const work = new WorkRepository(await tempDir(t));
    await init(work.context, { model: 'm' });
    await fs.appendFile(work.file('.dlv/config'), config);
    return work;
  }

  file(name: string): string {
    return path.join(this.dir, ...name.split('/'));
  }

  async write(name: string, bytes: string | Uint8Array): Promise<void> {
    await fs.mkdir(path.dirname(this.file(name)), { recursive: true });
    await fs.writeFile(this.file(name), bytes);
  }

  async open<T>(action: (repo: Repository, context: OpContext) => Promise<T>): Promise<T> {
    const repo = await Repository.open(this.dir);
    try {
      return await action(repo, this.context);
    } finally {
      await repo.close();
    }
  }

  /** Writes and adds files. */
  async add(files: Record<string, string | Uint8Array>): Promise<AddResult> {
    for (const [name, bytes] of Object.entries(files)) await this.write(name, bytes);
    const paths = Object.keys(files);
    return this.open((repo, context) => add(repo, { paths }, context));
  }

  /** Writes, adds and commits files. The work tree holds only files of the top folder. */
  async commit(files: Record<string, string | Uint8Array> = {}): Promise<CommitResult> {
    if (Object.keys(files).length > 0) await this.add(files);
    const message = `version ${this.versions.size + 1}`;
    const result = await this.open((repo, context) =>
      commit(repo, { message, allowEmpty: true }, context),
    );
    this.versions.set(result.version, await hashFiles(this.dir));
    return result;
  }

  /** Names of files under .dlv/packs with a suffix. */
  async packs(suffix = ''): Promise<string[]> {
    const names = await packFiles(this.file('.dlv/packs'));
    return names.filter((name) => name.endsWith(suffix)).sort();
  }

  /** Changes one byte of a file below .dlv. */
  async damage(name: string, offset: number): Promise<void> {
    const file = this.file(`.dlv/${name}`);
    const bytes = await fs.readFile(file);
    const at = offset < 0 ? bytes.length + offset : offset;
    bytes[at] = bytes[at]! ^ 0x40;
    await fs.writeFile(file, bytes);
  }
}
