/** Checks the pack sets that are listed: every byte of them, while other commands may list and retire sets. */
import { throwIfAborted } from '../../base/bytes/abort.js';
import { isMissing } from '../../base/files/files.js';
import type { ReadAccess, SettingAccess } from '../objects/access.js';
import type { Backend } from '../store/backends/backend.js';
import { packName } from '../store/names.js';
import { absentBytes } from '../store/promised.js';
import {
  type PlaneClass,
  type Problem,
  type SetId,
  type SetInfo,
  setBytes,
} from '../store/types.js';
import { verifySet } from '../store/verify.js';
import type { CheckedState } from './check-state.js';
import { type Findings, type FsckChecked, type FsckOptions, problemOf, REMEDY } from './report.js';

/** What fsck is handed of a repository. */
export interface CheckedRepository extends ReadAccess, SettingAccess {
  close(): Promise<void>;
}

/** What a check works on and where it puts what it finds. */
export interface CheckParts {
  repo: CheckedRepository;
  state: CheckedState;
  findings: Findings;
  checked: FsckChecked;
  /** Sets that are known to be sound; sound ones are added. */
  sound: Set<SetId>;
  options: FsckOptions;
}

/** Times that sets are looked for which other commands listed since: each time they are few. */
const ROUNDS = 8;

export class SetCheck {
  readonly #repo: CheckedRepository;
  readonly #findings: Findings;
  readonly #checked: FsckChecked;
  readonly #sound: Set<SetId>;
  readonly #options: FsckOptions;
  /** True once an idx was found that cannot be used. */
  #isBlind = false;

  constructor({ repo, findings, checked, sound, options }: CheckParts) {
    this.#repo = repo;
    this.#findings = findings;
    this.#checked = checked;
    this.#sound = sound;
    this.#options = options;
  }

  /**
   * Checks the listed sets, and those that other commands list meanwhile.
   * @returns true if an idx cannot be used: nothing can be looked up then.
   */
  async run(): Promise<boolean> {
    const { store } = this.#repo;
    const total = store.sets().reduce((sum, info) => sum + setBytes(info), 0);
    this.#options.onStart?.('checking packs', total);
    const met = new Set<SetId>();
    for (let round = 0; round < ROUNDS; round++) {
      const fresh = store.sets().filter((info) => !met.has(info.id));
      if (fresh.length === 0) break;
      for (const info of fresh) {
        throwIfAborted(this.#options.signal);
        met.add(info.id);
        if (!(await this.#set(info))) continue;
        this.#checked.sets++;
        this.#checked.packBytes += setBytes(info) - absentBytes(store.promised, info);
        this.#options.onBytes?.(setBytes(info));
      }
      await store.reload();
    }
    return this.#isBlind;
  }

  /** @returns false if the set was taken from the list meanwhile: what its files are says nothing then. */
  async #set(info: SetInfo): Promise<boolean> {
    if (this.#sound.has(info.id)) return true;
    const { store } = this.#repo;
    for (;;) {
      const absent = store.promised?.absent(info.id) ?? [];
      const problems = await problemsOf(store.backend, info, absent);
      if (problems?.length === 0) {
        this.#sound.add(info.id);
        return true;
      }
      await store.renew();
      if (!store.sets().some(({ id }) => id === info.id)) return false;
      // Gone while it was opened, and listed: another look says which file is missing.
      if (problems === null) continue;
      // Left to a remote meanwhile.
      if ((store.promised?.absent(info.id) ?? []).length !== absent.length) continue;
      for (const problem of problems) this.#pack(problem, info);
      return true;
    }
  }

  #pack(found: Problem, info: SetInfo): void {
    const isIndex = found.file === packName(info.id, 'idx');
    if (isIndex) this.#isBlind = true;
    const kind = found.what === 'missing-file' ? 'missing' : 'damaged';
    const remedy = isIndex ? REMEDY.rebuild : REMEDY.restore;
    const problem = problemOf({
      kind,
      area: 'pack',
      file: found.file,
      message: found.message,
      remedy,
    });
    this.#findings.addPlace(problem, {
      offset: found.offset ?? null,
      object: found.blob ?? found.extent ?? null,
      segment: found.segment ?? null,
    });
  }
}

/** What is wrong with a set; null if a file vanished while it was opened. */
async function problemsOf(
  backend: Backend,
  info: SetInfo,
  absent: readonly PlaneClass[],
): Promise<Problem[] | null> {
  const problems: Problem[] = [];
  try {
    for await (const problem of verifySet(backend, info, absent)) problems.push(problem);
    return problems;
  } catch (error) {
    if (isMissing(error)) return null;
    throw error;
  }
}
