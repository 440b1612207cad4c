/**
 * A tier for some versions: which extents it replaces, what that costs, and the notes that say so.
 *
 * Order of writes: replacements of files, and the notes that name them, are in listed packs before
 * a note takes effect. The exact bytes are garbage from then on and gc's to drop, so that a crash at
 * any moment leaves each version exact or tiered, never neither.
 */
import { throwIfAborted } from '../../base/bytes/abort.js';
import type { Id } from '../../base/bytes/hash.js';
import { ConflictError } from '../../base/errors.js';
import { formatTier, type Tier } from '../../pure/tensor/tier.js';
import { ErrorSum, type TierErrors } from '../../pure/tensor/tier-errors.js';
import type { BaseFile } from '../ingest/bases/named-bases.js';
import type { LockAccess, ReadAccess, SessionAccess, SettingAccess } from '../objects/access.js';
import type { PackSession } from '../objects/session.js';
import { openStoredFile } from '../objects/stored/stored-file.js';
import { publishedBytes } from '../objects/stored-bytes.js';
import { exactTags, readTier } from '../objects/tiers.js';
import { requireWriteFlag, TIERS_FLAG } from '../repo/format.js';
import type { RepositoryLock } from '../repo/processes/lock.js';
import { tagRefName } from '../repo/refs/ref-name.js';
import { addNotes, readRef } from '../repo/refs/refs.js';
import { currentAuthor, currentMoment } from '../repo/settings/author.js';
import { encodeNote, noteId, packTierBody, type TierFile } from '../repo/version/note.js';
import { TierWork } from './tier-files.js';
import { planTier, type TierCandidate, type TierPlan } from './tier-plan.js';

/** What a tier needs of an open repository. */
export interface TierAccess extends ReadAccess, SettingAccess, LockAccess, SessionAccess {}

/** The caller of a tier run: what it provides, and how it learns of the progress. */
export interface TierHost {
  start(label: string, bytes: number): void;
  advance(bytes: number): void;
  readonly signal?: AbortSignal;
}

/** What a tier replaced, or would replace. */
export interface TierOutcome {
  readonly plan: TierPlan;
  /** Extents whose values the tier changes, and those of one file. */
  readonly changed: ReadonlySet<Id>;
  changedOf(file: TierCandidate): readonly Id[];
  /** How far the values of extents are from the exact ones. */
  errorsOf(ids: Iterable<Id>): TierErrors;
  /** Bytes of their replacements. */
  readonly tierBytes: number;
  /** True if versions were changed. */
  readonly done: boolean;
}

/** @throws {ConflictError} if a tag that was made with --exact names one of the versions. */
export async function refuseExact(repo: TierAccess, ids: readonly Id[]): Promise<void> {
  for (const id of ids) {
    for (const tag of await exactTags(repo, id)) {
      if ((await readRef(repo.layout, tagRefName(tag))) !== id) continue;
      throw new ConflictError(`version ${id.slice(0, 10)} is kept exact by the tag '${tag}'`, {
        version: id,
        tag,
        hint: `if its exact bytes may be given up, delete the tag first: 'dlv tag -d ${tag}'`,
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

/** A tier for some versions: planned, measured if asked, and stored. */
export class TierJob {
  readonly #repo: TierAccess;
  readonly #tier: Tier;
  readonly #ids: readonly Id[];
  readonly #host: TierHost;
  #plan: TierPlan | null = null;
  /** By path, the replacement of its file in the version before. */
  readonly #bases = new Map<string, BaseFile>();
  /** Extents of replacements. */
  readonly #fresh = new Set<Id>();

  /** @param ids  versions, the oldest first: each finds its predecessor as a base. */
  constructor(repo: TierAccess, tier: Tier, ids: readonly Id[], host: TierHost) {
    this.#repo = repo;
    this.#tier = tier;
    this.#ids = ids;
    this.#host = host;
  }

  /** Which extents may be replaced; found once. @throws {CorruptError} as planTier. */
  async plan(): Promise<TierPlan> {
    this.#plan ??= await planTier(this.#repo, this.#tier, this.#ids, this.#host.signal);
    return this.#plan;
  }

  #work({ extents }: TierPlan): TierWork {
    const { signal } = this.#host;
    const onBytes = (count: number): void => this.#host.advance(count);
    const options = signal ? { onBytes, signal } : { onBytes };
    return new TierWork(this.#repo, this.#tier, extents, options);
  }

  /** Finds errors and sizes and stores nothing. */
  async measure(): Promise<TierOutcome> {
    const plan = await this.plan();
    const { extents } = plan;
    const work = this.#work(plan);
    let total = 0;
    for (const { width, count } of extents.values()) total += width * count;
    this.#host.start('measuring', total);
    let tierBytes = 0;
    const changed = new Set<Id>();
    for (const id of extents.keys()) {
      const bytes = await work.measure(id);
      if (work.errorsOf(id).finish().maxAbs === 0) continue;
      changed.add(id);
      tierBytes += bytes;
    }
    const changedOf = (file: TierCandidate): Id[] => file.extents.filter((id) => changed.has(id));
    return { plan, changed, changedOf, errorsOf: sumsOf(work), tierBytes, done: false };
  }

  /** Stores the replacements, then the notes, then publishes the notes. */
  async store(): Promise<TierOutcome> {
    const plan = await this.plan();
    const { versions } = plan;
    const session = this.#repo.session();
    const work = this.#work(plan);
    const stored = new Map<Id, Stored>();
    const distinct = new Map<Id, number>();
    for (const { files } of versions) {
      for (const { entry } of files) distinct.set(entry.recipe.id, entry.size);
    }
    const total = [...distinct.values()].reduce((sum, size) => sum + size, 0);
    this.#host.start('archiving', total);
    try {
      const notes = new Map<Id, Id>();
      for (const { version, files } of versions) {
        await this.#parentBases(session, version);
        const rows = new Map<Id, TierFile>();
        for (const file of files) {
          throwIfAborted(this.#host.signal);
          const known = stored.get(file.entry.recipe.id);
          const done = known ?? (await this.#storeFile({ plan, session, work }, file));
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
      const errorsOf = sumsOf(work);
      return { plan, changed, changedOf, errorsOf, tierBytes, done: notes.size > 0 };
    } finally {
      await session.abort();
    }
  }

  /** Replacements of the parent's files, where it has the same tier: bases for the next ones. */
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

  async #storeFile(
    { plan, session, work }: { plan: TierPlan; session: PackSession; work: TierWork },
    file: TierCandidate,
  ): Promise<Stored> {
    const { entry } = file;
    const before = await openStoredFile(this.#repo, entry);
    const base = this.#bases.get(entry.path);
    // A base that nothing else needs would have to be kept for the sake of what replaces it.
    const isUsable = (id: Id): boolean => plan.needed.has(id) || this.#fresh.has(id);
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
    const { elements, maxAbs, rms, relative } = sumsOf(work)(changed);
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

function sumsOf(work: TierWork): (ids: Iterable<Id>) => TierErrors {
  return (ids) => {
    const sum = new ErrorSum();
    for (const id of ids) sum.merge(work.errorsOf(id));
    return sum.finish();
  };
}
