/**
 * Stores a history as versions of one model. A version records what it was made of (`import: git <commit>`), so that a
 * run that was interrupted goes on, and a later one takes what is new. Branches move as their versions are made.
 */

import path from 'node:path';
import { throwIfAborted } from '../../base/bytes/abort.js';
import type { Id } from '../../base/bytes/hash.js';
import { pushAll } from '../../base/bytes/many.js';
import { MESSAGE_BYTES_MAX } from '../../base/limits.js';
import { DESCRIBING_FORMATS } from '../../pure/formats/format.js';
import { Glob } from '../../pure/paths/glob.js';
import { comparePaths } from '../../pure/paths/version-path.js';
import { fileOf, ingestBatch, ingestSettings } from '../../storage/ingest/batch.js';
import { withSession } from '../../storage/objects/access.js';
import type { PackSession } from '../../storage/objects/session.js';
import { publishedBytes } from '../../storage/objects/stored-bytes.js';
import type { OpContext } from '../context.js';
import type { StoreAccess } from '../history/access.js';
import {
  makeVersion,
  type NewFile,
  type NewVersion,
  versionFiles,
} from '../history/commit/make-version.js';
import { filesWithSteps } from '../history/lines/lines.js';
import { isOfMd5 } from './content-check.js';
import { checkBranches, findEarlier, findForgotten, OPERATION } from './earlier-imports.js';
import { ImportedRefs } from './imported-refs.js';
import { Lacks } from './lacks.js';
import { lineOfEach } from './line-of-each.js';
import { PlacedFiles } from './placed-files.js';
import type { ContentCheck, SourceFile, SourceHistory, SourceVersion } from './source.js';

/** What an import did, or would do. */
export interface ImportReport {
  /** Versions that were made, and that were there from an earlier run. */
  made: number;
  known: number;
  /** Files of the versions made, with those that a version shares with the one before, and their bytes. */
  files: number;
  logicalBytes: number;
  /** Bytes that the repository grew by. */
  storedBytes: number;
  branches: { branch: string; version: Id | null }[];
  tags: { tag: string; version: Id | null }[];
  /** What could not be taken, or is damaged or incomplete, a sentence each. */
  problems: string[];
}

export interface HistoryTarget {
  model: string;
  /** Files that are taken; default: all. */
  only: readonly string[];
  dryRun: boolean;
}

/** @throws {ConflictError} if a branch there has versions of its own; {UsageError} {IoError} */
export async function storeHistory(
  repo: StoreAccess,
  source: SourceHistory,
  target: HistoryTarget,
  context: OpContext,
): Promise<ImportReport> {
  return new HistoryImport(repo, source, target, context).run();
}

class HistoryImport {
  readonly #repo: StoreAccess;
  readonly #source: SourceHistory;
  readonly #target: HistoryTarget;
  readonly #context: OpContext;
  readonly #only: readonly Glob[];
  /** Versions by the keys of the source. */
  readonly #ids = new Map<string, Id>();
  /** Stored files by path and content. */
  readonly #stored = new Map<string, NewFile>();
  /** What described them when they were stored, by path and content. */
  readonly #describers = new Map<string, string>();
  /** Files by path and content that are not what their source says. */
  readonly #refused = new Set<string>();
  readonly #placed: PlacedFiles;
  readonly #lacks = new Lacks();
  readonly #report: ImportReport;

