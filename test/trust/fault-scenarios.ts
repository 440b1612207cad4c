/**
 * Commands to be run on a failing device, and the run: the n-th write, fsync, rename, open, link, mkdir
 * or unlink fails, for every n until the command succeeds. After each failure: the error is one of ours
 * and names a file; fsck finds nothing wrong; every acknowledged version is there; the command run again
 * without faults works.
 */
import fs from 'node:fs/promises';
import path from 'node:path';
import type { ExecutionContext } from 'ava';
import type { Id } from '../../lib/base/bytes/hash.js';
import { ConflictError, DlvError } from '../../lib/base/errors.js';
import { parseBudget } from '../../lib/pure/plan/budget-text.js';
import { parseTier } from '../../lib/pure/tensor/tier.js';
import type { VersionTier } from '../../lib/storage/objects/tiers.js';
import type { OpContext } from '../../lib/use/context.js';
import { add } from '../../lib/use/ops/add.js';
import { archive } from '../../lib/use/ops/archive.js';
import { createBranch, deleteBranch } from '../../lib/use/ops/branch.js';
import { checkout } from '../../lib/use/ops/checkout.js';
import { commit } from '../../lib/use/ops/commit.js';
import { gc } from '../../lib/use/ops/gc.js';
import { init } from '../../lib/use/ops/init.js';
import { reset } from '../../lib/use/ops/reset.js';
import { restore } from '../../lib/use/ops/restore.js';
import { rm } from '../../lib/use/ops/rm.js';
import { switchTo } from '../../lib/use/ops/switch.js';
import { tierVersions } from '../../lib/use/ops/tier.js';
import { noProgress } from '../../lib/use/progress.js';
import { Repository } from '../../lib/use/repository.js';
import { tempDir } from '../helpers/temp-dir.js';
import { type Fault, type Faulty, injectFault } from './faults.js';
import { checkpoint } from './model-files.js';
import { type Acknowledged, compareVersions, fsckProblems, hashFiles } from './record.js';

process.env.DLV_AUTHOR_NAME = 'Ada';

type Op = (repo: Repository, context: OpContext) => Promise<unknown>;

/** One command, and where it starts. */
export interface Scenario {
  name: string;
  /** Brings the template (two versions, one staged and one unstaged change) where the command starts. */
  prepare?: (dir: string, context: OpContext) => Promise<void>;
  run: Op;
  /** Checks the work tree after the command worked at last. */
  after?: (t: ExecutionContext, dir: string, template: Template) => Promise<void>;
  /** Answers that are right when the failed command had landed after all. */
  landed?: (error: DlvError) => boolean;
  /** Number of the version whose exact bytes the command gives up. */
  gives?: number;
}

interface Template {
  dir: string;
  acknowledged: Acknowledged;
  versions: Id[];
}

/** The context of a command that runs in `cwd` and says nothing. */
export function contextIn(cwd: string): OpContext {
  return { cwd, progress: noProgress, warn: () => {} };
}

async function withRepo<T>(dir: string, action: Op): Promise<T> {
  const repo = await Repository.open(dir, { lockTimeoutMs: 200 });
  try {
    return (await action(repo, contextIn(dir))) as T;
  } finally {
    await repo.close();
  }
}

const isNothingToDo = (error: DlvError): boolean =>
  error instanceof ConflictError && error.message.startsWith('nothing to commit');

