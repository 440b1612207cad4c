/**
 * Numbers over random histories: a name that was printed once names the same version ever after, or
 * nothing, or is ambiguous; it never names another. With versions of an older dlv before, and with two
 * clones that went on alone and are joined.
 */
import fs from 'node:fs/promises';
import type { ExecutionContext } from 'ava';
import fc from 'fast-check';
import type { Id } from '../../lib/base/bytes/hash.js';
import { DlvError, NotFoundError } from '../../lib/base/errors.js';
import { blobWriter } from '../../lib/storage/objects/stored-bytes.js';
import { readHead } from '../../lib/storage/repo/refs/head.js';
import { branchRefName } from '../../lib/storage/repo/refs/ref-name.js';
import { listRefs, updateRef } from '../../lib/storage/repo/refs/refs.js';
import { readStaging, writeStaging } from '../../lib/storage/repo/staging/staging-file.js';
import { buildTree } from '../../lib/storage/repo/version/build-tree.js';
import { writeVersion } from '../../lib/storage/repo/version/version-bytes.js';
import { currentLine } from '../../lib/use/history/lines/lines.js';
import { resolveId } from '../../lib/use/history/lines/resolve.js';
import { add } from '../../lib/use/ops/add.js';
import { createBranch, deleteBranch, renameBranch } from '../../lib/use/ops/branch.js';
import { listBranchEntries } from '../../lib/use/ops/branch-list.js';
import { commit } from '../../lib/use/ops/commit.js';
import { copy } from '../../lib/use/ops/copy.js';
import { fsck } from '../../lib/use/ops/fsck.js';
import { gc } from '../../lib/use/ops/gc.js';
import { log } from '../../lib/use/ops/log.js';
import { reset } from '../../lib/use/ops/reset.js';
import { switchTo } from '../../lib/use/ops/switch.js';
import type { Repository } from '../../lib/use/repository.js';
import { packFiles } from '../helpers/pack-files.js';
import { TestRepository } from '../helpers/repository.js';

const WHY = { who: 'ada <ada@example.org>', time: 0, reason: 'test' };

/** What was printed and what happened so far. */
class World {
  readonly repo: TestRepository;
  /** Every name that was printed, and the version that it stood for. */
  readonly names = new Map<string, Id>();
  /** Every version that was seen. */
  readonly versions = new Set<Id>();
  /** The highest number of the versions that an older dlv made. */
  mark = 0;
  /** Numbers that several versions of an older dlv have. */
  readonly shared = new Set<number>();
  count = 0;

  constructor(repo: TestRepository) {
    this.repo = repo;
  }

  /** One that goes on from the same folder, elsewhere. */
  async clone(): Promise<World> {
    const dir = `${this.repo.dir}-clone`;
    await fs.cp(this.repo.dir, dir, { recursive: true, preserveTimestamps: true });
    const world = new World(new TestRepository(dir));
    for (const [name, id] of this.names) world.names.set(name, id);
    for (const id of this.versions) world.versions.add(id);
    for (const number of this.shared) world.shared.add(number);
    Object.assign(world, { mark: this.mark, count: this.count });
    return world;
  }
}

/** A version without a number on HEAD's branch, as an older dlv makes them. */
async function oldCommit(open: Repository, world: World): Promise<void> {
  const { staging } = await readStaging(open.layout);
  const line = await currentLine(open, staging);
  const session = open.session();
  try {
    const writer = blobWriter(session);
    const entries = staging.entries(line.model);
    const id = await writeVersion(
      {
        model: line.model,
        number: null,
        parents: line.tip === null ? [] : [line.tip],
        author: { name: 'Old', email: '' },
        time: ++world.count,
        tzMinutes: 0,
        message: `old ${world.count}`,
        tree: await buildTree(entries, [], writer, null),
        params: [],
        metrics: [],
        logs: [],
        network: null,
        git: null,
        extensions: [],
      },
      writer,
    );
    await session.flush();
    await open.locked(async (lock) => {
      staging.open(line.model, line.branch).base = id;
      await writeStaging(lock, staging);
      const name = branchRefName(line.model, line.branch as string);
      await updateRef(lock, { name, before: line.tip, after: id, why: WHY });
    });
  } finally {
    await session.abort();
  }
}

type Step = (
  open: Repository,
  world: World,
  pick: <T>(from: readonly T[]) => T,
) => Promise<unknown>;

/** Makes a version here, with what a caller adds. */
async function make(open: Repository, world: World, more: object): Promise<void> {
  const message = `version ${++world.count}`;
  const files = (await readStaging(open.layout)).staging.count('net') > 0;
  if (files) await world.repo.write('a.txt', message);
  await commit(open, { message, all: files, allowEmpty: true, ...more }, world.repo.context);
}

