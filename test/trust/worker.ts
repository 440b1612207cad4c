/**
 * A process that works in a repository until it is killed: `startWorker` starts this file.
 *
 *     work <dir> <seed>        writes, commits, checks out, collects garbage, at random
 *     archive <dir> <seed>     archives under one budget after another
 *     tier <dir> <seed>        gives one old version after another its next tier, until all have the last
 *     commit <dir> <name> <n>  commits n new states of the file <name> on the line of HEAD
 *     read <dir>               reads the newest version over and over until stdin ends
 *
 * Prints a line before and after each step: `content <sha256>` before a work file gets that content,
 * `ack <version> <json of path → sha256>` after a commit has answered, `error <message>` for an error.
 */
import { spawn } from 'node:child_process';
import fs from 'node:fs/promises';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { type Id, sha256Hex } from '../../lib/base/bytes/hash.js';
import { ConflictError, DlvError } from '../../lib/base/errors.js';
import { parseBudget } from '../../lib/pure/plan/budget-text.js';
import { parseTier } from '../../lib/pure/tensor/tier.js';
import type { OpContext } from '../../lib/use/context.js';
import { add } from '../../lib/use/ops/add.js';
import { type ArchiveOptions, archive } from '../../lib/use/ops/archive.js';
import { checkout } from '../../lib/use/ops/checkout.js';
import { commit } from '../../lib/use/ops/commit.js';
import { gc } from '../../lib/use/ops/gc.js';
import { log } from '../../lib/use/ops/log.js';
import { tierVersions } from '../../lib/use/ops/tier.js';
import type { Repository } from '../../lib/use/repository.js';
import { seededRandom } from '../helpers/rng.js';
import { checkpoint } from './model-files.js';
import { withRepo as withRepoOf } from './racing.js';
import { hashFiles, rebuildVersion } from './record.js';

const FILE = fileURLToPath(import.meta.url);

/** A running worker. */
export interface Worker {
  /** Lines that it printed so far. */
  lines: string[];
  kill(): void;
  /** Lets a reader end. */
  release(): void;
  /** Resolves when the process is gone and all its lines are there. */
  ended: Promise<{ code: number | null; stderr: string }>;
  /** Resolves when `count` lines were printed, or the worker ended. */
  printed(count: number): Promise<void>;
  /** Resolves when a line begins with `word`, or the worker ended. @returns ms since its first line. */
  said(word: string): Promise<number>;
}

export function startWorker(...args: string[]): Worker {
  const child = spawn(process.execPath, [FILE, ...args], { stdio: ['pipe', 'pipe', 'pipe'] });
  const lines: string[] = [];
  let stderr = '';
  let wake = (): void => {};
  child.stdin.on('error', () => {});
  child.stderr.on('data', (chunk: Buffer) => (stderr += chunk));
  const reader = createInterface({ input: child.stdout });
  reader.on('line', (line) => {
    lines.push(line);
    wake();
  });
  let over = false;
  const closed = new Promise<number | null>((resolve) => child.once('close', resolve));
  const read = new Promise<void>((resolve) => reader.once('close', resolve));
  const ended = Promise.all([closed, read]).then(([code]) => {
    over = true;
    wake();
    return { code, stderr };
  });
  const printed = async (count: number): Promise<void> => {
    while (lines.length < count && !over) await new Promise<void>((resolve) => (wake = resolve));
  };
  const said = async (word: string): Promise<number> => {
    await printed(1);
    const started = performance.now();
    for (let seen = 0; !over && !lines.slice(seen).some((line) => line.startsWith(word)); ) {
      seen = lines.length;
      await printed(seen + 1);
    }
    return performance.now() - started;
  };
  return {
    lines,
    kill: () => child.kill('SIGKILL'),
    release: () => child.stdin.end(),
    ended,
    printed,
    said,
  };
}

function say(...words: string[]): void {
  process.stdout.write(`${words.join(' ')}\n`);
}

function withRepo<T>(
  dir: string,
  action: (repo: Repository, context: OpContext) => Promise<T>,
): Promise<T> {
  return withRepoOf(dir, action, (message) => say('warn', message));
}

/** Gives a work file new content, whole or not at all. */
async function write(dir: string, name: string, bytes: Uint8Array): Promise<void> {
  say('content', sha256Hex(bytes));
  const aside = path.join(path.dirname(dir), `aside-${process.pid}`);
  await fs.writeFile(aside, bytes);
  await fs.rename(aside, path.join(dir, name));
}

async function commitAll(dir: string, name: string, message: string): Promise<Id> {
  return withRepo(dir, async (repo, context) => {
    await add(repo, { paths: [path.join(dir, name)] }, context);
    return (await commit(repo, { message }, context)).version;
  });
}

