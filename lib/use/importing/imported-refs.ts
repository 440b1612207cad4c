/** Branches and tags of a history that is taken, as those of a model. */
import type { Id } from '../../base/bytes/hash.js';
import type { RepositoryLock } from '../../storage/repo/processes/lock.js';
import {
  branchRefName,
  refNameProblem,
  takenByRevision,
} from '../../storage/repo/refs/ref-name.js';
import { listRefs, updateRef } from '../../storage/repo/refs/refs.js';
import type { StoreAccess } from '../history/access.js';
import { moveReason } from '../history/lines/moves.js';

export interface RefsTarget {
  model: string;
  /** What reflogs call the source. */
  kind: string;
  dryRun: boolean;
}

/** Moves refs. Names that dlv cannot have are left out, and told. */
export class ImportedRefs {
  readonly branches: { branch: string; version: Id | null }[] = [];
  readonly tags: { tag: string; version: Id | null }[] = [];
  readonly problems: string[] = [];
  /** Where the branches of the model are. */
  readonly #tips: Map<string, Id>;
  readonly #repo: StoreAccess;
  readonly #target: RefsTarget;

  constructor(repo: StoreAccess, target: RefsTarget, tips: ReadonlyMap<string, Id>) {
    this.#repo = repo;
    this.#target = target;
    this.#tips = new Map(tips);
  }

  /** Moves a branch on to a version that was made just now; one that is elsewhere waits for the end. */
  async follow(lock: RepositoryLock, branch: string, id: Id, parent: Id | null): Promise<void> {
    if (nameProblem(branch) !== null) return;
    const tip = this.#tips.get(branch);
    if (tip === undefined || tip === parent) await this.#move(lock, branch, id);
  }

  async setBranch(branch: string, version: Id | null): Promise<void> {
    const problem = nameProblem(branch);
    if (problem !== null) {
      this.problems.push(`the branch ${JSON.stringify(branch)} is left out: it ${problem}`);
      return;
    }
    this.branches.push({ branch, version });
    if (version === null || this.#target.dryRun || this.#tips.get(branch) === version) return;
    await this.#repo.locked((lock) => this.#move(lock, branch, version));
  }

  async setTag(tag: string, version: Id | null): Promise<void> {
    const problem = nameProblem(tag);
    if (problem !== null) {
      this.problems.push(`the tag ${JSON.stringify(tag)} is left out: it ${problem}`);
      return;
    }
    const name = `refs/tags/${tag}`;
    const there = (await listRefs(this.#repo.layout, 'refs/tags')).find((ref) => ref.name === name);
    this.tags.push({ tag, version });
    if (version === null || there?.id === version) return;
    if (there !== undefined) {
      this.problems.push(`the tag '${tag}' is another version's here, and stays so`);
      return;
    }
    if (this.#target.dryRun) return;
    const why = await this.#why();
    await this.#repo.locked((lock) => updateRef(lock, { name, before: null, after: version, why }));
  }

  async #move(lock: RepositoryLock, branch: string, id: Id): Promise<void> {
    const name = branchRefName(this.#target.model, branch);
    const before = this.#tips.get(branch) ?? null;
    await updateRef(lock, { name, before, after: id, why: await this.#why() });
    this.#tips.set(branch, id);
  }

  #why(): ReturnType<typeof moveReason> {
    return moveReason(this.#repo, `import: from ${this.#target.kind}`);
  }
}

/** Why no new branch or tag may have a name, or null. */
function nameProblem(name: string): string | null {
  return refNameProblem(name) ?? takenByRevision(name);
}
