/** Facts of versions, from the catalog where it has them, else from the versions. */
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
import { readRows, writeRows } from './rows.js';

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
  readonly #known = new Map<Id, VersionFacts>();
  readonly #missing = new Map<Id, Uint8Array>();
  #rows: Promise<Map<Id, Uint8Array>> | null = null;

  constructor(source: CatalogSource) {
    this.#source = source;
  }

  /** @throws {NotFoundError} {CorruptError} for a version that is not in the catalog. */
  async facts(id: Id): Promise<VersionFacts> {
    const known = this.#known.get(id);
    if (known !== undefined) return known;
    this.#rows ??= readRows(this.#source.layout.versionRows);
    const row = (await this.#rows).get(id);
    const facts = (row && decodeFacts(id, row)) ?? (await this.#read(id));
    this.#known.set(id, facts);
    return facts;
  }

  async #read(id: Id): Promise<VersionFacts> {
    const version = await this.#source.version(id);
    const facts = factsOf(id, version, await this.#source.contentOf(version));
    this.#missing.set(id, encodeFacts(id, facts));
    return facts;
  }

  /** Writes what was missing, if it is worth that. Never fails. */
  async save(): Promise<void> {
    if (this.#missing.size < MISSING_MIN) return;
    await writeRows(this.#source.layout.versionRows, this.#missing);
    this.#missing.clear();
  }
}
