/** Facts and objects of versions, from the catalog where it has them, else from the versions. */
import type { Id } from '../../base/bytes/hash.js';
import type { Layout } from '../../storage/repo/layout.js';
import type { Version } from '../../storage/repo/version/version.js';
import {
  decodeFacts,
  encodeFacts,
  factsOf,
  type VersionContent,
  type VersionFacts,
} from './facts.js';
import { decodeNeeds, encodeNeeds, type ObjectNeed } from './needs.js';
import { type CatalogRows, readRows, writeRows } from './rows.js';

/** What the catalog is made of. */
export interface CatalogSource {
  readonly layout: Layout;
  /** @throws {NotFoundError} {CorruptError} */
  version(id: Id): Promise<Version>;
  /** What only its files say. */
  contentOf(version: Version): Promise<VersionContent>;
}

/** Rows that must be missing before the catalog is written: opening it costs what reading some costs. */
const MISSING_MIN = 32;

export class VersionCatalog {
  readonly #source: CatalogSource;
  readonly #isForNeeds: boolean;
  readonly #known = new Map<Id, VersionFacts>();
  readonly #missing: CatalogRows = { facts: new Map(), needs: new Map() };
  #rows: Promise<CatalogRows> | null = null;

  /** @param needs  whether the objects of versions will be asked for, too. */
  constructor(source: CatalogSource, { needs = false }: { needs?: boolean } = {}) {
    this.#source = source;
    this.#isForNeeds = needs;
  }

  #read(): Promise<CatalogRows> {
    this.#rows ??= readRows(this.#source.layout.versionRows, { needs: this.#isForNeeds });
    return this.#rows;
  }

  /** @throws {NotFoundError} {CorruptError} for a version that is not in the catalog. */
  async facts(id: Id): Promise<VersionFacts> {
    const known = this.#known.get(id);
    if (known !== undefined) return known;
    const row = (await this.#read()).facts.get(id);
    const facts = (row && decodeFacts(id, row)) ?? (await this.#factsOf(id));
    this.#known.set(id, facts);
    return facts;
  }

  async #factsOf(id: Id): Promise<VersionFacts> {
    const version = await this.#source.version(id);
    const facts = factsOf(id, version, await this.#source.contentOf(version));
    this.#missing.facts.set(id, encodeFacts(id, facts));
    return facts;
  }

  /**
   * Objects that a version names and its first parent does not.
   * @param find  finds them if the catalog does not have them; null where the answer may be another one later.
   */
  async needs(
    id: Id,
    find: () => Promise<ObjectNeed[] | null>,
  ): Promise<readonly ObjectNeed[] | null> {
    const row = (await this.#read()).needs.get(id);
    const known = row && decodeNeeds(id, row);
    if (known) return known;
    const needs = await find();
    const missing = needs && encodeNeeds(id, needs);
    if (missing) this.#missing.needs.set(id, missing);
    return needs;
  }

  /** Writes what was missing, if it is worth that. Never fails. */
  async save(): Promise<void> {
    const { facts, needs } = this.#missing;
    if (Math.max(facts.size, needs.size) < MISSING_MIN) return;
    await writeRows(this.#source.layout.versionRows, this.#missing);
    facts.clear();
    needs.clear();
  }
}
