/**
 * Which of the places that a scan found are complete checkpoints.
 *
 * A place is complete when nothing in it has changed for a while and no process of the run has a file of it open for
 * writing; a folder, besides, has what belongs to it: the state that a trainer writes last, the shards that an index
 * names, the files that the checkpoint before had. Once the next checkpoint of its series begins, or the command ends,
 * nothing more is waited for. Whether its files parse is asked later, of held files (whole.ts).
 *
 * Decides, and touches no file. Start at `Candidates.see`.
 */
import path from 'node:path';
import type { SeenFile, SeenPlace } from './scan.js';

/** A file of a candidate, and how it is held. */
export interface CandidateFile extends SeenFile {
  /** Null: not held yet. */
  held: 'link' | 'copy' | null;
}

export interface Candidate {
  /** From 1. */
  n: number;
  place: string;
  series: string;
  step: number | null;
  isNumbered: boolean;
  isFolder: boolean;
  files: Map<string, CandidateFile>;
  /** Files that were there when it was seen last: one that is being removed loses them one by one. */
  present: ReadonlySet<string>;
  state: 'writing' | 'complete' | 'done';
  /** When something in it changed last, by a clock that never goes back. */
  changed: number;
  /** True once its place is gone or holds something newer: what is held is all there will be. */
  isPast: boolean;
  /** Why its files could not be read to their ends when they were tried; null if they were not. */
  problem: string | null;
}

/** How long nothing changes in what is complete, in milliseconds. */
const STABLE_FILE_MS = 400;
const STABLE_FOLDER_MS = 1500;
/** The same where it cannot be seen whether a file is open. */
const STABLE_UNSEEN_MS = 3000;
/** How long a folder is waited for that lacks what the one before had. */
const LACKING_MS = 30_000;

/** What the command is doing. */
export interface Moment {
  now: number;
  /** Inodes that are open for writing; null where that cannot be seen. */
  writers: ReadonlySet<string> | null;
  /** The command has ended: nothing changes any more. */
  hasEnded: boolean;
}

export interface Change {
  candidate: Candidate;
  /** Files that are new or other ones. */
  files: CandidateFile[];
}

export class Candidates {
  /** Places as they were before the command began, or as they were stored: what each file was. */
  readonly #settled = new Map<string, ReadonlySet<string>>();
  /** Those that are not done, by place; the newest of each place. */
  readonly #open = new Map<string, Candidate>();
  /** Those that are not done and whose place is gone, or holds something newer. */
  readonly #past = new Set<Candidate>();
  /** The highest number of each series. */
  readonly #newest = new Map<string, number>();
  /** Names of the files of the last complete checkpoint of a series, without numbers. */
  readonly #expected = new Map<string, ReadonlySet<string>>();
  #next: number;

  /** @param first  number of the first candidate. */
  constructor(first = 1) {
    this.#next = first;
  }

  /** Takes what is there as known: it was there before the command. */
  settle(places: readonly SeenPlace[]): void {
    for (const one of places) this.#settled.set(one.place, signatureOf(one.files));
  }

  /** What changed since the scan before, in the order in which it is to be held. */
  see(places: readonly SeenPlace[], { now }: Pick<Moment, 'now'>): Change[] {
    const changes: Change[] = [];
    const seen = new Set<string>();
    for (const place of places) {
      seen.add(place.place);
      const change = this.#seePlace(place, now);
      if (change !== null) changes.push(change);
    }
    for (const [place, candidate] of [...this.#open]) {
      if (seen.has(place)) continue;
      // Removed, or renamed: what is held of it is what it was.
      this.#leave(candidate);
      changes.push({ candidate, files: [] });
    }
    return changes;
  }

  #seePlace(place: SeenPlace, now: number): Change | null {
    const signature = signatureOf(place.files);
    const before = this.#open.get(place.place);
    if (before === undefined) {
      // Fewer files are no other checkpoint: the trainer is removing it.
      const settled = this.#settled.get(place.place);
      if (settled !== undefined && isSubset(signature, settled)) return null;
      const moved = this.#movedFrom(place);
      return moved === null ? this.#begin(place, now) : { candidate: moved, files: [] };
    }
    const present = new Set(place.files.map(({ inside }) => inside));
    if (isSubset(signature, signatureOf(before.files.values()))) {
      if (present.size !== before.present.size) before.changed = now;
      before.present = present;
      return null;
    }
    if (before.state === 'complete' || isReplaced(before, place)) {
      this.#leave(before);
      return this.#begin(place, now);
    }
    const files = place.files.flatMap((file): CandidateFile[] => {
      const known = before.files.get(file.inside);
      if (known !== undefined && sameInode(known, file)) {
        // A copy was made of what it was.
        if (!sameContent(known, file) && known.held === 'copy') known.held = null;
        known.stat = file.stat;
        return [];
      }
      const fresh: CandidateFile = { ...file, held: null };
      before.files.set(file.inside, fresh);
      return [fresh];
    });
    before.present = present;
    before.problem = null;
    before.changed = now;
    before.state = 'writing';
    return { candidate: before, files };
  }

