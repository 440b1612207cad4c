/** Repositories that share a remote in a folder, for tests. */
import fs from 'node:fs/promises';
import path from 'node:path';
import type { ExecutionContext } from 'ava';
import { add } from '../../lib/use/ops/add.js';
import type { CloneResult } from '../../lib/use/ops/clone.js';
import { commit } from '../../lib/use/ops/commit.js';
import { push } from '../../lib/use/ops/push.js';
import { type DlvResult, dlv, dlvJson } from './dlv.js';
import { TestRepository, threeTensors, threeVersions } from './repository.js';
import { nudge, randomTensors, safetensors, type Tensors } from './safetensors.js';
import { tempDir } from './temp-dir.js';
import { readTree, writeTree } from './tree.js';

async function makePushed(t: ExecutionContext) {
  const made = await threeVersions(t);
  const top = path.dirname(made.repo.dir);
  await made.repo.json('remote', 'add', 'origin', path.join(top, 'team.dlv'));
  await made.repo.json('push', '-u', 'origin');
  return { tree: readTree(top), versions: made.versions };
}

let madePushed: ReturnType<typeof makePushed> | undefined;

/** A repository of three versions and a remote that has them all: made once in a process, and copied for each test. */
export async function pushed(t: ExecutionContext) {
  madePushed ??= makePushed(t);
  const { tree, versions } = await madePushed;
  const top = path.join(await tempDir(t), 'top');
  writeTree(top, tree, null);
  const repo = new TestRepository(path.join(top, 'net'));
  const url = path.join(top, 'team.dlv');
  await repo.json('remote', 'set-url', 'origin', url);
  return { repo, versions: structuredClone(versions), tensors: threeTensors(), top, url };
}

/** Clones an address into a folder beside it. */
export async function cloned(
  top: string,
  url: string,
  name: string,
  ...flags: string[]
): Promise<{ repo: TestRepository; result: CloneResult }> {
  const result = await dlvJson<CloneResult>(['clone', url, name, ...flags], { cwd: top });
  return { repo: new TestRepository(path.join(top, name)), result };
}

/** The same where it is expected to fail. */
export function failingClone(top: string, url: string, name: string): Promise<DlvResult> {
  return dlv(['--json', 'clone', url, name], { cwd: top });
}

/** Makes a version of a small change. */
export async function step(repo: TestRepository, from: Tensors, seed: number): Promise<Tensors> {
  const next = nudge(from, 1e-3, seed);
  await repo.write('model.safetensors', safetensors(next));
  await repo.commit(`step ${seed}`);
  return next;
}

/** Makes and pushes as many versions of small changes, in one opening of the repository: one pack set each. */
export function pushSteps(repo: TestRepository, from: Tensors, count: number): Promise<Tensors> {
  return repo.with(async (open) => {
    let values = from;
    for (let seed = 0; seed < count; seed++) {
      values = nudge(values, 1e-3, seed);
      await repo.write('model.safetensors', safetensors(values));
      await add(open, { paths: ['.'] }, repo.context);
      await commit(open, { message: `step ${seed}` }, repo.context);
      await push(open, {}, repo.context);
    }
    return values;
  });
}

/** Tensors of some hundred KB: extents that are worth deltas. */
export function largeTensors(seed: number): Tensors {
  return randomTensors({ 'a.weight': [256, 256], 'b.weight': [256, 128], 'b.bias': [128] }, seed);
}

/** All files below a folder, with their bytes. */
export async function filesBelow(dir: string): Promise<Map<string, Buffer>> {
  const found = new Map<string, Buffer>();
  for (const entry of await fs.readdir(dir, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const file = path.join(entry.parentPath, entry.name);
    found.set(path.relative(dir, file), await fs.readFile(file));
  }
  return found;
}
