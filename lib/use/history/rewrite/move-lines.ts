/**
 * The new values of refs, HEAD and staging when the versions that they name get other ids, or are
 * removed.
 */

import type { Id } from '../../../base/bytes/hash.js';
import { ConflictError } from '../../../base/errors.js';
import type { RefMove } from '../../../storage/repo/moves/journal.js';
import type { GoneVersion } from '../../../storage/repo/refs/gone.js';
import type { Head } from '../../../storage/repo/refs/head.js';
import { parseRefName, shownRef } from '../../../storage/repo/refs/ref-name.js';
import type { MoveReason } from '../../../storage/repo/refs/reflog.js';
import type { StagedModel } from '../../../storage/repo/staging/staging.js';
import type { FilePage } from '../../../storage/repo/version/file-page.js';
import type { LineAccess } from '../access.js';
import { stagedChanges } from '../commit/staged-changes.js';
import { asSeen, moveLine, sameFile, stagedEntriesOf } from '../commit/staged-version.js';
import { deletionReason, renamingReason } from '../lines/moves.js';
import type { LineMoves, Lines } from '../lines/together.js';
import { Describer } from '../versions.js';
import { pageWithout, type RewrittenVersion } from './rewrite-versions.js';

/** A model that gets another name. */
export interface ModelRename {
  from: string;
  to: string;
}

export interface MoveOptions {
  rename?: ModelRename;
  /** Drops staged changes of versions that are forgotten and of files that are left out. */
  force: boolean;
  reason: string;
}

/**
 * What moves. Staging is changed in `lines`.
 * @throws {ConflictError} unless forced, if changes that are staged would be lost.
 */
export async function moveLines(
  repo: LineAccess,
  lines: Lines,
  rewritten: ReadonlyMap<Id, RewrittenVersion>,
  options: MoveOptions,
): Promise<Required<Pick<LineMoves, 'refs' | 'head'>>> {
  const mover = new Mover(repo, lines, rewritten, options);
  const refs = await mover.refs();
  const head = await mover.head();
  await mover.staging();
  return { refs, head };
}

class Mover {
  readonly #repo: LineAccess;
  readonly #lines: Lines;
  readonly #rewritten: ReadonlyMap<Id, RewrittenVersion>;
  readonly #options: MoveOptions;
  /** New id → the one before. */
  readonly #olds = new Map<Id, Id>();

  constructor(
    repo: LineAccess,
    lines: Lines,
    rewritten: ReadonlyMap<Id, RewrittenVersion>,
    options: MoveOptions,
  ) {
    this.#repo = repo;
    this.#lines = lines;
    this.#rewritten = rewritten;
    this.#options = options;
    for (const { id, becomes } of rewritten.values())
      if (becomes !== null) this.#olds.set(becomes, id);
  }

  /** Where something that names a version goes: to its place, or to a parent of the same model. */
  async #placeOf(id: Id): Promise<Id | null> {
    const found = this.#rewritten.get(id);
    if (found === undefined) return id;
    if (found.becomes !== null) return found.becomes;
    const [parent] = found.parents;
    if (parent === undefined) return null;
    const { model } = await this.#repo.version(this.#olds.get(parent) ?? parent);
    return model === (await this.#repo.version(id)).model ? parent : null;
  }