/** All commands that write. */
export const SCENARIOS: readonly Scenario[] = [
  { name: 'add', run: (repo, context) => add(repo, { paths: ['.'] }, context) },
  {
    name: 'commit',
    run: (repo, context) => commit(repo, { message: 'third' }, context),
    landed: isNothingToDo,
  },
  {
    name: 'commit --all with a log',
    run: (repo, context) =>
      commit(
        repo,
        { message: 'third', all: true, logs: [path.join(context.cwd, 'notes.txt')] },
        context,
      ),
    landed: isNothingToDo,
  },
  {
    name: 'commit --amend',
    run: (repo, context) => commit(repo, { amend: true, all: true }, context),
  },
  {
    name: 'commit that merges packs',
    prepare: (dir) => fs.appendFile(path.join(dir, '.dlv', 'config'), '[gc]\nautoSets = 1\n'),
    run: (repo, context) => commit(repo, { message: 'third' }, context),
    landed: isNothingToDo,
  },
  {
    name: 'checkout',
    run: (repo, context) => checkout(repo, { revision: 'm@1', force: true }, context),
    after: async (t, dir, template) => {
      t.like(await hashFiles(dir), template.acknowledged.get(template.versions[0]!)!);
    },
  },
  {
    name: 'checkout --out',
    run: (repo, context) =>
      checkout(
        repo,
        { revision: 'HEAD', out: path.join(context.cwd, 'out'), force: true },
        context,
      ),
    after: async (t, dir, template) => {
      const found = await hashFiles(path.join(dir, 'out'));
      t.deepEqual(found, template.acknowledged.get(template.versions[1]!)!);
    },
  },
  {
    name: 'reset --hard',
    run: (repo, context) => reset(repo, { revision: 'HEAD', mode: 'hard' }, context),
    after: async (t, dir, template) => {
      t.like(await hashFiles(dir), template.acknowledged.get(template.versions[1]!)!);
    },
  },
  { name: 'reset', run: (repo, context) => reset(repo, { mode: 'mixed' }, context) },
  { name: 'restore', run: (repo, context) => restore(repo, { paths: ['.'] }, context) },
  {
    name: 'rm',
    run: (repo, context) => rm(repo, { paths: ['notes.txt'], force: true }, context),
    landed: (error) => error.code === 'DLV_NOT_FOUND',
  },
  {
    name: 'switch -c',
    run: (repo, context) => switchTo(repo, { name: 'trial', create: true }, context),
    landed: (error) => error.code === 'DLV_EXISTS',
  },
  {
    name: 'archive',
    run: (repo, context) => archive(repo, { budgets: [parseBudget('none')], all: true }, context),
  },
  {
    name: 'archive --tier',
    run: (repo, context) =>
      tierVersions(repo, { revisions: ['m@1'], tier: parseTier('bf16') }, context),
    gives: 1,
    after: async (t, dir, template) => {
      const tier = await withRepo<VersionTier | null>(dir, (repo) =>
        repo.tier(template.versions[0]!),
      );
      t.is(tier?.label, 'bf16');
    },
  },
  {
    name: 'branch -D',
    prepare: (dir) =>
      withRepo(dir, (repo, context) => createBranch(repo, { name: 'trial' }, context)),
    run: (repo, context) => deleteBranch(repo, { name: 'trial', force: true }, context),
    landed: (error) => error.code === 'DLV_NOT_FOUND',
  },
  {
    name: 'gc',
    prepare: (dir) => fs.appendFile(path.join(dir, '.dlv', 'config'), '[gc]\nautoSets = 1\n'),
    run: (repo, context) => gc(repo, {}, context),
  },
  {
    name: 'gc --prune=now',
    prepare: async (dir) => {
      await withRepo(dir, (repo, context) =>
        reset(repo, { revision: 'HEAD', mode: 'hard' }, context),
      );
      await fs.appendFile(path.join(dir, '.dlv', 'config'), '[gc]\nautoSets = 1\n');
    },
    run: (repo, context) => gc(repo, { pruneNow: true }, context),
  },
];

