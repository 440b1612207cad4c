/**
 * Checks the small files of a repository: format, config, HEAD, refs, notes, reflogs, staging.
 *
 * Needs no open repository: any of these may be what keeps it from opening.
 */

import type { Id } from '../../base/bytes/hash.js';
import { ConfigError, type DlvError, isDamage, objectFault } from '../../base/errors.js';
import { isMissing, listDirectory, readSmallFile, statOrNull } from '../../base/files/files.js';
import { TEMPORARY_PREFIX } from '../../base/files/temporary-name.js';
import { STATE_FILE_BYTES_MAX } from '../../base/limits.js';
import { readBudgets } from '../repo/budgets.js';
import { type Format, NUMBERS_FLAG, readFormat } from '../repo/format.js';
import { isNoState, markerState, optionalMarkers } from '../repo/git-markers.js';
import { type Layout, SELF_IGNORE } from '../repo/layout.js';
import { readMoves } from '../repo/moves/journal.js';
import { readNumbers } from '../repo/numbers.js';
import { readPromisedOf } from '../repo/promised.js';
import { readQueries } from '../repo/queries.js';
import { type Head, readHead } from '../repo/refs/head.js';
import { branchRefName } from '../repo/refs/ref-name.js';
import { isListLog, listReflogs, NOT_A_VERSION, readReflog } from '../repo/refs/reflog.js';
import { listRefNames, readNotes, readRef } from '../repo/refs/refs.js';
import { readRemotes } from '../repo/remotes.js';
import { Config, readConfigFile } from '../repo/settings/config.js';
import { Staging } from '../repo/staging/staging.js';
import { readStaging } from '../repo/staging/staging-file.js';
import { type Findings, type ProblemArea, problemOf, REMEDY } from './report.js';

/** What could be read. */
export interface CheckedState {
  files: number;
  head: Head | null;
  /** Version that each ref names, by name; notes apart. */
  refs: Map<string, Id>;
  staging: Staging;
}

/** Checks every state file but the manifest. @throws {FormatVersionError} of a newer repository. */
export async function checkState(layout: Layout, findings: Findings): Promise<CheckedState> {
  const check = new StateCheck(layout, findings);
  const format = await check.read('format', 'format', () => readFormat(layout));
  await check.config();
  await check.selfIgnore();
  await check.gitMarkers();
  const head = await check.read('head', 'HEAD', () => readHead(layout));
  const refs = await check.refs();
  await check.reflogs(refs);
  const staging = await check.staging(head, refs);
  await check.budgets();
  await check.numbers(format);
  await check.moves();
  await check.remotes();
  await check.promised();
  await check.queries();
  await check.strangers();
  return { files: check.files, head, refs, staging };
}

class StateCheck {
  files = 0;
  readonly #layout: Layout;
  readonly #findings: Findings;

  constructor(layout: Layout, findings: Findings) {
    this.#layout = layout;
    this.#findings = findings;
  }