const branches = (open: Repository, world: World) =>
  listBranchEntries(open, { model: 'net' }, world.repo.context);

const STEPS: Record<string, Step> = {
  commit: (open, world) => make(open, world, {}),
  'commit again': (open, world) => make(open, world, {}),
  amend: (open, world) => make(open, world, { amend: true }),
  merge: (open, world, pick) => make(open, world, { parents: [pick([...world.versions])] }),
  'commit elsewhere': async (open, world, pick) => {
    const { branch } = pick(await branches(open, world));
    await make(open, world, { branch: `net/${branch}`, all: false });
  },
  branch: async (open, world) => {
    await createBranch(open, { name: `b${++world.count}` }, world.repo.context);
  },
  'branch at': async (open, world, pick) => {
    const start = pick([...world.versions]);
    await createBranch(open, { name: `b${++world.count}`, start }, world.repo.context);
  },
  switch: async (open, world, pick) => {
    const { branch } = pick(await branches(open, world));
    await switchTo(open, { name: `net/${branch}` }, world.repo.context);
  },
  reset: async (open, world, pick) => {
    const revision = pick([...world.versions]);
    await reset(open, { revision, mode: 'hard' }, world.repo.context);
  },
  delete: async (open, world, pick) => {
    const { branch } = pick(await branches(open, world));
    await deleteBranch(open, { name: `net/${branch}`, force: true }, world.repo.context);
  },
  rename: async (open, world) => {
    await renameBranch(open, { to: `r${++world.count}` }, world.repo.context);
  },
  copy: async (open, world, pick) => {
    const options = { revision: pick([...world.versions]), name: `m${++world.count}` };
    await copy(open, options, world.repo.context);
  },
  gc: (open, world) => gc(open, { pruneNow: true }, world.repo.context),
};

/** Does a step; one that cannot be done here (no such version any more, changes in the way) does nothing. */
async function doStep(world: World, name: string, seed: number): Promise<void> {
  const pick = <T>(from: readonly T[]): T => {
    if (from.length === 0) throw new NotFoundError('there is nothing to choose from');
    return from[seed % from.length] as T;
  };
  try {
    await world.repo.with((open) => (STEPS[name] as Step)(open, world, pick));
  } catch (error) {
    if (!(error instanceof DlvError) || error.code === 'DLV_BUG') throw error;
  }
}

/** The version that a name means now; null for none or several. */
async function meaning(open: Repository, name: string): Promise<Id | null> {
  try {
    return await resolveId(open, name);
  } catch (error) {
    const { code } = error as DlvError;
    if (code === 'DLV_NOT_FOUND' || code === 'DLV_AMBIGUOUS') return null;
    throw error;
  }
}

/** Looks at every name that was ever printed, and at those that are printed now. */
async function check(world: World, where: string): Promise<void> {
  await world.repo.with(async (open) => {
    for (const [name, id] of world.names) {
      const now = await meaning(open, name);
      if (now === null || now === id) continue;
      throw new Error(`${where}: ${name} was ${id.slice(0, 8)} and is ${now.slice(0, 8)}`);
    }
    for (const entry of await log(open, { all: true }, world.repo.context)) {
      const { name, number, model, version } = entry;
      if ((await meaning(open, name)) !== version) {
        throw new Error(`${where}: ${name} is printed for ${version.slice(0, 8)}`);
      }
      if (model === 'net') world.versions.add(version);
      const isPlain = name === `${model}@${number}`;
      // A branch that is set elsewhere may show another of several versions of an older dlv.
      // Of versions that share a number the plain name may be that of the one that is left.
      const isOnes = isPlain && !world.shared.has(number);
      if (isOnes || number > world.mark) world.names.set(name, version);
      if (number > world.mark && !isPlain) throw new Error(`${where}: ${name} has no plain name`);
    }
    for (const { model, branch, number, version } of await branches(open, world)) {
      if (number > world.mark) world.names.set(`${model}/${branch}@${number}`, version);
    }
  });
}

async function begin(t: ExecutionContext): Promise<World> {
  const world = new World(await TestRepository.create(t));
  await world.repo.write('a.txt', 'begin');
  await world.repo.with((open) => add(open, { paths: ['a.txt'] }, world.repo.context));
  return world;
}

