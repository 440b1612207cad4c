/**
 * The version object: a committed model version, what it holds, and what is wrong with one.
 *
 * Files and snapshots are in file-tree.ts, its bytes in version-bytes.ts. @see docs/format/version.md
 */

import type { Id } from '../../../base/bytes/hash.js';
import { PLAIN } from '../../../base/bytes/printable.js';
import {
  MESSAGE_BYTES_MAX,
  NAME_BYTES_MAX,
  NUMBER_MAX,
  PARENTS_MAX,
} from '../../../base/limits.js';
import { comparePaths, isWellFormed } from '../../../pure/paths/version-path.js';
import { modelNameProblem } from '../refs/ref-name.js';
import type { FileTree } from './file-tree.js';

/** Who made a version. */
export interface Author {
  name: string;
  /** May be empty. */
  email: string;
}

/** A hyperparameter. */
export interface Param {
  name: string;
  text: string;
}

/** A measured number, for the version as a whole or at one step. */
export interface Metric {
  name: string;
  value: number;
  step: number | null;
}

/** A text that came with the version: a training log. */
export interface LogRef {
  name: string;
  /** Blob of kind 'blob'. */
  id: Id;
  bytes: number;
}

/** State of the git repository around the work tree. */
export interface GitState {
  /** Commit id, 40 or 64 hex digits. */
  commit: string;
  /** True if tracked files differed from that commit. */
  dirty: boolean;
}

/** Room for later fields. A tag that begins with '!' must be understood by every reader. */
export interface Extension {
  tag: string;
  value: Uint8Array;
}

/** A committed model version. Immutable; its id is the hash of its canonical bytes. */
export interface Version {
  model: string;
  /** n of `model@n`, which no other version of the model was given; null if an older dlv made it. */
  number: number | null;
  /** First parent first; none for the first version of a line. */
  parents: Id[];
  author: Author;
  /** Milliseconds since 1970-01-01 UTC, 0 or more. */
  time: number;
  /** Minutes east of UTC where the author was. */
  tzMinutes: number;
  message: string;
  tree: FileTree;
  /** By name; names are unique. */
  params: Param[];
  /** By name, then step (none first); pairs are unique. */
  metrics: Metric[];
  /** By name; names are unique. */
  logs: LogRef[];
  /** Blob with the layer graph, or null. */
  network: Id | null;
  git: GitState | null;
  /** By tag; tags are unique. That of the number is not among them. */
  extensions: Extension[];
}

const TZ_MINUTES_MAX = 24 * 60;

export function compareMetrics(a: Metric, b: Metric): number {
  return comparePaths(a.name, b.name) || (a.step ?? -1) - (b.step ?? -1);
}

function lineProblem(text: string, what: string): string | null {
  if (!isWellFormed(text)) return `${what} is not valid UTF-8`;
  if (!PLAIN.test(text) && /\p{Cc}/u.test(text)) return `${what} holds a control character`;
  if (Buffer.byteLength(text) > NAME_BYTES_MAX) return `${what} is over ${NAME_BYTES_MAX} bytes`;
  return null;
}

function nameProblem(name: string, what: string): string | null {
  return name === '' ? `${what} is empty` : lineProblem(name, what);
}

function ascending<T>(rows: readonly T[], compare: (a: T, b: T) => number): boolean {
  return rows.every((row, i) => i === 0 || compare(rows[i - 1] as T, row) < 0);
}

export const byName = (a: { name: string }, b: { name: string }): number =>
  comparePaths(a.name, b.name);
export const byTag = (a: Extension, b: Extension): number => comparePaths(a.tag, b.tag);

function peopleProblem(version: Version): string | null {
  const { author, message } = version;
  const problem =
    nameProblem(author.name, 'the author name') ?? lineProblem(author.email, 'the author email');
  if (problem !== null) return problem;
  if (/[<>]/.test(author.name + author.email)) return "the author holds '<' or '>'";
  if (!isWellFormed(message) || message.includes('\0')) return 'the message is not valid text';
  if (Buffer.byteLength(message) > MESSAGE_BYTES_MAX) {
    return `the message is over ${MESSAGE_BYTES_MAX} bytes`;
  }
  return null;
}

function listsProblem(version: Version): string | null {
  const { params, metrics, logs, extensions } = version;
  for (const { name, text } of params) {
    const problem = nameProblem(name, 'the name of a hyperparameter');
    if (problem !== null) return problem;
    if (!isWellFormed(text) || Buffer.byteLength(text) > MESSAGE_BYTES_MAX) {
      return `hyperparameter '${name}' is not valid text`;
    }
  }
  for (const { name, step } of metrics) {
    const problem = nameProblem(name, 'the name of a metric');
    if (problem !== null) return problem;
    if (step !== null && !(Number.isSafeInteger(step) && step >= 0)) {
      return `metric '${name}' has the step ${step}`;
    }
  }
  for (const { name } of logs) {
    const problem = nameProblem(name, 'the name of a log');
    if (problem !== null) return problem;
  }
  for (const { tag } of extensions) {
    const problem = nameProblem(tag, 'the tag of an extension');
    if (problem !== null) return problem;
  }
  if (!ascending(params, byName)) return 'two hyperparameters have one name';
  if (!ascending(metrics, compareMetrics)) return 'two metrics have one name and step';
  if (!ascending(logs, byName)) return 'two logs have one name';
  if (!ascending(extensions, byTag)) return 'two extensions have one tag';
  return null;
}

/** What is wrong with a version whose lists are in order, or null. */
export function versionProblem(version: Version): string | null {
  const { parents, time, tzMinutes, git } = version;
  const model = modelNameProblem(version.model);
  if (model !== null) return `the model name ${model}`;
  const { number } = version;
  if (number !== null && !isVersionNumber(number)) return `its number is ${number}`;
  if (parents.length > PARENTS_MAX) return `it has ${parents.length} parents`;
  if (new Set(parents).size !== parents.length) return 'it has one parent twice';
  if (!Number.isSafeInteger(time) || time < 0) return `its time is ${time}`;
  if (!Number.isSafeInteger(tzMinutes) || Math.abs(tzMinutes) > TZ_MINUTES_MAX) {
    return `its time zone is ${tzMinutes}`;
  }
  if (git !== null && !/^([0-9a-f]{40}|[0-9a-f]{64})$/.test(git.commit)) return 'bad git commit';
  return peopleProblem(version) ?? listsProblem(version);
}

/** True for what may be behind the '@' of `model@n`. */
export function isVersionNumber(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 1 && (value as number) <= NUMBER_MAX;
}
