/**
 * kill −9 while versions are given one tier after another: each is, at any moment, exact or of one of
 * the tiers, byte for byte as an undisturbed run makes it, and never falls back behind what was
 * acknowledged. Versions that were not named stay exact.
 */
import fs from 'node:fs/promises';
import path from 'node:path';
import type { ExecutionContext } from 'ava';
import type { Id } from '../../lib/base/bytes/hash.js';
import { add } from '../../lib/use/ops/add.js';
import { commit } from '../../lib/use/ops/commit.js';
import { init } from '../../lib/use/ops/init.js';
import { noProgress } from '../../lib/use/progress.js';
import { Repository } from '../../lib/use/repository.js';
import { seededRandom } from '../helpers/rng.js';
import { tempDir } from '../helpers/temp-dir.js';
import { checkpoint } from './model-files.js';
import { fsckProblems, rebuildVersion } from './record.js';
import { startWorker, TIER_LADDER, tierNext } from './worker.js';

/** Versions of the repository; all but the last are given up. */
const VERSIONS = 5;
/** Longest time that a worker is left alone after it began to work. */
const LIFE_MS = 1200;

async function withRepo<T>(dir: string, action: (repo: Repository) => Promise<T>): Promise<T> {
  const repo = await Repository.open(dir);
  try {
    return await action(repo);
  } finally {
    await repo.close();
  }
}

/** Makes a repository. @returns its versions, the first first. */
async function makeRepository(dir: string): Promise<Id[]> {
  const context = { cwd: dir, progress: noProgress, warn: () => {} };
  await fs.mkdir(dir);
  await init(context, { model: 'm' });
  const versions: Id[] = [];
  for (let step = 0; step < VERSIONS; step++) {
    await fs.writeFile(path.join(dir, 'model.safetensors'), checkpoint(5, step));
    const made = await withRepo(dir, async (repo) => {
      await add(repo, { paths: ['.'] }, context);
      return commit(repo, { message: `step ${step}` }, context);
    });
    versions.push(made.version);
  }
  return versions;
}

/** For each version its files, as JSON, exact and after each tier. */
async function allLevels(dir: string, versions: readonly Id[]): Promise<Map<Id, string[]>> {
  const context = { cwd: dir, progress: noProgress, warn: () => {} };
  const levels = new Map<Id, string[]>();
  for (const version of versions) {
    const states = [await withRepo(dir, (repo) => rebuildVersion(repo, version))];
    if (version !== versions.at(-1)) {
      while (await withRepo(dir, (repo) => tierNext(repo, version, context))) {
        states.push(await withRepo(dir, (repo) => rebuildVersion(repo, version)));
      }
    }
    levels.set(
      version,
      states.map((state) => JSON.stringify(state)),
    );
  }
  return levels;
}

/** Kills `count` workers. @returns tiers acknowledged. */
export async function killTiers(t: ExecutionContext, count: number, seed: number): Promise<number> {
  const root = await tempDir(t);
  const template = path.join(root, 'template');
  const versions = await makeRepository(template);
  const rehearsal = path.join(root, 'rehearsal');
  await fs.cp(template, rehearsal, { recursive: true });
  const levels = await allLevels(rehearsal, versions);
  t.is(new Set([...levels.values()].flat()).size, 1 + (VERSIONS - 1) * (1 + TIER_LADDER.length));
  const random = seededRandom(seed);
  let dir = '';
  let atLeast = new Map<Id, number>();
  let tiers = 0;
  for (let kill = 1; kill <= count; kill++) {
    const isOver = [...atLeast.values()].every((level) => level === TIER_LADDER.length);
    if (isOver) {
      dir = path.join(root, `repo-${kill}`);
      await fs.cp(template, dir, { recursive: true });
      atLeast = new Map(versions.slice(0, -1).map((version) => [version, 0]));
    }
    const worker = startWorker('tier', dir, String(seed * 1000 + kill));
    await worker.printed(1);
    await new Promise((resolve) => setTimeout(resolve, random() * LIFE_MS));
    worker.kill();
    const { stderr } = await worker.ended;
    const where = `seed ${seed}, kill ${kill} after '${worker.lines.at(-1) ?? ''}'`;
    t.is(stderr, '', where);
    for (const line of worker.lines) {
      if (line.startsWith('error')) t.fail(`${where}: ${line}`);
      const [word, id, tier] = line.split(' ');
      if (word !== 'tiered') continue;
      tiers++;
      atLeast.set(id as Id, 1 + TIER_LADDER.indexOf(tier as (typeof TIER_LADDER)[number]));
    }
    t.deepEqual(await fsckProblems(dir), [], `${where}: fsck`);
    for (const version of versions) {
      const found = JSON.stringify(await withRepo(dir, (repo) => rebuildVersion(repo, version)));
      const level = (levels.get(version) as string[]).indexOf(found);
      const known = atLeast.get(version) ?? 0;
      t.true(level >= known, `${where}: version ${version} is at ${level}, not ${known} or more`);
      if (atLeast.has(version)) atLeast.set(version, level);
    }
  }
  // What the killed ones left is no hindrance: the next run ends.
  const context = { cwd: dir, progress: noProgress, warn: () => {} };
  for (const [version] of atLeast) {
    while ((await withRepo(dir, (repo) => tierNext(repo, version, context))) !== null) tiers++;
    const found = JSON.stringify(await withRepo(dir, (repo) => rebuildVersion(repo, version)));
    t.is(found, (levels.get(version) as string[]).at(-1) as string);
  }
  t.log(`${tiers} tiers acknowledged in ${count} lives`);
  return tiers;
}
