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
import { isWeightsFile } from '../../../pure/paths/weights-names.js';
import {
  type Candidate,
  type CandidateFile,
  filesOf,
  hasNext,
  isReplaced,
  isSubset,
  namedAs,
  sameContent,
  sameInode,
  signatureOf,
  withoutNumbers,
} from './candidate.js';
import { decideNumber, placeOfFile } from './candidate-number.js';
import { Numbering } from './numbering.js';
import type { SeenPlace } from './scan.js';
import type { SeenFile } from './seen-files.js';

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
  /** Files that another candidate held until now: its number, and their paths there. */
  from?: { n: number; insides: string[] };
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
  readonly #numbering: Numbering;
  #next: number;

  /** @param first  number of the first candidate. */
  constructor(first = 1, numbering = new Numbering()) {
    this.#next = first;
    this.#numbering = numbering;
  }

  /** Takes what is there as known: it was there before the command. */
  settle(places: readonly SeenPlace[]): void {
    for (const one of places) this.#settled.set(one.place, signatureOf(one.files));
  }

  /** What changed since the scan before, in the order in which it is to be held. */
  see(places: readonly SeenPlace[], { now }: Pick<Moment, 'now'>): Change[] {
    const changes: Change[] = this.#splitSeries(places, now);
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
    // A folder of files turned out to be numbered: it has the same files, and others beside them.
    const isFound = !before.isSure && !before.isFolder && place.isFolder;
    Object.assign(before, namedAs(place));
    const present = new Set(place.files.map(({ inside }) => inside));
    if (isSubset(signature, signatureOf(before.files.values()))) {
      if (present.size !== before.present.size) before.changed = now;
      before.present = present;
      return null;
    }
    const isOther =
      before.state === 'complete' || isReplaced(before, place) || hasNext(before, place);
    if (isOther && !isFound) {
      this.#tellNumbering(before, place);
      this.#leave(before);
      // What nothing numbers is seen as a file of its folder next.
      const isKnown = before.isSure || place.isFolder || place.files[0]?.inside !== '';
      return isKnown ? this.#begin(place, now) : null;
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

  /** What is there instead of a candidate says what its name means. */
  #tellNumbering(before: Candidate, place: SeenPlace): void {
    const fresh = place.files.map(({ inside }) => inside).filter((one) => !before.files.has(one));
    if (before.isFolder) this.#numbering.grow(before.place, fresh.filter(isWeightsFile));
    if (!before.isSure && fresh.length === 0) this.#numbering.reuse(before.place);
  }

  /** A folder whose own number was taken for that of a checkpoint, and that holds a series: each file is one. */
  #splitSeries(places: readonly SeenPlace[], now: number): Change[] {
    const changes: Change[] = [];
    const here = new Set(places.flatMap(({ files }) => files.map(({ file }) => file)));
    for (const candidate of this.open()) {
      const { place, isFolder, isSure, state } = candidate;
      const isStored = isSure && state !== 'writing';
      if (!isFolder || isStored || !this.#numbering.isPlain(place)) continue;
      if (this.#open.get(place) === candidate) this.#open.delete(place);
      this.#past.delete(candidate);
      candidate.state = 'done';
      const before = changes.length;
      for (const file of candidate.files.values()) {
        // Those that are there are seen by themselves.
        if (here.has(file.file) || file.inside.includes('/') || !isWeightsFile(file.inside))
          continue;
        if (file.held === null || this.#isKnown(file)) continue;
        changes.push(this.#alone(candidate, file, now));
      }
      if (changes.length === before) changes.push({ candidate, files: [] });
    }
    return changes;
  }

  /** True for a file that is a candidate already, from a folder that was split before. */
  #isKnown({ file, stat }: CandidateFile): boolean {
    return [...this.#past].some(({ place, files }) => {
      return place === file && files.get('')?.stat.inode === stat.inode;
    });
  }

  /** A file that a folder held, as a checkpoint of its own. */
  #alone(from: Candidate, file: CandidateFile, now: number): Change {
    const { candidate } = this.#begin(placeOfFile(from, file, this.#numbering), now);
    candidate.files = new Map([['', { ...file, inside: '' }]]);
    this.#leave(candidate);
    return { candidate, files: [], from: { n: from.n, insides: [file.inside] } };
  }

  /**
   * Finds out what numbers a candidate of which that was not sure.
   * @param isOver  nothing more comes that would tell. @returns whether it is sure now.
   */
  decide(candidate: Candidate, isOver: boolean): boolean {
    if (candidate.isSure) return true;
    const { isDecided, isOfFolder } = decideNumber(candidate, this.#numbering, isOver);
    if (isOfFolder) this.#joinFolder(candidate);
    candidate.isSure = isDecided;
    return isDecided;
  }

  /** Nothing numbers a file: it is one of its folder, under its own name. */
  #joinFolder(candidate: Candidate): void {
    const series = path.posix.dirname(candidate.series);
    const folder = path.dirname(candidate.place);
    const file = candidate.files.get('') as CandidateFile;
    const inside = path.basename(candidate.place);
    this.#settled.set(candidate.place, signatureOf([file]));
    if (!candidate.isPast) this.#leave(candidate);
    candidate.files = new Map([[inside, { ...file, inside }]]);
    candidate.present = new Set([inside]);
    Object.assign(candidate, { place: folder, series, step: null, isNumbered: false });
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
      ...namedAs(place),
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
      Object.assign(candidate, namedAs(place));
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
