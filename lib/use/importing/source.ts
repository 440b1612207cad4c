/** A history that another tool keeps: versions in order, and where their files are. */

import type { FileMode } from '../../storage/repo/version/file-page.js';
import type { Author, GitState, Metric, Param } from '../../storage/repo/version/version.js';

/** A hash that the content of a file must have. */
export interface ContentCheck {
  /**
   * 'git sha1': the id that git gives a file, compared up to GIT_SHA1_BYTES_MAX. 'md5 of text': the md5, or that with the
   * ends of lines of Unix, as DVC hashed texts before its version 3.
   */
  kind: 'sha256' | 'git sha1' | 'md5' | 'md5 of text';
  hex: string;
  /** What is said of a file that is something else, after its name. */
  problem: string;
}

/** One file of a version there. */
export interface SourceFile {
  path: string;
  mode: FileMode;
  /** Equal for files of equal content, within one source. */
  content: string;
  /** What the content must be, if the source says it. */
  check: ContentCheck | null;
  /** The bytes: a stream, or a file; `isInPlace` if what lies beside it there belongs to it. */
  bytes: { file: string; isInPlace: boolean } | { stream(): AsyncIterable<Uint8Array> };
}

export interface SourceVersion {
  /** Unique in the source; that of a git commit is its id. */
  key: string;
  /** What problems call it. */
  title: string;
  /** Keys of versions that come before it in the order. */
  parents: readonly string[];
  message: string;
  /** null: who runs the import. */
  author: Author | null;
  time: number;
  tzMinutes: number;
  git: GitState | null;
  step: number | null;
  params: readonly Param[];
  metrics: readonly Metric[];
  /** Training logs, absolute paths. */
  logs: readonly string[];
  files(): Promise<SourceFile[]>;
}

export interface SourceHistory {
  kind: 'git' | 'checkpoints' | 'hub cache';
  /** Name for the model, if the user gives none. */
  model: string;
  /** Parents before children. */
  versions: readonly SourceVersion[];
  /** Names of branches and tags, with the keys of their versions; the main branch first. */
  branches: ReadonlyMap<string, string>;
  tags: ReadonlyMap<string, string>;
  /** What could not be taken, a sentence each. */
  problems: string[];
  close(): Promise<void>;
}