  constructor(repo: StoreAccess, source: SourceHistory, target: HistoryTarget, context: OpContext) {
    this.#repo = repo;
    this.#source = source;
    this.#target = target;
    this.#context = context;
    this.#only = target.only.map((pattern) => new Glob(pattern, { braces: true }));
    this.#placed = new PlacedFiles(repo.layout.newWork('import'));
    this.#report = {
      made: 0,
      known: 0,
      files: 0,
      logicalBytes: 0,
      storedBytes: 0,
      branches: [],
      tags: [],
      problems: [],
    };
  }

  async run(): Promise<ImportReport> {
    const { versions, branches, tags } = this.#source;
    const { model, dryRun } = this.#target;
    const earlier = await findEarlier(this.#repo, this.#source, model, this.#context.signal);
    for (const [key, id] of earlier.ids) this.#ids.set(key, id);
    const forgotten = findForgotten(versions, earlier.ids);
    pushAll(this.#report.problems, [...forgotten.values()]);
    await checkBranches(this.#repo, branches.keys(), model, earlier);
    const lines = lineOfEach(versions, branches);
    const where = { model, kind: this.#source.kind, dryRun };
    const refs = new ImportedRefs(this.#repo, where, earlier.tips);
    this.#context.progress.start('importing', versions.length, 'versions');
    try {
      for (const version of versions) {
        throwIfAborted(this.#context.signal);
        if (this.#ids.has(version.key)) this.#report.known++;
        else if (!forgotten.has(version.key))
          await this.#take(version, lines.get(version.key) ?? null, refs);
        this.#context.progress.advance(1);
      }
    } finally {
      this.#context.progress.finish();
      await this.#placed.remove();
    }
    if (this.#source.kind === 'checkpoints' && this.#only.length === 0)
      pushAll(this.#report.problems, this.#lacks.weights());
    for (const [branch, key] of branches) await refs.setBranch(branch, this.#ids.get(key) ?? null);
    for (const [tag, key] of tags) await refs.setTag(tag, this.#ids.get(key) ?? null);
    const problems = [...this.#report.problems, ...refs.problems];
    return { ...this.#report, branches: refs.branches, tags: refs.tags, problems };
  }

  async #take(version: SourceVersion, branch: string | null, refs: ImportedRefs): Promise<void> {
    const { dryRun } = this.#target;
    const all = await version.files();
    const taken = all.filter(({ path: name }) => this.#isWanted(name));
    const parents = version.parents.flatMap((key) => this.#ids.get(key) ?? []);
    if (dryRun) {
      this.#report.made++;
      this.#report.files += taken.length;
      return;
    }
    await withSession(this.#repo, async (session) => {
      const entries = await this.#store(session, version, taken);
      const there = all.map(({ path: name }) => name);
      pushAll(this.#report.problems, this.#lacks.of(version.title, entries, there));
      const wanted = this.#newVersion(version, entries, parents);
      const { id, kept } = await makeVersion(this.#repo, session, wanted, {
        name: async (lock, made) => {
          if (branch !== null) await refs.follow(lock, branch, made.id, parents[0] ?? null);
        },
        signal: this.#context.signal,
      });
      const stored = publishedBytes(session);
      this.#report.storedBytes += stored.storedBytes + stored.metadataBytes;
      this.#ids.set(version.key, id);
      for (const { log, format, problem } of kept) {
        const what = problem ?? (format === null ? 'no metrics could be read' : null);
        if (what === null) continue;
        this.#report.problems.push(`'${path.basename(log)}' of ${version.title}: ${what}`);
      }
      this.#report.made++;
      this.#report.files += entries.length;
      this.#report.logicalBytes += entries.reduce((sum, { size }) => sum + size, 0);
    });
  }

  #isWanted(name: string): boolean {
    return this.#only.length === 0 || this.#only.some((glob) => glob.matches(name));
  }

  /** Stores the files of a version that no version before has at these paths, described as they are in it. */
  async #store(
    session: PackSession,
    version: SourceVersion,
    files: readonly SourceFile[],
  ): Promise<NewFile[]> {
    const isKnown = (key: string): boolean => this.#stored.has(key) || this.#refused.has(key);
    await this.#placed.removeOthers(new Set(files.map(({ path: name }) => name)));
    // What lies beside a file is read where it lies: as it is in this version.
    for (const file of files) {
      const format = this.#stored.get(keyOf(file))?.format ?? '';
      if (DESCRIBING_FORMATS.has(format)) await this.#placed.place(file);
    }
    const fresh = files.filter((file) => !isKnown(keyOf(file)));
    await this.#ingest(session, version, fresh);
    const isFresh = new Set(fresh);
    const describers = this.#describersOf(files);
    const isDescribedAnew = (file: SourceFile): boolean => {
      const before = this.#describers.get(keyOf(file)) ?? '';
      const now = describers.get(file.path) ?? '';
      this.#describers.set(keyOf(file), now);
      return now !== '' && now !== before && this.#stored.has(keyOf(file)) && !isFresh.has(file);
    };
    await this.#ingest(session, version, files.filter(isDescribedAnew));
    return this.#storedOf(files).sort((a, b) => comparePaths(a.path, b.path));
  }

  #storedOf(files: readonly SourceFile[]): NewFile[] {
    return files.flatMap((file) => {
      const entry = this.#stored.get(keyOf(file));
      return entry === undefined ? [] : [{ ...entry, mode: file.mode }];
    });
  }

  /** What describes the tensors of each file that others describe: their paths and contents. */
  #describersOf(files: readonly SourceFile[]): Map<string, string> {
    const describers = new Map<string, string>();
    for (const file of files) {
      const entry = this.#stored.get(keyOf(file));
      if (entry === undefined || !DESCRIBING_FORMATS.has(entry.format)) continue;
      for (const path of entry.hint.references) {
        describers.set(path, `${describers.get(path) ?? ''}${keyOf(file)}\0`);
      }
    }
    return describers;
  }

  async #ingest(
    session: PackSession,
    { title, parents }: SourceVersion,
    files: readonly SourceFile[],
  ): Promise<void> {
    const parent = parents.map((key) => this.#ids.get(key)).find((id) => id !== undefined);
    const places = new Map<string, SourceFile>();
    const batch: { path: string; file: string }[] = [];
    for (const file of files) {
      const place = await this.#placed.place(file);
      if (file.check?.kind === 'md5' || file.check?.kind === 'md5 of text') {
        if (!(await isOfMd5(place, file.check))) {
          this.#refuse(file, file.check);
          continue;
        }
      }
      places.set(file.path, file);
      batch.push({ path: file.path, file: place });
    }
    const { signal } = this.#context;
    for await (const result of ingestBatch(session, batch, {
      parentFiles: parent === undefined ? [] : await filesWithSteps(this.#repo, parent),
      ...ingestSettings(this.#repo.config),
      follow: true,
      onSkip: (name, error) => {
        this.#report.problems.push(
          `'${name}' of ${title} is left out: ${(error as Error).message}`,
        );
      },
      ...(signal ? { signal } : {}),
    })) {
      const file = places.get(result.path) as SourceFile;
      if (file.check !== null && !agrees(file.check, result)) {
        this.#refuse(file, file.check);
        continue;
      }
      for (const warning of result.warnings) {
        this.#report.problems.push(`'${result.path}' of ${title} ${warning}`);
      }
      this.#stored.set(keyOf(file), fileOf(result, file.mode));
    }
  }

  #refuse(file: SourceFile, { problem }: ContentCheck): void {
    this.#refused.add(keyOf(file));
    this.#report.problems.push(`'${file.path}' is left out: ${problem}`);
  }

  #newVersion(version: SourceVersion, entries: readonly NewFile[], parents: Id[]): NewVersion {
    const { time, tzMinutes, author, git, params, metrics, logs, step, key } = version;
    const files =
      step === null ? entries : entries.map((entry) => ({ ...entry, step: entry.step ?? step }));
    return {
      ...versionFiles(files),
      ...{ model: this.#target.model, parents, near: parents[0] ?? null },
      message: this.#messageOf(version),
      ...{ params, metrics, logs, git, moment: { time, tzMinutes } },
      ...(author === null ? {} : { author }),
      knowledge: { operation: { kind: OPERATION, detail: `${this.#source.kind} ${key}` } },
    };
  }

  /** A message that a version can hold. */
  #messageOf({ message, key }: SourceVersion): string {
    const text = message.trim() === '' ? '(no message)' : message.trimEnd().replaceAll('\0', '');
    const bytes = Buffer.from(text);
    if (bytes.length <= MESSAGE_BYTES_MAX) return bytes.toString('utf8');
    const what = `the message of ${key} is over ${MESSAGE_BYTES_MAX} bytes: it is cut`;
    this.#report.problems.push(what);
    // A character that is cut in two is left out.
    return new TextDecoder().decode(bytes.subarray(0, MESSAGE_BYTES_MAX), { stream: true });
  }
}

/** What stored files are known by. */
function keyOf({ path: name, content }: SourceFile): string {
  return `${name}\0${content}`;
}

/** False if a file that was read is not what its source calls it. */
function agrees(
  { kind, hex }: ContentCheck,
  { sha256, gitSha1 }: { sha256: string; gitSha1: string | null },
): boolean {
  if (kind === 'sha256') return hex === sha256;
  return kind !== 'git sha1' || gitSha1 === null || hex === gitSha1;
}