  /** Reads one file; damage becomes a problem and null. */
  async read<T>(
    area: ProblemArea,
    file: string,
    action: () => Promise<T>,
    remedy: string = REMEDY.rebuild,
  ): Promise<T | null> {
    this.files++;
    try {
      return await action();
    } catch (error) {
      const gone = isMissing(error) || (await this.#isGone(file));
      const fault = gone ? 'missing' : objectFault(error);
      // Of a newer repository nothing more can be said.
      if (fault === null || (fault === 'newer' && area === 'format')) throw error;
      const message = gone ? `'${file}' is missing` : (error as Error).message;
      const what = fault === 'newer' ? REMEDY.upgrade : remedy;
      this.#findings.add(problemOf({ kind: fault, area, file, message, remedy: what }));
      return null;
    }
  }

  async #isGone(file: string): Promise<boolean> {
    return (await statOrNull(this.#layout.file(file))) === null;
  }

  async config(): Promise<void> {
    this.files++;
    try {
      const file = await readConfigFile(this.#layout.config);
      new Config([{ origin: 'repository', file }]);
    } catch (error) {
      const isBad = error instanceof ConfigError || isDamage(error);
      if (!isBad) throw error;
      const remedy = String((error as DlvError).data.hint ?? 'mend the file');
      this.#findings.add(
        problemOf({
          kind: 'damaged',
          area: 'config',
          file: 'config',
          message: error.message,
          remedy,
        }),
      );
    }
  }

  async selfIgnore(): Promise<void> {
    const bytes = await this.read('state', '.gitignore', () =>
      readSmallFile(this.#layout.gitignore, STATE_FILE_BYTES_MAX),
    );
    if (bytes === null || Buffer.from(bytes).toString('latin1') === SELF_IGNORE) return;
    const message = "'.gitignore' does not keep git from looking into .dlv";
    this.#findings.add(
      problemOf({
        kind: 'damaged',
        area: 'state',
        file: '.gitignore',
        message,
        remedy: REMEDY.rebuild,
      }),
    );
  }

  /** What keeps `git clean` away from packs, refs, reflogs and state files. */
  async gitMarkers(): Promise<void> {
    const markers = [...this.#layout.gitMarkers(), ...(await optionalMarkers(this.#layout))];
    for (const marker of markers) {
      this.files++;
      const state = await markerState(marker);
      const file = this.#layout.nameOf(marker);
      if (state === 'none') {
        this.#findings.information.push(
          `'${file}' is not there, which keeps 'git clean' away: the next command that writes makes it`,
        );
      }
      if (state !== 'missing' && state !== 'damaged') continue;
      const what = state === 'missing' ? 'lacks a part' : 'is damaged';
      const message = `'${file}' ${what}: 'git clean -fdx' would delete what it protects`;
      const remedy = REMEDY.rebuild;
      this.#findings.add(problemOf({ kind: state, area: 'state', file, message, remedy }));
    }
  }

  async refs(): Promise<Map<string, Id>> {
    const found = new Map<string, Id>();
    for (const name of await listRefNames(this.#layout)) {
      const notesOf = name.startsWith('refs/notes/') ? (name.split('/')[3] as Id) : null;
      if (notesOf !== null) await this.read('ref', name, () => readNotes(this.#layout, notesOf));
      else {
        const id = await this.read('ref', name, () => readRef(this.#layout, name));
        if (id !== null) found.set(name, id);
      }
    }
    return found;
  }

  async reflogs(refs: ReadonlyMap<string, Id>): Promise<void> {
    for (const name of await listReflogs(this.#layout)) {
      this.files++;
      const current = refs.get(name) ?? NOT_A_VERSION;
      const { damaged, entries } = await readReflog(this.#layout, name, current);
      const file = this.#layout.nameOf(this.#layout.log(name));
      if (damaged.length > 0) {
        const lines = damaged.slice(0, 10).join(', ') + (damaged.length > 10 ? ', …' : '');
        const message = `'${file}' is damaged in line ${lines}; no version depends on it`;
        this.#findings.add(
          problemOf({ kind: 'damaged', area: 'reflog', file, message, remedy: REMEDY.rebuild }),
        );
      }
      if (
        name === 'HEAD' ||
        isListLog(name) ||
        refs.has(name) ||
        this.#findings.list.some(isAbout(name))
      )
        continue;
      const last = entries.at(-1);
      // A deletion that was cut short says so in the last line.
      if (last !== undefined && last.after !== null) {
        // Even one line says so: that of a new ref is written after the ref.
        const message = `'${name}' is missing, but its reflog says that it was there`;
        this.#findings.add(
          problemOf({ kind: 'missing', area: 'ref', file: name, message, remedy: REMEDY.rebuild }),
        );
      }
    }
  }

  async staging(head: Head | null, refs: ReadonlyMap<string, Id>): Promise<Staging> {
    const read = await this.read('staging', 'staging', () => readStaging(this.#layout));
    const hasVersions =
      head !== null &&
      (head.kind === 'detached' || refs.has(branchRefName(head.model, head.branch)));
    if (read !== null && hasVersions && (await this.#isGone('staging'))) {
      const message = "'staging' is missing: nothing is tracked any more";
      this.#findings.add(
        problemOf({
          kind: 'missing',
          area: 'staging',
          file: 'staging',
          message,
          remedy: REMEDY.rebuild,
        }),
      );
    }
    return read?.staging ?? new Staging();
  }

  /** The budgets file is there only after an archive run. */
  async budgets(): Promise<void> {
    if (await this.#isGone('budgets')) return;
    await this.read('state', 'budgets', () => readBudgets(this.#layout));
  }

  /** The numbers file is there once a version was made. */
  async numbers(format: Format | null): Promise<void> {
    const isNeeded = format?.writeRequired.includes(NUMBERS_FLAG) === true;
    if (!isNeeded && (await this.#isGone('numbers'))) return;
    await this.read('state', 'numbers', () => readNumbers(this.#layout));
  }

  async remotes(): Promise<void> {
    if (await this.#isGone('remotes')) return;
    const remedy = "remove it, then name the remotes again with 'dlv remote add <name> <url>'";
    await this.read('state', 'remotes', () => readRemotes(this.#layout), remedy);
  }

  async promised(): Promise<void> {
    for (const name of await listDirectory(this.#layout.promised)) {
      // A file that a killed process did not finish is garbage: gc removes it.
      if (isNoState(name)) continue;
      const remedy = "remove it and run 'dlv fetch --planes all', or clone again";
      const read = () => readPromisedOf(this.#layout, name);
      await this.read('state', this.#layout.nameOf(this.#layout.promisedOf(name)), read, remedy);
    }
  }

  async queries(): Promise<void> {
    if (await this.#isGone('queries')) return;
    const remedy = "remove it, then keep the queries again with 'dlv query --save <name>'";
    await this.read('state', 'queries', () => readQueries(this.#layout), remedy);
  }

  /** Moves of a command that was killed: whoever opens the repository carries them out. */
  async moves(): Promise<void> {
    if (await this.#isGone('moves')) return;
    await this.read('state', 'moves', () => readMoves(this.#layout));
  }

  /** Files that are none of ours. */
  async strangers(): Promise<void> {
    const { dir } = this.#layout;
    const known = new Set(
      'format config HEAD refs logs kept staging moves moves-staging manifest packs trash budgets numbers lines catalog promised remotes queries studies runs incoming lock tmp readers .gitignore'.split(
        ' ',
      ),
    );
    for (const name of await listDirectory(dir)) {
      if (known.has(name) || name.startsWith(TEMPORARY_PREFIX) || name.startsWith('lock.'))
        continue;
      this.#findings.information.push(`'${name}' is not a file of a repository`);
    }
  }
}

function isAbout(name: string): (finding: { problem: { file: string | null } }) => boolean {
  return (finding) => finding.problem.file === name;
}
