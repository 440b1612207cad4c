/**
 * What fsck checks in a repository that can be opened: its pack sets and the objects that it needs.
 */

import { type Id, isId } from '../../base/bytes/hash.js';
import { counted } from '../../base/bytes/words/wording.js';
import { isUnreadable } from '../../base/errors.js';
import { findLostNotes, GIVEN_UP } from '../objects/tiers.js';
import { readNumbers } from '../repo/numbers.js';
import { notesRefName } from '../repo/refs/ref-name.js';
import { listNotedVersions } from '../repo/refs/refs.js';
import { unlistedSets } from '../upkeep/leftovers.js';
import { findReachable } from '../upkeep/needed.js';
import type { BrokenLink, Reachable } from '../upkeep/reachable.js';
import { addAffected } from './affected-files.js';
import { checkFiles } from './check-files.js';
import { checkBlobs, checkExtents } from './check-objects.js';
import { type CheckedRepository, type CheckParts, SetCheck } from './check-sets.js';
import type { CheckedState } from './check-state.js';
import {
  type Findings,
  type FsckChecked,
  type FsckOptions,
  type FsckProblem,
  problemOf,
  REMEDY,
  remedyOf,
} from './report.js';
import type { Suspect } from './wrong-records.js';

export class Check {
  readonly #repo: CheckedRepository;
  readonly #state: CheckedState;
  readonly #findings: Findings;
  readonly #checked: FsckChecked;
  readonly #sets: SetCheck;
  readonly #options: FsckOptions;

  constructor(parts: CheckParts) {
    const { repo, state, findings, checked, options } = parts;
    this.#repo = repo;
    this.#state = state;
    this.#findings = findings;
    this.#checked = checked;
    this.#sets = new SetCheck(parts);
    this.#options = options;
  }

