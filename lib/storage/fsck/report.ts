/**
 * The options and the report of fsck: problems with what they affect and how to repair them, and
 * the collector of both.
 *
 * Missing, damaged, newer and promised are different. Missing: nothing of that name is here.
 * Damaged: the bytes contradict themselves. Newer: the bytes are whole, but this dlv cannot read
 * them. Promised: a remote is known to have the object.
 */
import type { BlobKind, Id } from '../../base/bytes/hash.js';
import type { ObjectFault } from '../../base/errors.js';
import type { Staging } from '../repo/staging/staging.js';
import type { PromisedBy } from '../store/promised.js';
import type { Suspect } from './wrong-records.js';

/** What names files: versions, and staging. */
export interface NamedFiles {
  readonly versions: Iterable<Id>;
  readonly staging: Staging;
}

/** What fsck is asked. */
export interface FsckOptions {
  /** Also rebuilds every distinct file and compares its sha256. */
  files?: boolean;
  onStart?(label: string, totalBytes: number): void;
  onBytes?(count: number): void;
  /** Called for each object that is missing or cannot be read, if a check ends with it. */
  onLost?(object: Id): void;
  /** Called for each object that is here and does not give what its id says. */
  onSuspect?(suspect: Suspect): void;
  signal?: AbortSignal;
}

/** What is wrong with a thing. `promised` is no fault, and no problem of that kind is reported. */
export type ProblemKind = ObjectFault;

/** Where a problem was found. */
export type ProblemArea =
  | 'format'
  | 'config'
  | 'head'
  | 'ref'
  | 'reflog'
  | 'staging'
  | 'manifest'
  | 'state'
  | 'pack'
  | 'object'
  | 'version'
  | 'graph'
  | 'file';

/** A file of a version that cannot be rebuilt. `version` null: a staged file; `path` null: all of it. */
export interface Affected {
  version: Id | null;
  path: string | null;
}

/** A place in a pack file. */
export interface ProblemPlace {
  offset: number | null;
  /** Blob or extent, where it is known. */
  object: Id | null;
  /** Segment of the extent. */
  segment: number | null;
}

export interface FsckProblem {
  kind: ProblemKind;
  area: ProblemArea;
  /** One sentence. */
  message: string;
  /** The file that is wrong, relative to .dlv, or null. */
  file: string | null;
  /** The first PLACES_MAX places in it. */
  places: ProblemPlace[];
  /** The first AFFECTED_MAX files that cannot be rebuilt because of it. */
  affects: Affected[];
  /** How many there are. */
  affectedFiles: number;
  /** What to do. */
  remedy: string;
}

/** What a remote promised and is not here: objects, an extent once for each segment, and their bytes there. */
export interface PromisedCount {
  remote: string;
  objects: number;
  bytes: number;
  /** The same with what those objects name, which only they can tell: at most so many. */
  bytesMax: number;
}

/** Things that were looked at. */
export interface FsckChecked {
  stateFiles: number;
  sets: number;
  packBytes: number;
  versions: number;
  blobs: number;
  extents: number;
  /** Files rebuilt and compared (`--files`). */
  files: number;
}

/** Places that one problem lists. */
export const PLACES_MAX = 100;
/** Affected files that one problem lists. */
export const AFFECTED_MAX = 100;

export const REMEDY = {
  rebuild: "run 'dlv fsck --rebuild'",
  restore:
    "run 'dlv fsck --rebuild' to set the damaged data aside, then add the original files again: what is stored again serves all versions",
  add: 'add the original files again: what is stored again serves all versions',
  version:
    "run 'dlv fsck --rebuild': it moves the refs that name what is lost to what can be read; " +
    'the lost itself is only in a backup or a clone',
  upgrade: 'upgrade dlv: a newer one wrote this, and nothing of it is lost',
} as const;

/** What to do about an object that cannot be read. @param kind  of a blob; null for an extent. */
export function remedyOf(fault: ObjectFault, kind: BlobKind | null): string {
  if (fault === 'newer') return REMEDY.upgrade;
  if (kind === 'version' || kind === 'files' || kind === 'note') return REMEDY.version;
  return fault === 'missing' ? REMEDY.add : REMEDY.restore;
}

/** A problem and the objects that cannot be read because of it, dependents included. */
export interface Finding {
  problem: FsckProblem;
  objects: Set<Id>;
}

/** Makes a problem without places and effects. */
export function problemOf(
  found: Pick<FsckProblem, 'kind' | 'area' | 'message' | 'file' | 'remedy'>,
): FsckProblem {
  const { kind, area, message, file, remedy } = found;
  return { kind, area, message, file, places: [], affects: [], affectedFiles: 0, remedy };
}

/** Collects what is found; one finding for each pack file, so that a lost disk block is one problem. */
export class Findings {
  readonly list: Finding[] = [];
  /** Sentences about what is no fault and matters: tiers, parts that were not checked. */
  readonly information: string[] = [];
  /** Sentences about garbage and leftovers. */
  readonly details: string[] = [];
  /** What is not here and was promised, by remote. */
  readonly promised = new Map<string, PromisedCount>();
  readonly #promisedObjects = new Set<string>();
  readonly #byFile = new Map<string, Finding>();

  add(problem: FsckProblem, objects: Iterable<Id> = []): Finding {
    const finding = { problem, objects: new Set(objects) };
    this.list.push(finding);
    return finding;
  }

  /** Adds a place to the finding of a pack file, or begins one. */
  addPlace(problem: FsckProblem, place: ProblemPlace): Finding {
    const key = `${problem.kind} ${problem.file}`;
    let finding = this.#byFile.get(key);
    if (finding === undefined) {
      finding = this.add(problem);
      this.#byFile.set(key, finding);
    }
    const { places } = finding.problem;
    const known = places.some((p) => p.offset === place.offset && p.object === place.object);
    if (!known && places.length < PLACES_MAX) places.push(place);
    if (place.object !== null) finding.objects.add(place.object);
    return finding;
  }

  /** Counts something that a remote has and that is not here. */
  addPromised({ remote, bytes, bytesMax = 0, object }: PromisedBy): void {
    if (object !== undefined && this.#promisedObjects.has(object)) return;
    if (object !== undefined) this.#promisedObjects.add(object);
    const known = this.promised.get(remote) ?? { objects: 0, bytes: 0, bytesMax: 0 };
    const sum = known.bytes + bytes;
    this.promised.set(remote, {
      remote,
      objects: known.objects + 1,
      bytes: sum,
      bytesMax: Math.max(known.bytesMax, bytesMax, sum),
    });
  }

  /** The finding that already names an object, or undefined. */
  of(object: Id): Finding | undefined {
    return this.list.find((finding) => finding.objects.has(object));
  }

  get problems(): FsckProblem[] {
    return this.list.map((finding) => finding.problem);
  }
}
