/** Staging that is damaged or lost, made again of what is sound in it and of the versions that branches are at. */
import type { Id } from '../../../base/bytes/hash.js';
import { ConflictError, isDamage, isUnreadable } from '../../../base/errors.js';
import { isMissing, statOrNull } from '../../../base/files/files.js';
import type { Layout } from '../../../storage/repo/layout.js';
import { readHead } from '../../../storage/repo/refs/head.js';
import { parseRefName } from '../../../storage/repo/refs/ref-name.js';
import { listRefs } from '../../../storage/repo/refs/refs.js';
import { Staging } from '../../../storage/repo/staging/staging.js';
import { readStaging } from '../../../storage/repo/staging/staging-file.js';
import {
  readSoundStaging,
  type SalvagedStaging,
} from '../../../storage/repo/staging/staging-salvage.js';
import type { LineAccess } from '../access.js';
import { moveLine, stagedEntriesOf } from './staged-version.js';

/** Staging that was made again, and what to say of it. */
export interface StagingAgain {
  staging: Staging;
  done: string[];
  failed: string[];
}

/**
 * What staging is made of that is damaged or lost: of what is sound in it, and from the tips of the branches for
 * lines and files of which nothing is. Null if it is whole, or there is nothing to make it of.
 */
export async function stagingAgain(repo: LineAccess): Promise<StagingAgain | null> {
  const { layout } = repo;
  const there = (await statOrNull(layout.staging)) !== null;
  if (there && (await isReadable(layout))) return null;
  const tips = await tipsOfModels(repo);
  if (!there && tips.size === 0) return null;
  const failed: string[] = [];
  const salvaged = there ? await salvage(layout) : null;
  const staging = salvaged?.staging ?? new Staging();
  if (salvaged !== null) await restoreCommitted(repo, salvaged);
  for (const [model, { branch, id }] of tips) {
    if (salvaged?.staging.get(model) !== undefined) continue;
    try {
      const entries = await stagedEntriesOf(repo, await repo.tree(id), staging);
      moveLine(staging, model, { version: id, branch, entries });
    } catch (error) {
      if (!isUnusable(error)) throw error;
      staging.drop(model);
      failed.push(`the files of '${model}' are not tracked now: ${(error as Error).message}`);
    }
  }
  if (salvaged === null) {
    const done = ["rebuilt 'staging' from the last versions; add uncommitted changes again"];
    return { staging, done, failed };
  }
  const kept = staging.models().reduce((sum, line) => sum + staging.count(line.model), 0);
  const done = [`rebuilt 'staging' and kept ${kept} files in it`, ...salvaged.lost];
  return { staging, done, failed };
}

/** What is sound in a staging file that cannot be read; null if its bytes changed since it was written. */
async function salvage(layout: Layout): Promise<SalvagedStaging | null> {
  try {
    return await readSoundStaging(layout);
  } catch (error) {
    if (!isDamage(error)) throw error;
    return null;
  }
}

/**
 * Puts the committed state of files back that could not be saved: without it the next version would
 * leave them out.
 */
async function restoreCommitted(repo: LineAccess, salvaged: SalvagedStaging): Promise<void> {
  const { staging, lostPaths } = salvaged;
  for (const { model, base } of staging.models()) {
    const paths = new Set(lostPaths.filter((lost) => lost.model === model).map(({ path }) => path));
    if (base === null || paths.size === 0) continue;
    try {
      const tree = await repo.tree(base);
      const files = tree.files.filter((file) => paths.has(file.path));
      const entries = await stagedEntriesOf(repo, { ...tree, files }, staging);
      for (const entry of entries) staging.put(model, entry);
    } catch (error) {
      if (!isUnusable(error)) throw error;
    }
  }
}

/** True for errors of a version that is damaged or gone, or of a path that another model has. */
function isUnusable(error: unknown): boolean {
  return isUnreadable(error) || error instanceof ConflictError;
}

interface Tip {
  branch: string | null;
  id: Id;
}

/** For each model the version that its files are taken from: HEAD's, else of its first branch. */
async function tipsOfModels(repo: LineAccess): Promise<Map<string, Tip>> {
  const head = await readHead(repo.layout);
  const first = repo.config.get('init.branch');
  const tips = new Map<string, Tip>();
  const rank = (model: string, branch: string | null): number => {
    if (head.kind === 'branch' && head.model === model && head.branch === branch) return 2;
    return branch === first ? 1 : 0;
  };
  for (const { name, id } of await readableRefs(repo)) {
    const place = parseRefName(name);
    if (place?.kind !== 'head') continue;
    const { model, branch } = place;
    const known = tips.get(model);
    if (known === undefined || rank(model, branch) > rank(model, known.branch)) {
      tips.set(model, { branch, id });
    }
  }
  if (head.kind === 'detached') tips.set(head.model, { branch: null, id: head.id });
  return tips;
}

async function readableRefs(repo: LineAccess): ReturnType<typeof listRefs> {
  try {
    return await listRefs(repo.layout, 'refs/heads');
  } catch (error) {
    if (!isDamage(error)) throw error;
    return [];
  }
}

async function isReadable(layout: Layout): Promise<boolean> {
  try {
    await readStaging(layout);
    return true;
  } catch (error) {
    if (!isDamage(error) && !isMissing(error)) throw error;
    return false;
  }
}