  async run(): Promise<void> {
    const isBlind = await this.#sets.run();
    const { layout, store } = this.#repo;
    const { length: unlisted } = await unlistedSets(layout, store.sets());
    if (isBlind) {
      this.#findings.information.push(
        "an index cannot be used, so no object was checked: run 'dlv fsck' again after the rebuild",
      );
      return;
    }
    await this.#objects();
    if (unlisted > 0) this.#tellUnlisted(unlisted);
  }

  /** Sets of interrupted commands; or, where anything is missing, perhaps those that an older manifest does not know. */
  #tellUnlisted(count: number): void {
    const sets = counted(count, 'pack set is', 'pack sets are');
    const lost = this.#findings.problems.filter(({ kind }) => kind === 'missing');
    if (lost.length === 0) {
      this.#findings.details.push(
        `${sets} not listed, as interrupted commands leave them; 'dlv gc' removes them`,
      );
      return;
    }
    const lists = `${REMEDY.rebuild}: it lists pack sets again that 'manifest' does not name`;
    const remedy = `${lists}; what is in none of them is only in a backup or a clone`;
    for (const problem of lost) if (problem.remedy === REMEDY.version) problem.remedy = remedy;
    this.#findings.add(
      problemOf({
        ...{ kind: 'damaged', area: 'pack', file: 'manifest', remedy },
        message: `${sets} not listed by 'manifest', as where an older one was put back`,
      }),
    );
  }

  async #objects(): Promise<void> {
    const { staging } = this.#state;
    const { signal } = this.#options;
    const abort = signal ? { signal } : {};
    const broken: BrokenLink[] = [];
    const reachable = await findReachable(this.#repo, {
      staging,
      reflogSince: this.#reflogSince(),
      onBroken: (link) => broken.push(link),
      onMissingMember: (version, key, path) => this.#addMissingMember(version, key, path),
      ...abort,
    });
    const onBytes = (count: number) => this.#options.onBytes?.(count);
    const onSuspect = (suspect: Suspect) => this.#options.onSuspect?.(suspect);
    const how = { onBytes, onSuspect, ...abort };
    this.#options.onStart?.('checking objects', this.#checked.packBytes);
    await this.#forgetHidden();
    await checkBlobs(this.#repo, reachable.blobs, this.#findings, how);
    await checkExtents(this.#repo, reachable.extents, this.#findings, how);
    for (const link of broken) this.#addBroken(link);
    this.#addLostRefs();
    this.#checked.versions = reachable.versions.size;
    this.#checked.blobs = reachable.blobs.size;
    this.#checked.extents = reachable.extents.size;
    await addAffected(
      this.#repo,
      this.#findings.list,
      { versions: reachable.versions, staging },
      signal,
    );
    for (const problem of this.#findings.problems) nameLostVersions(problem);
    await this.#tiers(reachable);
    await this.#numbers(reachable);
    if (this.#options.files) await this.#files(reachable);
    await this.#countGarbage(reachable);
  }

  /** A record that is damaged where another set holds the live one affects nothing. */
  async #forgetHidden(): Promise<void> {
    const { store } = this.#repo;
    for (const { problem, objects } of this.#findings.list) {
      const set = /^packs\/([0-9a-f]{32})\./.exec(problem.file ?? '')?.[1];
      if (set === undefined) continue;
      for (const { object, segment } of problem.places) {
        if (object === null) continue;
        const find =
          segment === null ? store.findBlob(object) : store.here.findSegment(object, segment);
        if ((await find)?.set !== set) objects.delete(object);
      }
    }
  }

  /** Finds versions whose numbers could be given again. The marks are read after what they bound. */
  async #numbers(reachable: Reachable): Promise<void> {
    const given = new Map<string, { number: number; id: Id }>();
    for (const id of reachable.versions) {
      const version = await this.#repo.version(id).catch((error: unknown) => {
        if (isUnreadable(error)) return null; // found before
        throw error;
      });
      if (version === null || version.number === null) continue;
      const { model, number } = version;
      if (number > (given.get(model)?.number ?? 0)) given.set(model, { number, id });
    }
    const marks = await readNumbers(this.#repo.layout).catch((error: unknown) => {
      if (isUnreadable(error)) return null; // found before
      throw error;
    });
    if (marks === null) return;
    for (const [model, { number, id }] of given) {
      const highest = marks.get(model)?.highest ?? 0;
      if (highest >= number) continue;
      const message =
        `'numbers' says that the highest number of model '${model}' is ${highest}, ` +
        `but version ${id.slice(0, 10)} has ${number}`;
      const where = { area: 'state', file: 'numbers' } as const;
      this.#findings.add(problemOf({ kind: 'damaged', ...where, message, remedy: REMEDY.rebuild }));
    }
  }

  /** Says which versions are not exact, and finds tier notes that their refs have lost. */
  async #tiers(reachable: Reachable): Promise<void> {
    const labels = new Map<string, number>();
    for (const version of await listNotedVersions(this.#repo.layout)) {
      if (!reachable.versions.has(version)) continue;
      const label = await this.#repo.tier(version).then(
        (tier) => tier?.label,
        (error: unknown) => {
          if (isUnreadable(error)) return undefined; // found before
          throw error;
        },
      );
      if (label !== undefined) labels.set(label, (labels.get(label) ?? 0) + 1);
    }
    for (const [label, count] of labels) {
      this.#findings.information.push(
        label === GIVEN_UP
          ? `files of ${counted(count, 'version', 'versions')} were given up`
          : `${counted(count, 'version is', 'versions are')} kept as ${label}: exact bytes were given up`,
      );
    }
    if (!this.#findings.problems.some(({ kind }) => kind === 'missing')) return;
    for (const [version, notes] of await findLostNotes(this.#repo)) {
      if (!reachable.versions.has(version)) continue;
      const name = notesRefName(version);
      const message = `'${name}' does not list ${notes.length} of the tiers of its version`;
      this.#findings.add(
        problemOf({ kind: 'missing', area: 'ref', file: name, message, remedy: REMEDY.rebuild }),
      );
    }
  }

  /** As gc: what an older reflog line names may have been dropped in part. */
  #reflogSince(): number {
    return Date.now() - this.#repo.config.get('gc.graceDays') * 24 * 60 * 60 * 1000;
  }

  /** Damage that the checks of single objects cannot see: bytes that are whole and mean nothing. */
  #addBroken(link: BrokenLink): void {
    const findings = this.#findings;
    // Counted with the objects.
    if (link.what === 'promised') return;
    if (link.kind === 'ref' || link.kind === 'staging') {
      const isKnown = findings.list.some(({ problem }) => problem.file?.endsWith(link.name));
      if (!isKnown) {
        findings.add(
          problemOf({
            kind: link.what,
            area: link.kind,
            file: link.name,
            message: link.message,
            remedy: REMEDY.rebuild,
          }),
        );
      }
      return;
    }
    if (findings.of(link.name as never) !== undefined) return;
    if (link.version !== null && findings.of(link.version) !== undefined) return;
    const finding = findings.add(
      problemOf({
        kind: link.what,
        area: 'object',
        file: null,
        message: link.message,
        remedy: remedyOf(link.what, null),
      }),
      isId(link.name) ? [link.name] : [],
    );
    finding.problem.affects.push({ version: link.version, path: link.path });
    finding.problem.affectedFiles = 1;
  }

  /** Refs, and HEAD, whose version cannot be read. */
  #addLostRefs(): void {
    const { head, refs } = this.#state;
    const named = new Map(refs);
    if (head?.kind === 'detached') named.set('HEAD', head.id);
    for (const [name, id] of named) {
      const found = this.#findings.of(id)?.problem;
      if (found === undefined) continue;
      const message = `'${name}' names version ${id}, which cannot be read`;
      const remedy = found.kind === 'newer' ? REMEDY.upgrade : REMEDY.rebuild;
      this.#findings.add(problemOf({ kind: found.kind, area: 'ref', file: name, message, remedy }));
    }
  }

  #addMissingMember(version: Id, key: string, path: string): void {
    const message = `snapshot '${key}' of version ${version} names '${path}', which the version lacks`;
    const remedy = 'the version stays as it is: commit the file in a new one';
    const { problem } = this.#findings.add(
      problemOf({ kind: 'missing', area: 'version', file: null, message, remedy }),
    );
    problem.affects.push({ version, path });
    problem.affectedFiles = 1;
  }

  async #files(reachable: Reachable): Promise<void> {
    this.#checked.files = await checkFiles(
      this.#repo,
      { versions: reachable.versions, staging: this.#state.staging },
      this.#findings,
      this.#options,
    );
  }

  async #countGarbage(reachable: Reachable): Promise<void> {
    let garbage = 0;
    let hidden = 0;
    for await (const { entry, live } of this.#repo.store.records()) {
      const isNeeded =
        'kind' in entry ? reachable.blobs.has(entry.id) : reachable.extents.has(entry.id);
      if (!live) hidden++;
      else if (!isNeeded) garbage++;
    }
    if (garbage + hidden > 0) {
      this.#findings.details.push(
        `${counted(garbage, 'object is', 'objects are')} in no version (bases of others among them), ` +
          `${counted(hidden, 'is', 'are')} stored twice`,
      );
    }
  }
}

/** A damaged pack that held versions themselves: files added again do not bring those back. */
function nameLostVersions(problem: FsckProblem): void {
  const isWhole = problem.affects.some(({ version, path }) => version !== null && path === null);
  if (problem.area !== 'pack' || !isWhole) return;
  problem.remedy = `${REMEDY.version}; for files, ${REMEDY.add}`;
}
