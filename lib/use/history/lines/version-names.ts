/** Names of versions: `model@n`, or a longer name if several versions have the number. */
import type { Id } from '../../../base/bytes/hash.js';
import { isDamage } from '../../../base/errors.js';
import type { ReadAccess } from '../../../storage/objects/access.js';
import { type NumberMarks, readNumbers } from '../../../storage/repo/numbers.js';
import { namesOnLines } from '../../../storage/repo/refs/lines-of-branches.js';
import {
  deletedStashes,
  formerStashes,
  stashedVersions,
  versionsOnRefs,
} from '../../../storage/repo/refs/named-versions.js';
import {
  type NumberSource,
  NumberWalk,
  VersionNumbers,
} from '../../../storage/repo/refs/version-numbers.js';
import { shortId } from '../../../storage/repo/version/short-id.js';

/** Names of versions of one repository; keeps what it learned. */
export class VersionNames {
  readonly #repo: Pick<ReadAccess, 'layout'>;
  readonly #source: NumberSource;
  readonly #numbers: VersionNumbers;
  #marks: Promise<NumberMarks | null> | null = null;
  /** Versions that refs of lines reach, by `model@n`; read only where a number may be shared. */
  #owners: Promise<Map<string, Set<Id>>> | null = null;
  #deletedStashes: Promise<Set<Id>> | null = null;
  #stashes: Promise<Set<Id>> | null = null;
  readonly #onLines = new Map<string, Promise<Map<Id, string>>>();

  /** @param read  gives what names need of a version; default: the version itself. */
  constructor(repo: ReadAccess, read: NumberSource['readVersion'] = (id) => repo.version(id)) {
    this.#repo = repo;
    this.#source = { layout: repo.layout, readVersion: read };
    this.#numbers = new VersionNumbers(read);
  }

  /** n of `model@n`. */
  number(id: Id): Promise<number> {
    return this.#numbers.of(id);
  }

  /** A revision that names the version, whatever HEAD is on. */
  async name(id: Id): Promise<string> {
    const { model } = await this.#source.readVersion(id);
    const number = await this.number(id);
    const plain = `${model}@${number}`;
    if (await this.#isAside(id, plain)) return shortId(id);
    if (await this.#isUnique(model, number)) return plain;
    const owners = (await this.#readOwners()).get(plain) ?? new Set();
    // Of versions that only reflogs remember one with a number of its own has its name.
    if (owners.size === 0 || (owners.size === 1 && owners.has(id))) return plain;
    return (await this.#namesOnLines(model)).get(id) ?? shortId(id);
  }

  /**
   * True for work that is or was put aside, unless a ref or a reflog of a line has it as a version: a version
   * that another clone made may have its number.
   */
  async #isAside(id: Id, plain: string): Promise<boolean> {
    const { layout } = this.#repo;
    this.#stashes ??= stashedVersions(layout);
    if ((await this.#stashes).has(id)) return !(await this.#readOwners()).get(plain)?.has(id);
    this.#deletedStashes ??= deletedStashes(layout);
    if (!(await this.#deletedStashes).has(id)) return false;
    if ((await this.#readOwners()).get(plain)?.has(id)) return false;
    return (await formerStashes(layout)).has(id);
  }

  /** True if the marks say that no other version here has the number. */
  async #isUnique(model: string, number: number): Promise<boolean> {
    this.#marks ??= readNumbers(this.#repo.layout).catch((error: unknown) => {
      if (!isDamage(error)) throw error;
      return null;
    });
    const mark = (await this.#marks)?.get(model);
    return mark !== undefined && number > mark.shared;
  }

  #readOwners(): Promise<Map<string, Set<Id>>> {
    this.#owners ??= (async () => {
      const owners = new Map<string, Set<Id>>();
      const walk = new NumberWalk(this.#source, this.#numbers);
      for await (const found of walk.from(await versionsOnRefs(this.#repo.layout))) {
        const key = `${found.model}@${found.number}`;
        const ids = owners.get(key);
        if (ids === undefined) owners.set(key, new Set([found.id]));
        else ids.add(found.id);
      }
      return owners;
    })();
    return this.#owners;
  }

  #namesOnLines(model: string): Promise<Map<Id, string>> {
    let names = this.#onLines.get(model);
    if (names === undefined) {
      names = this.#readOwners().then((owners) => {
        const shared = new Set<Id>();
        for (const [name, ids] of owners) {
          if (!name.startsWith(`${model}@`) || ids.size === 1) continue;
          for (const id of ids) shared.add(id);
        }
        // A branch of a remote may be replaced by whoever pushes there: its names would mean other versions then.
        return namesOnLines(this.#source, model, { ids: shared, remotes: false });
      });
      this.#onLines.set(model, names);
    }
    return names;
  }
}
