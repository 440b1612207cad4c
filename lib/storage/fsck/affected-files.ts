/** Finds the versions and files that cannot be rebuilt because of what is broken. */

import { throwIfAborted } from '../../base/bytes/abort.js';
import type { Id } from '../../base/bytes/hash.js';
import { isUnreadable } from '../../base/errors.js';
import type { ReadAccess } from '../objects/access.js';
import { namedObjects, openStoredFile } from '../objects/stored/stored-file.js';
import { readPages } from '../repo/version/file-tree.js';
import type { NamedFile } from '../upkeep/reachable.js';
import { AFFECTED_MAX, type Affected, type Finding, type NamedFiles } from './report.js';

/** Adds to each finding the files that need one of its objects. Reads recipes, no data. */
export async function addAffected(
  repo: ReadAccess,
  findings: readonly Finding[],
  { versions, staging }: NamedFiles,
  signal?: AbortSignal,
): Promise<void> {
  const search = new Search(
    repo,
    findings.filter((finding) => finding.objects.size > 0),
  );
  if (search.findings.length === 0) return;
  for (const version of versions) {
    throwIfAborted(signal);
    await search.version(version);
  }
  for (const line of staging.models()) {
    for (const file of staging.entries(line.model)) await search.file(file, null);
  }
}

class Search {
  readonly findings: readonly Finding[];
  readonly #repo: ReadAccess;
  /** Findings that each file meets, by id of its recipe: versions share most of their files. */
  readonly #met = new Map<Id, Finding[]>();

  constructor(repo: ReadAccess, findings: readonly Finding[]) {
    this.#repo = repo;
    this.findings = findings;
  }

  #add(finding: Finding, affected: Affected): void {
    const { problem } = finding;
    const { affects } = problem;
    const { version, path } = affected;
    if (affects.some((known) => known.version === version && known.path === path)) return;
    problem.affectedFiles++;
    if (affects.length < AFFECTED_MAX) affects.push(affected);
  }

  #meet(ids: Iterable<Id>): Finding[] {
    const met = new Set<Finding>();
    for (const id of ids) {
      for (const finding of this.findings) if (finding.objects.has(id)) met.add(finding);
    }
    return [...met];
  }

  async version(id: Id): Promise<void> {
    const whole = { version: id, path: null };
    for (const finding of this.#meet([id])) this.#add(finding, whole);
    try {
      const version = await this.#repo.version(id);
      const parts = [
        ...version.tree.pages.map((page) => page.id),
        ...version.logs.map((l) => l.id),
      ];
      for (const finding of this.#meet(parts)) this.#add(finding, whole);
      const tier = await this.#repo.tier(id);
      for await (const page of readPages(version.tree, this.#repo)) {
        for (const file of page.files) {
          const entry = tier?.entryOf(file) ?? file;
          if (entry.tombstone === undefined) await this.file(entry, id);
        }
      }
    } catch (error) {
      // What keeps it from being read is one of the findings.
      if (!isUnreadable(error)) throw error;
    }
  }

  async file(file: NamedFile, version: Id | null): Promise<void> {
    const { id } = file.recipe;
    let met = this.#met.get(id);
    if (met === undefined) {
      met = await this.#findingsOf(file);
      this.#met.set(id, met);
    }
    for (const finding of met) this.#add(finding, { version, path: file.path });
  }

  async #findingsOf(file: NamedFile): Promise<Finding[]> {
    const ids = new Set<Id>([file.recipe.id]);
    try {
      for (const object of namedObjects(await openStoredFile(this.#repo, file))) ids.add(object.id);
    } catch (error) {
      if (!isUnreadable(error)) throw error;
      const { data } = error;
      const named = data.id ?? data.name;
      if (typeof named === 'string') ids.add(named as Id);
      const text = /[0-9a-f]{64}/.exec(String(data.file ?? ''))?.[0];
      if (text !== undefined) ids.add(text as Id);
    }
    return this.#meet(ids);
  }
}