  /** Its place is gone, or holds something newer. */
  #leave(candidate: Candidate): void {
    candidate.isPast = true;
    this.#open.delete(candidate.place);
    this.#past.add(candidate);
  }

  #begin(place: SeenPlace, now: number): Change {
    const files = place.files.map((file): CandidateFile => ({ ...file, held: null }));
    const candidate: Candidate = {
      n: this.#next++,
      place: place.place,
      series: place.series,
      step: place.step,
      isNumbered: place.isNumbered,
      isFolder: place.isFolder,
      files: new Map(files.map((file) => [file.inside, file])),
      present: new Set(files.map(({ inside }) => inside)),
      state: 'writing',
      changed: now,
      isPast: false,
      problem: null,
    };
    this.#open.set(place.place, candidate);
    this.#newest.set(place.series, candidate.n);
    return { candidate, files };
  }

  /** The candidate whose folder or file was renamed to a place: the same files. */
  #movedFrom(place: SeenPlace): Candidate | null {
    const inodes = place.files
      .map(({ stat }) => stat.inode)
      .sort()
      .join();
    for (const [from, candidate] of this.#open) {
      const own = [...candidate.files.values()]
        .map(({ stat }) => stat.inode)
        .sort()
        .join();
      if (own !== inodes || from === place.place) continue;
      this.#open.delete(from);
      candidate.place = place.place;
      candidate.series = place.series;
      candidate.step = place.step;
      candidate.isNumbered = place.isNumbered;
      candidate.isFolder = place.isFolder;
      const insides = new Map(place.files.map((file) => [file.stat.inode, file]));
      const files = [...candidate.files.values()].map((file) => ({
        ...file,
        ...(insides.get(file.stat.inode) as SeenFile),
      }));
      candidate.files = new Map(files.map((file) => [file.inside, file]));
      candidate.present = new Set(candidate.files.keys());
      this.#open.set(place.place, candidate);
      return candidate;
    }
    return null;
  }

  /** Candidates that are complete now, as far as can be seen from outside. */
  complete(moment: Moment): Candidate[] {
    return this.open().filter((candidate) => {
      return candidate.state === 'writing' && this.#isComplete(candidate, moment);
    });
  }

  #isComplete(candidate: Candidate, { now, writers, hasEnded }: Moment): boolean {
    if (hasEnded || candidate.isPast) return true;
    if (candidate.problem !== null && !this.isSuperseded(candidate)) return false;
    const files = filesOf(candidate);
    if (writers !== null && files.some(({ stat }) => writers.has(stat.inode))) return false;
    const seen = candidate.isFolder ? STABLE_FOLDER_MS : STABLE_FILE_MS;
    const stable = writers === null ? STABLE_UNSEEN_MS : seen;
    const quiet = now - candidate.changed;
    if (quiet < stable || files.some(({ stat }) => stat.size === 0 && quiet < LACKING_MS))
      return false;
    return this.lacks(candidate) === null || this.isSuperseded(candidate) || quiet >= LACKING_MS;
  }

  /** What a candidate lacks, in words; null if nothing that can be known. */
  lacks(candidate: Candidate): string | null {
    const names = new Set(filesOf(candidate).map(({ inside }) => inside));
    if (names.has('training_args.bin') && !names.has('trainer_state.json')) {
      return 'trainer_state.json, which its trainer writes last';
    }
    const here = new Set([...names].map(withoutNumbers));
    for (const name of this.#expected.get(candidate.series) ?? []) {
      if (!here.has(name)) return `'${name}', which the checkpoint before has`;
    }
    return null;
  }

  /** True if a later checkpoint of its series was seen: nothing more comes to it. */
  isSuperseded({ series, n }: Candidate): boolean {
    return (this.#newest.get(series) ?? n) > n;
  }

  /** A candidate that was stored, or never will be: its place is known as it is. */
  done(candidate: Candidate, how: { isWhole: boolean }): void {
    candidate.state = 'done';
    this.#past.delete(candidate);
    if (how.isWhole) {
      const names = filesOf(candidate).map(({ inside }) => withoutNumbers(inside));
      this.#expected.set(candidate.series, new Set(names));
    }
    if (this.#open.get(candidate.place) !== candidate) return;
    this.#open.delete(candidate.place);
    this.#settled.set(candidate.place, signatureOf(candidate.files.values()));
  }

  /** Its files are to be looked at again when one of them has changed, or another checkpoint came. */
  again(candidate: Candidate, problem: string): void {
    candidate.state = 'writing';
    candidate.problem = problem;
  }

  /** Those that are not done, by number. */
  open(): Candidate[] {
    return [...this.#open.values(), ...this.#past].sort((a, b) => a.n - b.n);
  }
}

/** 'rng_state_3.pth' of one checkpoint is 'rng_state_4.pth' of none; shards may be more or fewer. */
function withoutNumbers(name: string): string {
  return path.posix.join(...name.split('/').map((part) => part.replace(/\d+/g, '#')));
}

/** What is there of a candidate; of one whose place is gone, all that was. */
export function filesOf({ files, present, isPast }: Candidate): CandidateFile[] {
  return [...files.values()].filter(({ inside }) => isPast || present.has(inside));
}

/** Each file as it is: its name, length, time and inode. */
function signatureOf(files: Iterable<SeenFile>): ReadonlySet<string> {
  return new Set(
    [...files].map(({ inside, stat }) => {
      return `${inside}\0${stat.size}\0${stat.mtimeNs}\0${stat.inode}`;
    }),
  );
}

function isSubset(a: ReadonlySet<string>, b: ReadonlySet<string>): boolean {
  return a.size <= b.size && [...a].every((one) => b.has(one));
}

function sameInode(a: SeenFile, b: SeenFile): boolean {
  return a.stat.inode === b.stat.inode;
}

function sameContent(a: SeenFile, b: SeenFile): boolean {
  return a.stat.size === b.stat.size && a.stat.mtimeNs === b.stat.mtimeNs;
}

/** True if a file that was held by its inode was replaced by another one: the old one is whole, or never will be. */
function isReplaced({ files, isNumbered }: Candidate, place: SeenPlace): boolean {
  if (isNumbered) return false;
  return place.files.some((file) => {
    const known = files.get(file.inside);
    return known !== undefined && known.held !== null && !sameInode(known, file);
  });
}
