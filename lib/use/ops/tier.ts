/**
 * `dlv archive --tier`: gives up the exact bytes of versions for fewer ones, on request alone.
 *
 * Order of writes: what stands for the files, and the notes that say so, are in listed packs before
 * a note takes effect. The exact bytes are garbage from then on and gc's to drop, so that a crash at
 * any moment leaves each version exact or tiered, never neither.
 */

import { throwIfAborted } from '../../base/bytes/abort.js';
import type { Id } from '../../base/bytes/hash.js';
import { ConflictError, UsageError } from '../../base/errors.js';
import { ErrorSum, type TierErrors } from '../../pure/tensor/quantize.js';
import { formatTier, type Tier } from '../../pure/tensor/tier.js';
import type { BaseFile } from '../../storage/ingest/bases.js';
import type { PackSession } from '../../storage/objects/session.js';
import { openStoredFile } from '../../storage/objects/stored-file.js';
import { exactTags, readTier } from '../../storage/objects/tiers.js';
import { requireWriteFlag, TIERS_FLAG } from '../../storage/repo/format.js';
import { tagRefName } from '../../storage/repo/layout.js';
import type { RepositoryLock } from '../../storage/repo/processes/lock.js';
import { registerReader } from '../../storage/repo/processes/readers.js';
import { addNotes, readRef } from '../../storage/repo/refs/refs.js';
import { currentAuthor, currentMoment } from '../../storage/repo/settings/author.js';
import {
  encodeNote,
  noteId,
  packTierBody,
  type TierFile,
} from '../../storage/repo/version/note.js';
import { TierWork } from '../../storage/tiers/tier-files.js';
import {
  extentBytes,
  planTier,
  type TierCandidate,
  type TierPlan,
} from '../../storage/tiers/tier-plan.js';
import type { OpContext } from '../context.js';
import { publishedBytes } from '../history/commit/stored-bytes.js';
import { resolveId } from '../history/lines/resolve.js';
import { Describer } from '../history/versions.js';
import type { Repository } from '../repository.js';

export type { TierErrors } from '../../pure/tensor/quantize.js';

export interface TierOptions {
  /** Versions to be replaced, named one by one. */
  revisions: readonly string[];
  tier: Tier;
  /** Says what would be given up and changes nothing. */
  dryRun?: boolean;
  /** Asked with what will be given up before anything is written; false ends the work. */
  confirm?: (preview: TierResult) => Promise<boolean>;
}

/** One file of a version and how far its values are from the exact ones. */
export interface TieredFile extends TierErrors {
  path: string;
  /** Extents replaced. */
  extents: number;
}

export interface TierResult {
  /** Canonical name: 'bf16', 'fixed12', 'quant4:random:7'. */
  tier: string;
  versions: { version: Id; model: string; number: number; files: TieredFile[] }[];
  /** Over all values that are replaced. */
  errors: TierErrors;
  /** Extents replaced, and those that stay exact since other versions, tags or staging need them. */
  replacedExtents: number;
  sharedExtents: number;
  /** Bytes in packs of the exact extents given up, and of what stands for them. */
  exactBytes: number;
  tierBytes: number;
  /** Bytes of `exactBytes` that deltas of others still stand on: free once those are encoded anew. */
  baseBytes: number;
  /** True if versions were changed; false for a dry run, a refusal, or if nothing can be replaced. */
  done: boolean;
  seconds: number;
}

/**
 * Replaces the exact bytes of the named versions by a tier, where nothing else needs them.
 * @throws {UsageError} for a bad tier; {ConflictError} if an exact tag names one of the versions, or
 *   another command collected objects meanwhile; {NotFoundError} {CorruptError} {IoError}
 */
export async function tierVersions(
  repo: Repository,
  options: TierOptions,
  context: OpContext,
): Promise<TierResult> {
  const started = performance.now();
  const { tier } = options;
  if (options.revisions.length === 0) {
    throw new UsageError('no version is named', {
      hint: 'a tier is for versions named one by one',
    });
  }
  const ids: Id[] = [];
  for (const revision of options.revisions) {
    const id = await resolveId(repo, revision);
    if (!ids.includes(id)) ids.push(id);
  }
  await refuseExact(repo, ids);
  const reader = await registerReader(repo.layout, repo.store.generation);
  try {
    const job = new TierJob(repo, tier, await inOrder(repo, ids), context);
    await job.plan();
    let result: TierResult | null = null;
    if (options.dryRun || options.confirm) result = await job.measure();
    const asked = result === null || options.dryRun ? true : await options.confirm?.(result);
    if (!options.dryRun && asked) result = await job.store();
    return { ...(result as TierResult), seconds: (performance.now() - started) / 1000 };
  } finally {
    context.progress.finish();
    await reader.close();
  }
}

