/**
 * Verifies a repository: state files, pack sets, and everything that versions and staging need.
 *
 * Reads only; `rebuild.ts` mends. Works also on a repository that cannot be opened, as far as that
 * goes. Garbage and leftovers of killed processes are information, not problems. Memory: ids of the
 * needed objects, a set's index while it is read, 96 MiB of planes.
 */

import { isMissing } from '../../base/bytes/files.js';
import { type DlvError, isDamage, isUnreadable } from '../../base/errors.js';
import type { ReadAccess, SettingAccess } from '../objects/access.js';
import { findLostNotes } from '../objects/tiers.js';
import { type Layout, notesRefName } from '../repo/layout.js';
import { listNotedVersions } from '../repo/refs/refs.js';
import { packName } from '../store/pack-format.js';
import type { Problem, SetInfo } from '../store/types.js';
import { verifySet } from '../store/verify.js';
import { addAffected } from './fsck-affected.js';
import { checkFiles } from './fsck-files.js';
import { checkBlobs, checkExtents } from './fsck-objects.js';
import { Findings, type FsckChecked, type FsckProblem, problemOf, REMEDY } from './fsck-report.js';
import { type CheckedState, checkState } from './fsck-state.js';
import { trashBytes, unfinished, unlistedSets } from './leftovers.js';
import { type BrokenLink, findReachable, type Reachable } from './reachable.js';

/** What fsck is handed of a repository. */
export interface CheckedRepository extends ReadAccess, SettingAccess {
  close(): Promise<void>;
}

export interface FsckOptions {
  /** Also rebuilds every distinct file and compares its sha256. */
  files?: boolean;
  onStart?(label: string, totalBytes: number): void;
  onBytes?(count: number): void;
  signal?: AbortSignal;
}

export interface CheckOptions extends FsckOptions {
  /**
   * Opens the repository, one whose format or config may be unreadable as well.
   * @throws {CorruptError} {IoError} if the manifest cannot be read.
   */
  open(layout: Layout): Promise<CheckedRepository>;
}

export interface FsckResult {
  /** True if there are no problems. */
  ok: boolean;
  problems: FsckProblem[];
  /** Sentences about what is no fault. */
  information: string[];
  checked: FsckChecked;
}

/** Verifies the repository at `layout`. @throws {FormatVersionError} {IoError} {AbortedError} */
export async function checkRepository(layout: Layout, options: CheckOptions): Promise<FsckResult> {
  const findings = new Findings();
  const checked: FsckChecked = {
    stateFiles: 0,
    sets: 0,
    packBytes: 0,
    versions: 0,
    blobs: 0,
    extents: 0,
    files: 0,
  };
  const state = await checkState(layout, findings);
  checked.stateFiles = state.files + 1;
  const repo = await openDamaged(layout, findings, options);
  if (repo !== null) {
    try {
      await new Check(repo, state, findings, checked, options).run();
    } finally {
      await repo.close();
    }
  }
  await addLeftovers(layout, findings);
  const { problems, information } = findings;
  return { ok: problems.every((p) => p.kind === 'promised'), problems, information, checked };
}

/** Opens what opens; a manifest that cannot be read leaves only the packs to be looked at. */
async function openDamaged(
  layout: Layout,
  findings: Findings,
  options: CheckOptions,
): Promise<CheckedRepository | null> {
  try {
    return await options.open(layout);
  } catch (error) {
    if (!isDamage(error) && !isMissing(error)) throw error;
    const kind = isMissing(error) ? 'missing' : 'damaged';
    const message = isMissing(error) ? "'manifest' is missing" : (error as DlvError).message;
    findings.add(problemOf(kind, 'manifest', 'manifest', message, REMEDY.rebuild));
    findings.information.push('without the manifest no object can be read, so none was checked');
    return null;
  }
}

async function addLeftovers(layout: Layout, findings: Findings): Promise<void> {
  const trash = await trashBytes(layout);
  if (trash > 0) findings.information.push(`${trash} bytes wait in trash for 'dlv gc'`);
  const left = (await unfinished(layout)).filter((place) => place.state !== 'alive').length;
  if (left > 0) {
    findings.information.push(
      `${left} unfinished files, of processes that ended or cannot be seen from here, wait for 'dlv gc'`,
    );
  }
}

class Check {
  readonly #repo: CheckedRepository;
  readonly #state: CheckedState;
  readonly #findings: Findings;
  readonly #checked: FsckChecked;
  readonly #options: FsckOptions;
  /** Sets whose idx cannot be used: while there is one, nothing can be looked up. */
  #blind = false;

  constructor(
    repo: CheckedRepository,
    state: CheckedState,
    findings: Findings,
    checked: FsckChecked,
    options: FsckOptions,
  ) {
    this.#repo = repo;
    this.#state = state;
    this.#findings = findings;
    this.#checked = checked;
    this.#options = options;
  }

