/** A checkpoint as far as it was seen, and what the files at its place say of it. Touches no file. */
import path from 'node:path';
import { isWeightsFile } from '../../../pure/paths/weights-names.js';
import type { SeenPlace } from './scan.js';
import type { SeenFile } from './seen-files.js';

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
  /** False while it is not known what numbers it: it is held, and no version yet. */
  isSure: boolean;
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

/** 'rng_state_3.pth' of one checkpoint is 'rng_state_4.pth' of none; shards may be more or fewer. */
export function withoutNumbers(name: string): string {
  return path.posix.join(...name.split('/').map((part) => part.replace(/\d+/g, '#')));
}

/** What is there of a candidate; of one whose place is gone, all that was. */
export function filesOf({ files, present, isPast }: Candidate): CandidateFile[] {
  return [...files.values()].filter(({ inside }) => isPast || present.has(inside));
}

/** Each file as it is: its name, length, time and inode. */
export function signatureOf(files: Iterable<SeenFile>): ReadonlySet<string> {
  return new Set(
    [...files].map(({ inside, stat }) => {
      return `${inside}\0${stat.size}\0${stat.mtimeNs}\0${stat.inode}`;
    }),
  );
}

export function isSubset(a: ReadonlySet<string>, b: ReadonlySet<string>): boolean {
  return a.size <= b.size && [...a].every((one) => b.has(one));
}

/** What the name of a place says. */
export function namedAs({ series, step, isNumbered, isSure, isFolder }: SeenPlace) {
  return { series, step, isNumbered, isSure, isFolder };
}

/** True if a trainer has removed a file of weights that nothing numbers, and written one under another name. */
export function hasNext(
  { isFolder, isNumbered, files, present }: Candidate,
  place: SeenPlace,
): boolean {
  if (isFolder || isNumbered) return false;
  const names = new Set(place.files.map(({ inside }) => inside));
  const inodes = new Set(place.files.map(({ stat }) => stat.inode));
  const isGone = [...files.values()].some(({ inside, stat, held }) => {
    const isLost = present.has(inside) && !names.has(inside) && !inodes.has(stat.inode);
    return isLost && held !== null && isWeightsFile(inside);
  });
  return isGone && place.files.some(({ inside }) => !files.has(inside) && isWeightsFile(inside));
}

export function sameInode(a: SeenFile, b: SeenFile): boolean {
  return a.stat.inode === b.stat.inode;
}

export function sameContent(a: SeenFile, b: SeenFile): boolean {
  return a.stat.size === b.stat.size && a.stat.mtimeNs === b.stat.mtimeNs;
}

/** True if a file that was held by its inode was replaced by another one: the old one is whole, or never will be. */
export function isReplaced({ files, isNumbered }: Candidate, place: SeenPlace): boolean {
  if (isNumbered) return false;
  return place.files.some((file) => {
    const known = files.get(file.inside);
    return known !== undefined && known.held !== null && !sameInode(known, file);
  });
}