  #nameOf(name: string): string {
    const { rename } = this.#options;
    if (rename === undefined) return name;
    const [, kind, tail] = /^refs\/(heads|stash)\/[^/]+\/(.+)$/.exec(name) ?? [];
    const place = parseRefName(name);
    const isOf = (place?.kind === 'head' || place?.kind === 'stash') && place.model === rename.from;
    return isOf ? `refs/${kind}/${rename.to}/${tail}` : name;
  }

  async refs(): Promise<RefMove[]> {
    const moves: RefMove[] = [];
    for (const { name, id } of this.#lines.refs) {
      const place = parseRefName(name);
      if (place?.kind === 'remote') continue;
      const isTag = place?.kind === 'tag';
      // A tag is a name for one version: it never goes to another that says something else.
      const isForgotten = this.#rewritten.get(id)?.becomes === null;
      const after = isTag && isForgotten ? null : await this.#placeOf(id);
      const next = this.#nameOf(name);
      const shown = isTag ? place.tag : shownRef(name);
      const what = isTag ? 'tag' : place?.kind === 'stash' ? 'stash' : 'branch';
      const reason = deletionReason(what, shown);
      if (next !== name && what !== 'tag') {
        const reason = renamingReason(what, shown, shownRef(next));
        moves.push({ name: next, before: null, after }, { name, before: id, after: null, reason });
      } else if (after !== id) {
        moves.push({ name, before: id, after, ...(after === null ? { reason } : {}) });
      }
    }
    return moves;
  }

  async head(): Promise<Head> {
    const { head } = this.#lines;
    const { rename } = this.#options;
    const model = rename?.from === head.model ? rename.to : head.model;
    if (head.kind === 'branch') return { ...head, model };
    const id = await this.#placeOf(head.id);
    if (id !== null) return { kind: 'detached', model, id };
    throw new ConflictError(
      'HEAD is at the version that is forgotten, and nothing comes before it',
      {
        version: head.id,
        hint: "switch to another branch first: 'dlv switch <branch>'",
      },
    );
  }

  async staging(): Promise<void> {
    const { staging } = this.#lines;
    for (const line of staging.models()) {
      await this.#line(line);
      const { rename } = this.#options;
      if (line.model === rename?.from) this.#renameLine(line, rename.to);
    }
  }

  #renameLine(line: StagedModel, to: string): void {
    const { staging } = this.#lines;
    const entries = staging.entries(line.model);
    staging.drop(line.model);
    const renamed = staging.open(to, line.branch);
    const { base, otherParents, sets } = line;
    Object.assign(renamed, { base, otherParents, sets });
    for (const entry of entries) staging.put(to, entry);
  }

  async #line(line: StagedModel): Promise<void> {
    const parents: Id[] = [];
    for (const id of line.otherParents) {
      const place = await this.#placeOf(id);
      if (place !== null) parents.push(place);
    }
    line.otherParents = parents;
    const found = line.base === null ? undefined : this.#rewritten.get(line.base);
    if (found === undefined) return;
    if (found.becomes === null) await this.#leaveForgotten(line, found.id);
    else {
      line.base = found.becomes;
      await this.#untrack(line.model, found);
    }
  }

  /** The line is before the version that is forgotten; work files stay as they are. */
  async #leaveForgotten(line: StagedModel, forgotten: Id): Promise<void> {
    const { staging } = this.#lines;
    const { model, branch } = line;
    const entries = staging.entries(model);
    const at = { model, branch, tip: forgotten };
    const changes = await stagedChanges(this.#repo, at, entries);
    if (changes.length > 0 && !this.#options.force) {
      throw new ConflictError(`'${model}' has staged changes to the version that is forgotten`, {
        model,
        paths: changes.map(({ path }) => path),
        hint: "commit them, or unstage them with 'dlv reset'; --force drops them",
      });
    }
    const place = await this.#placeOf(forgotten);
    const tree = place === null ? { files: [], snapshots: [] } : await this.#treeOf(place);
    const kept = asSeen(await stagedEntriesOf(this.#repo, tree, staging), staging, model);
    moveLine(staging, model, { version: place, branch, entries: kept });
  }

  /** Files of a version that is not stored yet, as they can be read now. */
  async #treeOf(id: Id): Promise<FilePage> {
    const old = this.#olds.get(id);
    if (old === undefined) return this.#repo.tree(id);
    const leftOut = this.#rewritten.get(old)?.leftOut ?? new Set<string>();
    return pageWithout(await this.#repo.tree(old), leftOut);
  }

  /** Files that are left out are not tracked any more; they stay in the work tree. */
  async #untrack(model: string, { id, leftOut }: RewrittenVersion): Promise<void> {
    if (leftOut.size === 0) return;
    const { staging } = this.#lines;
    const { files } = await this.#repo.tree(id);
    for (const file of files) {
      const entry = leftOut.has(file.path) ? staging.entry(file.path) : null;
      if (entry === null || staging.ownerOf(file.path) !== model) continue;
      if (!sameFile(entry, file) && !this.#options.force) {
        throw new ConflictError(`'${file.path}' has staged changes`, {
          path: file.path,
          hint: `unstage them with 'dlv restore --staged ${file.path}'; --force drops them`,
        });
      }
      staging.remove(file.path);
    }
  }
}

/** What became of the versions, for the list of those that are gone. */
export async function goneVersions(
  repo: LineAccess,
  rewritten: ReadonlyMap<Id, RewrittenVersion>,
  why: MoveReason,
): Promise<GoneVersion[]> {
  const describer = new Describer(repo);
  const gone: GoneVersion[] = [];
  for (const { id, becomes, leftOut } of rewritten.values()) {
    const { model } = await repo.version(id);
    const fate = becomes === null ? 'forgotten' : leftOut.size > 0 ? 'changed' : 'moved';
    gone.push({ id, becomes, fate, name: `${model}@${await describer.number(id)}`, ...why });
  }
  return gone;
}
