/**
 * The kill −9 loop: a process works in a repository and is killed at a random moment, again and again.
 * After each kill fsck finds nothing wrong, every version that was acknowledged is there and exact, and
 * every work file has a content that somebody meant it to have: nothing is torn.
 */
import fs from 'node:fs/promises';
import path from 'node:path';
import type { ExecutionContext } from 'ava';
import { type Id, sha256Hex } from '../../lib/base/bytes/hash.js';
import { add } from '../../lib/use/ops/add.js';
import { archive } from '../../lib/use/ops/archive.js';
import { commit } from '../../lib/use/ops/commit.js';
import { init } from '../../lib/use/ops/init.js';
import { noProgress } from '../../lib/use/progress.js';
import { Repository } from '../../lib/use/repository.js';
import { seededRandom } from '../helpers/rng.js';
import { tempDir } from '../helpers/temp-dir.js';
import { checkpoint } from './model-files.js';
import {
  type Acknowledged,
  compareVersions,
  type FileHashes,
  fsckProblems,
  hashFiles,
} from './record.js';
import { startWorker, type Worker } from './worker.js';

/** The first worker lives until it has done one whole step; the others at most this many times as long. */
const LIVES = 4;
/** The same for one that archives. */
const ARCHIVE_LIVES = 2;

/** Lets a worker live for a random time, or until it says `word` if the length of a life is not known. */
async function liveAndDie(
  worker: Worker,
  word: string,
  life: number | undefined,
  random: () => number,
): Promise<number | undefined> {
  const took = life === undefined ? await worker.said(word) : undefined;
  if (life !== undefined) {
    await worker.printed(1);
    await new Promise((resolve) => setTimeout(resolve, random() * life));
  }
  worker.kill();
  return took;
}

async function makeRepository(dir: string): Promise<[Id, FileHashes]> {
  const context = { cwd: dir, progress: noProgress, warn: () => {} };
  await fs.mkdir(dir);
  await init(context, { model: 'm' });
  await fs.appendFile(path.join(dir, '.dlv', 'config'), '[gc]\nautoSets = 6\n');
  await fs.writeFile(path.join(dir, 'model.safetensors'), checkpoint(5, 0));
  await fs.writeFile(path.join(dir, 'notes.txt'), 'step 0\n');
  const repo = await Repository.open(dir);
  try {
    await add(repo, { paths: ['.'] }, context);
    const { version } = await commit(repo, { message: 'first' }, context);
    return [version, await hashFiles(dir)];
  } finally {
    await repo.close();
  }
}

/** Lives that a worker is given at most where few versions are acknowledged, as a multiple of those asked for. */
const MORE_LIVES = 4;

/**
 * Kills `count` workers, and goes on until more than `least` versions were acknowledged: on a busy machine a life
 * may be too short for one. @returns the number of versions acknowledged.
 */
export async function killWorkers(
  t: ExecutionContext,
  { count, least, seed }: { count: number; least: number; seed: number },
): Promise<number> {
  const dir = path.join(await tempDir(t), 'repo');
  const [first, files] = await makeRepository(dir);
  const acknowledged: Acknowledged = new Map([[first, files]]);
  const contents = new Set(Object.values(files));
  const random = seededRandom(seed);
  const steps: Record<string, number> = {};
  let life: number | undefined;
  const isWanted = (kill: number): boolean =>
    kill <= count || (acknowledged.size <= least && kill <= MORE_LIVES * count);
  for (let kill = 1; isWanted(kill); kill++) {
    const worker = startWorker('work', dir, String(seed * 1000 + kill));
    const took = await liveAndDie(worker, 'ack', life, random);
    life ??= LIVES * (took ?? 0);
    const { stderr } = await worker.ended;
    const where = `seed ${seed}, kill ${kill} after '${worker.lines.at(-1) ?? ''}'`;
    t.is(stderr, '', where);
    for (const line of worker.lines) {
      const [word, id, json] = line.split(' ', 3) as [string, string, string];
      steps[word] = (steps[word] ?? 0) + 1;
      if (word === 'content') contents.add(id);
      if (word === 'error') t.fail(`${where}: ${line}`);
      if (word === 'ack') acknowledged.set(id as Id, JSON.parse(json) as FileHashes);
    }
    t.deepEqual(await fsckProblems(dir), [], `${where}: fsck`);
    t.deepEqual(await compareVersions(dir, acknowledged), [], `${where}: versions`);
    for (const name of ['model.safetensors', 'notes.txt']) {
      const bytes = await fs.readFile(path.join(dir, name)).catch(() => null);
      t.true(bytes !== null && contents.has(sha256Hex(bytes)), `${where}: '${name}' is torn`);
    }
  }
  t.log(`${acknowledged.size} versions acknowledged; steps: ${JSON.stringify(steps)}`);
  return acknowledged.size;
}

/** Versions in the repository that archive runs are killed in. */
const ARCHIVED_VERSIONS = 6;

/**
 * Kills `count` archive runs at random moments, most of them while packs are written and listed. Then
 * lets one end: what the killed ones left is not a hindrance.
 * @returns runs that ended before they were killed, and extents that those re-encoded.
 */
export async function killArchives(
  t: ExecutionContext,
  count: number,
  seed: number,
): Promise<{ ended: number; encoded: number }> {
  const dir = path.join(await tempDir(t), 'repo');
  const [first, files] = await makeRepository(dir);
  const acknowledged: Acknowledged = new Map([[first, files]]);
  const context = { cwd: dir, progress: noProgress, warn: () => {} };
  const withRepo = async <T>(action: (repo: Repository) => Promise<T>): Promise<T> => {
    const repo = await Repository.open(dir);
    try {
      return await action(repo);
    } finally {
      await repo.close();
    }
  };
  for (let step = 1; step < ARCHIVED_VERSIONS; step++) {
    await fs.writeFile(path.join(dir, 'model.safetensors'), checkpoint(5, step));
    const { version } = await withRepo(async (repo) => {
      await add(repo, { paths: ['.'] }, context);
      return commit(repo, { message: `step ${step}` }, context);
    });
    acknowledged.set(version, await hashFiles(dir));
  }
  const random = seededRandom(seed);
  let ended = 0;
  let encoded = 0;
  let life: number | undefined;
  for (let kill = 1; kill <= count; kill++) {
    const worker = startWorker('archive', dir, String(seed * 1000 + kill));
    const took = await liveAndDie(worker, 'archived', life, random);
    life ??= ARCHIVE_LIVES * (took ?? 0);
    const { stderr } = await worker.ended;
    const where = `seed ${seed}, kill ${kill} after '${worker.lines.at(-1) ?? ''}'`;
    t.is(stderr, '', where);
    for (const line of worker.lines) {
      if (line.startsWith('error')) t.fail(`${where}: ${line}`);
      if (!line.startsWith('archived')) continue;
      ended++;
      encoded += Number(line.split(' ')[2]);
    }
    t.deepEqual(await fsckProblems(dir), [], `${where}: fsck`);
    t.deepEqual(await compareVersions(dir, acknowledged), [], `${where}: versions`);
  }
  const last = await withRepo((repo) => archive(repo, { budgets: [1.5], all: true }, context));
  t.true(last.within);
  t.deepEqual(await compareVersions(dir, acknowledged), []);
  return { ended, encoded };
}