/** Oldest first, so that each finds its predecessor as a base. */
async function inOrder(repo: Repository, ids: readonly Id[]): Promise<Id[]> {
  const times = new Map<Id, number>();
  for (const id of ids) times.set(id, (await repo.version(id)).time);
  return [...ids].sort((a, b) => (times.get(a) as number) - (times.get(b) as number));
}

/** @throws {ConflictError} if a tag that was made with --exact names one of the versions. */
async function refuseExact(repo: Repository, ids: readonly Id[]): Promise<void> {
  for (const id of ids) {
    for (const tag of await exactTags(repo, id)) {
      if ((await readRef(repo.layout, tagRefName(tag))) !== id) continue;
      throw new ConflictError(`version ${id.slice(0, 10)} is kept exact by the tag '${tag}'`, {
        version: id,
        tag,
        hint: `delete the tag first ('dlv tag -d ${tag}') if its exact bytes may be given up`,
      });
    }
  }
}

/** What became of one file. */
interface Stored {
  /** null if the tier changes nothing of it. */
  row: TierFile | null;
  changed: Id[];
}

class TierJob {
  readonly #repo: Repository;
  readonly #tier: Tier;
  readonly #ids: readonly Id[];
  readonly #context: OpContext;
  #plan!: TierPlan;
  /** By path, what stands for its file in the version before. */
  readonly #bases = new Map<string, BaseFile>();
  /** Extents that stand for others now. */
  readonly #fresh = new Set<Id>();

  constructor(repo: Repository, tier: Tier, ids: readonly Id[], context: OpContext) {
    this.#repo = repo;
    this.#tier = tier;
    this.#ids = ids;
    this.#context = context;
  }

  async plan(): Promise<void> {
    this.#plan = await planTier(this.#repo, this.#tier, this.#ids, this.#context.signal);
  }

  #work(): TierWork {
    const { signal, progress } = this.#context;
    const onBytes = (count: number): void => progress.advance(count);
    const options = signal ? { onBytes, signal } : { onBytes };
    return new TierWork(this.#repo, this.#tier, this.#plan.extents, options);
  }

  /** Finds errors and sizes and stores nothing. */
  async measure(): Promise<TierResult> {
    const { extents } = this.#plan;
    const work = this.#work();
    let total = 0;
    for (const { width, count } of extents.values()) total += width * count;
    this.#context.progress.start('measuring', total);
    let tierBytes = 0;
    const changed = new Set<Id>();
    for (const id of extents.keys()) {
      const bytes = await work.measure(id);
      if (work.errorsOf(id).finish().maxAbs === 0) continue;
      changed.add(id);
      tierBytes += bytes;
    }
    const files = (file: TierCandidate): Id[] => file.extents.filter((id) => changed.has(id));
    return this.#result(work, files, changed, tierBytes, false);
  }