async function makeTemplate(t: ExecutionContext, scenario: Scenario): Promise<Template> {
  const dir = await tempDir(t);
  const context = contextIn(dir);
  await init(context, { model: 'm' });
  const acknowledged: Acknowledged = new Map();
  const versions: Id[] = [];
  const write = (name: string, bytes: string | Uint8Array) =>
    fs.writeFile(path.join(dir, name), bytes);
  for (const step of [0, 1]) {
    await write('model.safetensors', checkpoint(5, step));
    await write('notes.txt', `step ${step}\n`);
    const id = await withRepo<Id>(dir, async (repo) => {
      await add(repo, { paths: ['.'] }, context);
      return (await commit(repo, { message: `step ${step}` }, context)).version;
    });
    versions.push(id);
    acknowledged.set(id, await hashFiles(dir));
  }
  await write('model.safetensors', checkpoint(5, 2));
  await withRepo(dir, (repo) => add(repo, { paths: ['model.safetensors'] }, context));
  await write('notes.txt', 'step 3\n');
  await scenario.prepare?.(dir, context);
  return { dir, acknowledged, versions };
}

async function copyOf(t: ExecutionContext, template: Template): Promise<string> {
  const dir = path.join(await tempDir(t), 'work');
  await fs.cp(template.dir, dir, { recursive: true, preserveTimestamps: true });
  return dir;
}

/** Fails the test unless an error tells what a failing device did, to which file, and what to do. */
export function checkError(t: ExecutionContext, error: unknown, where: string): void {
  // A pack that cannot be read back after it was written counts as damaged: it is not used.
  const isUnread =
    error instanceof DlvError && /DLV_CORRUPT EIO/.test(`${error.code} ${error.message.slice(-3)}`);
  if (error instanceof DlvError && (error.code === 'DLV_IO' || isUnread)) {
    t.is(typeof error.data.file, 'string', `${where}: names no file: ${error.message}`);
    t.is(typeof error.data.hint, 'string', `${where}: gives no remedy: ${error.message}`);
    return;
  }
  const stack = error instanceof Error ? error.stack : String(error);
  t.fail(`${where}: not an error of the device: ${stack}`);
}

/** Tries n = 1, 2, … until the command makes fewer than n calls. @returns how many failed. */
export async function exhaust(
  t: ExecutionContext,
  scenario: Scenario,
  fault: Fault,
  among: readonly Faulty[],
): Promise<number> {
  const template = await makeTemplate(t, scenario);
  const kept = new Map(template.acknowledged);
  // fsck still sees that it can be rebuilt, exact or as what stands for it.
  if (scenario.gives !== undefined) kept.delete(template.versions[scenario.gives - 1]!);
  let failures = 0;
  for (let n = 1; ; n++) {
    const dir = await copyOf(t, template);
    const where = `${scenario.name}, ${fault} at call ${n}`;
    const injection = injectFault(fault, n, among);
    let error: unknown = null;
    try {
      await withRepo(dir, scenario.run);
    } catch (thrown) {
      error = thrown;
    } finally {
      injection.restore();
    }
    if (error !== null) {
      failures++;
      t.not(injection.hit, null, `${where}: failed without a fault: ${String(error)}`);
      if (fault === 'short') t.fail(`${where}: a short write is to be continued: ${String(error)}`);
      checkError(t, error, `${where} (${injection.hit})`);
    }
    t.deepEqual(await fsckProblems(dir), [], `${where} (${injection.hit}): fsck`);
    t.deepEqual(await compareVersions(dir, kept), [], `${where}: versions`);
    if (error !== null) await runAgain(t, dir, scenario, where);
    await scenario.after?.(t, dir, template);
    await fs.rm(dir, { recursive: true });
    if (injection.hit === null) return failures;
  }
}

async function runAgain(
  t: ExecutionContext,
  dir: string,
  scenario: Scenario,
  where: string,
): Promise<void> {
  try {
    await withRepo(dir, scenario.run);
  } catch (error) {
    const isRight = error instanceof DlvError && scenario.landed?.(error);
    if (!isRight) t.fail(`${where}: does not work again: ${(error as Error).stack}`);
  }
  t.deepEqual(await fsckProblems(dir), [], `${where}: fsck after it ran again`);
}
