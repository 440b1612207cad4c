/** A small bundle of which bytes are spoiled, and what an import makes of each. */
import fs from 'node:fs/promises';
import path from 'node:path';
import type { ExecutionContext } from 'ava';
import { DlvError } from '../../lib/base/errors.js';
import { listRefs } from '../../lib/storage/repo/refs/refs.js';
import { exportVersions } from '../../lib/use/ops/export.js';
import { importBundle } from '../../lib/use/ops/import-bundle.js';
import { withRepository } from '../../lib/use/ops/with-repository.js';
import { noProgress } from '../../lib/use/progress.js';
import { Repository } from '../../lib/use/repository.js';
import { TestRepository } from './repository.js';
import { nudge, randomTensors, safetensors } from './safetensors.js';
import { tempDir } from './temp-dir.js';

const ANSWERS = ['DLV_CORRUPT', 'DLV_TRUNCATED', 'DLV_LIMIT', 'DLV_REMOTE', 'DLV_FORMAT_VERSION'];

export class SpoiledBundle {
  readonly bytes: Buffer;
  readonly #dir: string;
  readonly #blank: string;
  readonly #refs: string;
  #count = 0;

  private constructor(dir: string, made: { bytes: Buffer; blank: string; refs: string }) {
    this.#dir = dir;
    this.bytes = made.bytes;
    this.#blank = made.blank;
    this.#refs = made.refs;
  }

  /** Two versions, one of them with a delta. */
  static async make(t: ExecutionContext): Promise<SpoiledBundle> {
    const dir = await tempDir(t);
    const repo = await TestRepository.create(t, dir);
    const first = randomTensors({ w: [32, 64], b: [8] }, 1);
    for (const values of [first, nudge(first, 1e-3, 2)]) {
      await repo.write('model.safetensors', safetensors(values));
      await repo.commit('step', { metrics: { loss: 1 } });
    }
    await repo.json('tag', '-m', 'said', 'paper');
    const out = path.join(dir, 'x.dlv');
    await repo.with((open) => exportVersions(open, { out, all: true }, repo.context));
    const blank = path.join(dir, 'blank');
    await fs.mkdir(blank);
    await (await Repository.init(blank, 'other')).close();
    const refs = await repo.with(async ({ layout }) => JSON.stringify(await listRefs(layout)));
    return new SpoiledBundle(dir, { bytes: await fs.readFile(out), blank, refs });
  }

  /** What lies beside the repositories that imports were tried in. */
  async strays(): Promise<string[]> {
    const own = new Set(['net', 'blank', 'x.dlv']);
    return (await fs.readdir(this.#dir)).filter((name) => !own.has(name));
  }

  /**
   * Imports bytes into an empty repository. @returns what is wrong with the outcome; null if there was one clear error and nothing
   * taken, or all of the bundle.
   */
  async problem(bytes: Uint8Array): Promise<string | null> {
    const dir = path.join(this.#dir, `${this.#count++}`);
    const file = path.join(dir, 'spoiled.dlv');
    await fs.cp(this.#blank, dir, { recursive: true });
    await fs.writeFile(file, bytes);
    const context = { cwd: dir, progress: noProgress, warn: () => {} };
    try {
      const found = await withRepository(context, async (repo) => {
        const error = await importBundle(repo, { file }, context).then(
          () => null,
          (reason: unknown) => reason as Error,
        );
        const refs = JSON.stringify(await listRefs(repo.layout));
        if (error === null) return refs === this.#refs ? null : `took ${refs}`;
        const isClear = error instanceof DlvError && ANSWERS.includes(error.code);
        if (!isClear) return `${error.stack}`;
        if (!error.message.includes('spoiled.dlv'))
          return `does not name the file: ${error.message}`;
        return refs === '[]' ? null : `took ${refs}, then: ${error.message}`;
      });
      return found;
    } finally {
      await fs.rm(dir, { recursive: true });
    }
  }
}