  async #result(
    work: TierWork,
    changedOf: (file: TierCandidate) => readonly Id[],
    changed: ReadonlySet<Id>,
    tierBytes: number,
    done: boolean,
  ): Promise<TierResult> {
    const { versions, shared, bases, extents } = this.#plan;
    const describer = new Describer(this.#repo);
    const result: TierResult = {
      tier: formatTier(this.#tier),
      versions: [],
      errors: sumOf(work, changed),
      replacedExtents: changed.size,
      sharedExtents: shared.size,
      exactBytes: await extentBytes(this.#repo, changed, extents),
      tierBytes,
      baseBytes: await extentBytes(
        this.#repo,
        [...changed].filter((id) => bases.has(id)),
        extents,
      ),
      done,
      seconds: 0,
    };
    for (const { version, files } of versions) {
      const { model } = await this.#repo.version(version);
      const rows: TieredFile[] = [];
      for (const file of files) {
        const ids = changedOf(file);
        if (ids.length === 0) continue;
        rows.push({ path: file.entry.path, extents: ids.length, ...sumOf(work, ids) });
      }
      const number = await describer.number(version);
      result.versions.push({ version, model, number, files: rows });
    }
    return result;
  }

  /** Stores what stands for the files, then the notes, then makes them known. */
  async store(): Promise<TierResult> {
    const { versions } = this.#plan;
    const session = this.#repo.session();
    const work = this.#work();
    const stored = new Map<Id, Stored>();
    const distinct = new Map<Id, number>();
    for (const { files } of versions) {
      for (const { entry } of files) distinct.set(entry.recipe.id, entry.size);
    }
    const total = [...distinct.values()].reduce((sum, size) => sum + size, 0);
    this.#context.progress.start('archiving', total);
    try {
      const notes = new Map<Id, Id>();
      for (const { version, files } of versions) {
        await this.#parentBases(session, version);
        const rows = new Map<Id, TierFile>();
        for (const file of files) {
          throwIfAborted(this.#context.signal);
          const known = stored.get(file.entry.recipe.id);
          const done = known ?? (await this.#storeFile(session, work, file));
          stored.set(file.entry.recipe.id, done);
          if (done.row !== null) rows.set(file.recipe, { ...done.row, recipe: file.recipe });
        }
        if (rows.size > 0)
          notes.set(version, await this.#note(session, version, [...rows.values()]));
      }
      await session.flush();
      if (notes.size > 0) await this.#repo.locked((lock) => this.#apply(lock, session, notes));
      const changed = new Set([...stored.values()].flatMap((file) => file.changed));
      const tierBytes = publishedBytes(session).storedBytes;
      const changedOf = (file: TierCandidate): readonly Id[] =>
        stored.get(file.entry.recipe.id)?.changed ?? [];
      return await this.#result(work, changedOf, changed, tierBytes, notes.size > 0);
    } finally {
      await session.abort();
    }
  }

  /** Files that stand for those of the parent, where it has the same tier: bases for the next ones. */
  async #parentBases(session: PackSession, version: Id): Promise<void> {
    const [parent] = (await this.#repo.version(version)).parents;
    if (parent === undefined || this.#ids.includes(parent)) return;
    for (const entry of (await this.#repo.tree(parent)).files) {
      if (entry.tier?.name !== formatTier(this.#tier)) continue;
      const { recipe, skeleton } = await openStoredFile(session, entry);
      if (recipe && skeleton) {
        this.#bases.set(entry.path, { path: entry.path, step: null, recipe, skeleton });
      }
    }
  }

  async #storeFile(session: PackSession, work: TierWork, file: TierCandidate): Promise<Stored> {
    const { entry } = file;
    const before = await this.#repo.openFile(entry);
    const base = this.#bases.get(entry.path);
    // A base that nothing else needs would have to be kept for the sake of what replaces it.
    const isUsable = (id: Id): boolean => this.#plan.needed.has(id) || this.#fresh.has(id);
    const done = await work.store(session, before, base ? [base] : [], isUsable);
    if (done.recipe.id === entry.recipe.id) return { row: null, changed: [] };
    const ref = { path: entry.path, size: done.size, sha256: done.sha256, recipe: done.recipe };
    const { recipe, skeleton } = await openStoredFile(session, ref);
    if (recipe && skeleton) {
      this.#bases.set(entry.path, { path: entry.path, step: null, recipe, skeleton });
    }
    const kept = new Set(recipe?.extents);
    for (const id of kept) this.#fresh.add(id);
    const changed = file.extents.filter((id) => !kept.has(id));
    const { elements, maxAbs, rms, relative } = sumOf(work, changed);
    const row: TierFile = {
      recipe: file.recipe,
      tierRecipe: done.recipe.id,
      sha256: done.sha256,
      extents: changed.length,
      elements,
      maxAbs,
      rms,
      relative,
    };
    return { row, changed };
  }

  async #note(session: PackSession, version: Id, files: TierFile[]): Promise<Id> {
    const { config, layout } = this.#repo;
    const earlier = await readTier(this.#repo, version);
    const bytes = encodeNote({
      version,
      kind: 'tier',
      author: await currentAuthor(config, layout.workTree),
      ...currentMoment(),
      body: packTierBody({
        tier: formatTier(this.#tier),
        replaces: earlier?.notes.map(({ id }) => id) ?? [],
        files,
      }),
    });
    await session.putBlob('note', bytes);
    return noteId(bytes);
  }

  /** Under the lock: looks once more at what may have changed, then lets the notes take effect. */
  async #apply(
    lock: RepositoryLock,
    session: PackSession,
    notes: ReadonlyMap<Id, Id>,
  ): Promise<void> {
    if (!(await session.isUndisturbed())) {
      throw new ConflictError('another command collected objects meanwhile', {
        hint: 'nothing was changed; run the command again',
      });
    }
    await refuseExact(this.#repo, [...notes.keys()]);
    await requireWriteFlag(lock, TIERS_FLAG);
    for (const [version, note] of notes) await addNotes(lock, version, [note]);
  }
}

function sumOf(work: TierWork, ids: Iterable<Id>): TierErrors {
  const sum = new ErrorSum();
  for (const id of ids) sum.merge(work.errorsOf(id));
  return sum.finish();
}