  async run(): Promise<void> {
    await this.#sets();
    const { layout, store } = this.#repo;
    const unlisted = await unlistedSets(layout, store.sets());
    if (unlisted.length > 0) {
      this.#findings.information.push(
        `${unlisted.length} pack sets of interrupted commands are not listed; 'dlv gc' removes them`,
      );
    }
    if (this.#blind) {
      this.#findings.information.push(
        "an index cannot be used, so no object was checked: run 'dlv fsck' again after the rebuild",
      );
      return;
    }
    await this.#objects();
  }

  async #sets(): Promise<void> {
    const { store } = this.#repo;
    const sets = store.sets();
    const bytesOf = (info: SetInfo) => Object.values(info.bytes).reduce((a, b) => a + b, 0);
    const total = sets.reduce((sum, info) => sum + bytesOf(info), 0);
    this.#options.onStart?.('checking packs', total);
    for (const info of sets) {
      this.#options.signal?.throwIfAborted();
      for await (const problem of verifySet(store.backend, info)) await this.#pack(problem, info);
      this.#checked.sets++;
      this.#checked.packBytes += bytesOf(info);
      this.#options.onBytes?.(bytesOf(info));
    }
  }

  async #pack(found: Problem, info: SetInfo): Promise<void> {
    const isIndex = found.file === packName(info.id, 'idx');
    if (isIndex) this.#blind = true;
    const kind = found.what === 'missing-file' ? 'missing' : 'damaged';
    const remedy = isIndex ? REMEDY.rebuild : REMEDY.restore;
    const problem = problemOf(kind, 'pack', found.file, found.message, remedy);
    this.#findings.addPlace(problem, {
      offset: found.offset ?? null,
      object: found.blob ?? found.extent ?? null,
      segment: found.segment ?? null,
    });
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
      ...abort,
    });
    const onBytes = (count: number) => this.#options.onBytes?.(count);
    this.#options.onStart?.('checking objects', this.#checked.packBytes);
    await this.#forgetHidden();
    await checkBlobs(this.#repo, reachable.blobs, this.#findings, { onBytes, ...abort });
    await checkExtents(this.#repo, reachable.extents, this.#findings, { onBytes, ...abort });
    for (const link of broken) this.#addBroken(link);
    this.#checked.versions = reachable.versions.size;
    this.#checked.blobs = reachable.blobs.size;
    this.#checked.extents = reachable.extents.size;
    await addAffected(this.#repo, this.#findings.list, reachable.versions, staging, signal);
    await this.#tiers(reachable);
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
        const find = segment === null ? store.findBlob(object) : store.findSegment(object, segment);
        if ((await find)?.set !== set) objects.delete(object);
      }
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
      const versions = count === 1 ? '1 version is' : `${count} versions are`;
      this.#findings.information.push(`${versions} kept as ${label}: exact bytes were given up`);
    }
    if (!this.#findings.problems.some(({ kind }) => kind === 'missing')) return;
    for (const [version, notes] of await findLostNotes(this.#repo)) {
      if (!reachable.versions.has(version)) continue;
      const name = notesRefName(version);
      const message = `'${name}' does not list ${notes.length} of the tiers of its version`;
      this.#findings.add(problemOf('missing', 'ref', name, message, REMEDY.rebuild));
    }
  }

  /** As gc: what an older reflog line names may have been dropped in part. */
  #reflogSince(): number {
    return Date.now() - this.#repo.config.get('gc.graceDays') * 24 * 60 * 60 * 1000;
  }

  /** Damage that the checks of single objects cannot see: bytes that are whole and mean nothing. */
  #addBroken(link: BrokenLink): void {
    const findings = this.#findings;
    if (link.kind === 'ref') {
      const isKnown = findings.list.some(({ problem }) => problem.file?.endsWith(link.name));
      if (!isKnown) {
        findings.add(problemOf(link.what, 'ref', link.name, link.message, link.remedy));
      }
      return;
    }
    if (findings.of(link.name as never) !== undefined) return;
    if (link.version !== null && findings.of(link.version) !== undefined) return;
    const finding = findings.add(problemOf(link.what, 'object', null, link.message, link.remedy));
    finding.problem.affects.push({ version: link.version, path: link.path });
    finding.problem.affectedFiles = 1;
  }

  async #files(reachable: Reachable): Promise<void> {
    this.#checked.files = await checkFiles(
      this.#repo,
      reachable.versions,
      this.#state.staging,
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
      this.#findings.information.push(
        `${garbage} objects are in no version (bases of others among them), ${hidden} are stored twice`,
      );
    }
  }
}