/** Lines of an older dlv: two branches that both have a third version, and more at random. */
async function makeOld(world: World, steps: readonly number[]): Promise<void> {
  const { repo } = world;
  await repo.with(async (open) => {
    await oldCommit(open, world);
    await createBranch(open, { name: 'side' }, repo.context);
  });
  for (const step of steps) {
    await repo.with(async (open) => {
      const { branch } = (await branches(open, world))[step % 2] as { branch: string };
      await switchTo(open, { name: `net/${branch}` }, repo.context);
      await oldCommit(open, world);
    });
  }
  await repo.with(async (open) => {
    const owned = new Set<number>();
    for (const { number } of await log(open, { all: true }, repo.context)) {
      world.mark = Math.max(world.mark, number);
      if (owned.has(number)) world.shared.add(number);
      owned.add(number);
    }
  });
  await check(world, 'old');
}

const someSteps = fc.array(
  fc.tuple(fc.constantFrom(...Object.keys(STEPS)), fc.nat({ max: 1000 })),
  { minLength: 8, maxLength: 16 },
);

/** Histories that random ones found: versions without numbers are pruned before the first number is given. */
const FOUND: [[string, number][], number[]][] = [
  [
    [
      ['delete', 0],
      ['switch', 0],
      ['rename', 0],
      ['gc', 0],
      ['commit', 0],
    ],
    [0],
  ],
];

/** A name never comes to mean another version, in `runs` histories. */
export async function keepsNames(t: ExecutionContext, runs: number): Promise<void> {
  await fc.assert(
    fc.asyncProperty(
      someSteps,
      fc.array(fc.nat({ max: 1 }), { maxLength: 5 }),
      async (steps, old) => {
        const world = await begin(t);
        if (old.length > 0) await makeOld(world, old);
        for (const [name, seed] of steps) {
          await doStep(world, name, seed);
          await check(world, name);
        }
      },
    ),
    { numRuns: runs, includeErrorInReport: true, examples: FOUND },
  );
  t.pass();
}

/** Two clones that are joined have no name for two versions, in `runs` pairs of histories. */
export async function joinsNames(t: ExecutionContext, runs: number): Promise<void> {
  await fc.assert(
    fc.asyncProperty(someSteps, someSteps, async (ours, theirs) => {
      const a = await begin(t);
      for (let i = 0; i < 2; i++) await doStep(a, 'commit', 0);
      await check(a, 'before');
      const b = await a.clone();
      for (const [name, seed] of ours) await doStep(a, name, seed);
      for (const [name, seed] of theirs) await doStep(b, name, seed);
      await check(a, 'ours');
      await check(b, 'theirs');
      const refs = await b.repo.with((open) => listRefs(open.layout, 'refs/heads'));
      await join(a, b, refs);
      await a.repo.with(async (open) => {
        const reached = await log(open, { all: true }, a.repo.context);
        for (const { name, version, model, number } of reached) {
          t.is(await meaning(open, name), version, name);
          const owners = reached.filter((one) => one.model === model && one.number === number);
          const plain = await meaning(open, `${model}@${number}`);
          t.is(plain, owners.length === 1 ? version : null);
        }
        // What a branch called a version before, it still does, in its own name here or as a remote's.
        for (const [world, prefix] of [
          [a, ''],
          [b, 'b/'],
        ] as const) {
          const entries = await world.repo.with((own) =>
            listBranchEntries(own, { all: true }, world.repo.context),
          );
          for (const { model, branch, number, version, remote } of entries) {
            // Those of remotes are listed as well.
            if (remote !== null) continue;
            t.is(await meaning(open, `${prefix}${model}/${branch}@${number}`), version);
          }
        }
      });
      // And both go on: no number is given again.
      await doStep(a, 'commit', 0);
      await a.repo.with(async (open) => {
        const head = await readHead(open.layout);
        if (head.kind !== 'branch') return;
        const tip = await resolveId(open, 'HEAD');
        const [entry] = await log(open, { maxCount: 1 }, a.repo.context);
        t.is(await meaning(open, entry?.name as string), tip);
      });
    }),
    { numRuns: runs, includeErrorInReport: true },
  );
}

/** Brings the packs of `b` to `a`, and its branches as those of a remote. */
async function join(a: World, b: World, refs: readonly { name: string; id: Id }[]): Promise<void> {
  for (const name of await packFiles(b.repo.file('.dlv/packs'))) {
    await fs.copyFile(b.repo.file(`.dlv/packs/${name}`), a.repo.file(`.dlv/packs/${name}`));
  }
  // Without a list of sets, all that are there count.
  await fs.rm(a.repo.file('.dlv/manifest'));
  await fsck(a.repo.context, { rebuild: true });
  await a.repo.with((open) =>
    open.locked(async (lock) => {
      for (const { name, id } of refs) {
        const remote = name.replace('refs/heads/', 'refs/remotes/b/');
        await updateRef(lock, { name: remote, before: null, after: id, why: WHY });
      }
    }),
  );
}