async function work(dir: string, seed: number): Promise<void> {
  const random = seededRandom(seed);
  const acknowledged: Id[] = [];
  const toBranch = () =>
    withRepo(dir, (repo, context) =>
      checkout(repo, { revision: 'refs/heads/m/main', force: true }, context),
    );
  await toBranch();
  for (;;) {
    const dice = random();
    if (dice < 0.55 || acknowledged.length === 0) {
      const name = random() < 0.7 ? 'model.safetensors' : 'notes.txt';
      const step = 1 + Math.floor(random() * 1e6);
      const bytes = name === 'notes.txt' ? Buffer.from(`step ${step}\n`) : checkpoint(5, step);
      await write(dir, name, bytes);
      const id = await commitAll(dir, name, `step ${step}`);
      acknowledged.push(id);
      say('ack', id, JSON.stringify(await hashFiles(dir)));
    } else if (dice < 0.8) {
      const revision = acknowledged[Math.floor(random() * acknowledged.length)]!;
      await withRepo(dir, (repo, context) => checkout(repo, { revision, force: true }, context));
      await toBranch();
      say('checkout', revision);
    } else if (dice < 0.88) {
      await archiveOnce(dir, random);
    } else {
      const pruneNow = dice > 0.94;
      await withRepo(dir, (repo, context) => gc(repo, { pruneNow }, context));
      say('gc', String(pruneNow));
    }
  }
}

/** Stores everything again under a random budget. */
async function archiveOnce(dir: string, random: () => number): Promise<void> {
  const budget = ['1', '1.3', '2', 'none'][Math.floor(random() * 4)] as string;
  const scheme = random() < 0.3 ? 'reusable' : 'independent';
  say('archiving', budget);
  const options: ArchiveOptions = {
    budgets: [parseBudget(budget)],
    scheme,
    all: true,
    timeLimit: 2,
  };
  const done = await withRepo(dir, (repo, context) => archive(repo, options, context));
  if (!done.within) say('error', `no plan within ${budget}`);
  say('archived', budget, String(done.encodedExtents));
}

async function archiveOn(dir: string, seed: number): Promise<void> {
  const random = seededRandom(seed);
  say('begins');
  for (;;) {
    await archiveOnce(dir, random);
    if (random() < 0.3) await withRepo(dir, (repo, context) => gc(repo, {}, context));
  }
}

/** Tiers that versions are given, one after another. */
export const TIER_LADDER = ['fixed16', 'bf16', 'quant6'] as const;

/** Gives a version its next tier. @returns that tier, or null if it has the last one. */
export async function tierNext(
  repo: Repository,
  version: Id,
  context: OpContext,
): Promise<string | null> {
  const ladder: readonly string[] = TIER_LADDER;
  const label = (await repo.tier(version))?.label.replace(':uniform', '') ?? '';
  const next = ladder[ladder.indexOf(label) + 1];
  if (next === undefined) return null;
  const done = await tierVersions(repo, { revisions: [version], tier: parseTier(next) }, context);
  if (!done.done) throw new Error(`the tier ${next} changed nothing of ${version}`);
  return next;
}

async function tierOn(dir: string, seed: number): Promise<void> {
  const random = seededRandom(seed);
  say('begins');
  const versions = await withRepo(dir, (repo, context) => log(repo, {}, context));
  const left = versions.slice(1).map(({ version }) => version as Id);
  while (left.length > 0) {
    const at = Math.floor(random() * left.length);
    const version = left[at]!;
    const tier = await withRepo(dir, (repo, context) => tierNext(repo, version, context));
    if (tier === null) left.splice(at, 1);
    else say('tiered', version, tier);
    const dice = random();
    if (dice < 0.2) {
      await withRepo(dir, (repo, context) => gc(repo, { pruneNow: dice < 0.1 }, context));
    } else if (dice < 0.3) await archiveOnce(dir, random);
  }
}

/** Commits; when another process was faster, again. */
async function commitMany(dir: string, name: string, count: number): Promise<void> {
  for (let i = 0; i < count; i++) {
    const bytes = Buffer.concat([checkpoint(9, i), Buffer.from(name)]);
    await write(dir, name, bytes);
    for (;;) {
      try {
        const id = await commitAll(dir, name, `${name} ${i}`);
        say('ack', id, JSON.stringify({ [name]: sha256Hex(bytes) }));
        break;
      } catch (error) {
        // The other one may have committed this file together with its own.
        if (!(error instanceof ConflictError)) throw error;
        say('conflict', error.message);
        if (error.message.startsWith('nothing to commit')) break;
      }
    }
  }
}

async function readOn(dir: string): Promise<void> {
  let stop = false;
  process.stdin.resume();
  process.stdin.once('end', () => (stop = true));
  while (!stop) {
    await withRepo(dir, async (repo, context) => {
      const versions = await log(repo, {}, context);
      for (const { version } of versions.slice(0, 3)) {
        await rebuildVersion(repo, version as Id);
        say('read', version);
      }
    });
  }
}

async function main([verb, dir = '', first = '', second = '']: string[]): Promise<void> {
  try {
    if (verb === 'work') await work(dir, Number(first));
    if (verb === 'archive') await archiveOn(dir, Number(first));
    if (verb === 'tier') await tierOn(dir, Number(first));
    if (verb === 'commit') await commitMany(dir, first, Number(second));
    if (verb === 'read') await readOn(dir);
  } catch (error) {
    const code = error instanceof DlvError ? `${error.code} ` : '';
    say('error', code + String((error as Error).stack).replaceAll('\n', ' | '));
    process.exitCode = 1;
  }
}

if (process.argv[1] === FILE) await main(process.argv.slice(2));
