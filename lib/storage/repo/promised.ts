/**
 * `.dlv/promised/<remote>`: what a repository takes of a remote, and what it counts on that remote to have.
 *
 * Written under the lock, before what it speaks of is missing here. @see docs/format/promised.md
 */
import { linesOf } from '../../base/bytes/lines.js';
import { sealReadable, unseal } from '../../base/bytes/sealed.js';
import { CorruptError } from '../../base/errors.js';
import {
  isMissing,
  listDirectory,
  makeDirectory,
  readSmallFile,
  removeFile,
  writeFileAtomic,
} from '../../base/files/files.js';
import { PROMISED_BYTES_MAX } from '../../base/limits.js';
import { isSetId, type PlaneClass, type SetId, type SetInfo } from '../store/types.js';
import type { Layout } from './layout.js';
import type { RepositoryLock } from './processes/lock.js';
import { modelNameProblem } from './refs/ref-name.js';

/** What a repository takes of a remote. */
export interface PartialFilter {
  /** Leading planes of floats; null: all. */
  planes: number | null;
  /** Versions of each branch, counted from its tip, whose files are taken; null: all. */
  depth: number | null;
  /** Globs of the files that are taken; none: all. */
  only: string[];
  /** Models and `model/branch` that a fetch takes where none is named; none: all. */
  lines: string[];
}

/** What a repository counts on a remote to have. */
export interface PromisedOfRemote {
  filter: PartialFilter;
  /** The sets of the remote, as they were read last. */
  sets: SetInfo[];
  /** Sets here of which the files of these classes need not be here. */
  thin: Map<SetId, PlaneClass[]>;
}

const FIRST_LINE = 'promised 1';
const LEAST_CHARS = 'depth 1'.length;
const CLASSES: Record<string, PlaneClass[]> = {
  'mid low': ['mid', 'low'],
  low: ['low'],
  mid: ['mid'],
};

/** A filter that takes everything. */
export function wholeFilter(): PartialFilter {
  return { planes: null, depth: null, only: [], lines: [] };
}

/** True if a filter leaves objects out. */
export function leavesOut({ planes, depth, only }: PartialFilter): boolean {
  return planes !== null || depth !== null || only.length > 0;
}

/** Text of the file before its checksum line. */
export function formatPromised({ filter, sets, thin }: PromisedOfRemote): string {
  const lines = [FIRST_LINE];
  if (filter.planes !== null) lines.push(`planes ${filter.planes}`);
  if (filter.depth !== null) lines.push(`depth ${filter.depth}`);
  for (const glob of filter.only) lines.push(`only ${encodeURIComponent(glob)}`);
  for (const line of filter.lines) lines.push(`line ${encodeURIComponent(line)}`);
  for (const { id, bytes } of sets) {
    const { blob, hi, mid, low, idx } = bytes;
    lines.push(`set ${id} ${blob} ${hi} ${mid} ${low} ${idx}`);
  }
  for (const [id, classes] of [...thin].sort(([a], [b]) => (a < b ? -1 : 1))) {
    lines.push(`thin ${id} ${classes.join(' ')}`);
  }
  return `${lines.join('\n')}\n`;
}

/** The mirror of formatPromised. @throws {CorruptError} */
export function parsePromised(text: string, file: string): PromisedOfRemote {
  const found: PromisedOfRemote = { filter: wholeFilter(), sets: [], thin: new Map() };
  for (const line of (linesOf(text, LEAST_CHARS) ?? []).slice(1)) addLine(found, line);
  if (formatPromised(found) === text) return found;
  throw new CorruptError(`'${file}' is damaged: what a remote promised cannot be read from it`, {
    file,
    hint: "remove it and run 'dlv fetch --planes all', or clone again",
  });
}

function addLine({ filter, sets, thin }: PromisedOfRemote, line: string): void {
  const [word, first = '', ...rest] = line.split(' ');
  if (word === 'planes' && /^[1-8]$/.test(first)) filter.planes = Number(first);
  else if (word === 'depth' && /^[1-9]\d{0,8}$/.test(first)) filter.depth = Number(first);
  else if (word === 'only') filter.only.push(decoded(first));
  else if (word === 'line') filter.lines.push(decoded(first));
  else if (word === 'thin' && isSetId(first)) thin.set(first, CLASSES[rest.join(' ')] ?? []);
  else if (word === 'set' && isSetId(first)) {
    const [blob = 0, hi = 0, mid = 0, low = 0, idx = 0] = rest.map((size) =>
      /^(0|[1-9]\d{0,14})$/.test(size) ? Number(size) : Number.NaN,
    );
    sets.push({ id: first, bytes: { blob, hi, mid, low, idx } });
  }
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return '';
  }
}

/** What each remote promised, by its name; none in a repository that is whole. @throws {CorruptError} */
export async function readPromised(layout: Layout): Promise<Map<string, PromisedOfRemote>> {
  const found = new Map<string, PromisedOfRemote>();
  for (const name of (await listDirectory(layout.promised)).sort()) {
    if (modelNameProblem(name) !== null) continue;
    const promised = await readPromisedOf(layout, name);
    if (promised !== null) found.set(name, promised);
  }
  return found;
}

/** What one remote promised; null if nothing. @throws {CorruptError} */
export async function readPromisedOf(
  layout: Layout,
  remote: string,
): Promise<PromisedOfRemote | null> {
  const file = layout.promisedOf(remote);
  try {
    return parsePromised(unseal(await readSmallFile(file, PROMISED_BYTES_MAX), file), file);
  } catch (error) {
    if (isMissing(error)) return null;
    throw error;
  }
}

/** Writes what a remote promised; it is on the disk when this returns. null: nothing any more. */
export async function writePromised(
  lock: RepositoryLock,
  remote: string,
  promised: PromisedOfRemote | null,
): Promise<void> {
  lock.assertHeld();
  const file = lock.layout.promisedOf(remote);
  if (promised === null) {
    await removeFile(file);
    return;
  }
  await makeDirectory(lock.layout.promised);
  await writeFileAtomic(file, sealReadable(formatPromised(promised), file, parsePromised));
}

/**
 * Takes out lines about sets of which all files are here.
 * @param files  names in packs/.
 * @returns true if there were any.
 */
export async function forgetWholeSets(
  lock: RepositoryLock,
  files: ReadonlySet<string>,
): Promise<boolean> {
  let found = false;
  for (const [remote, promised] of await readPromised(lock.layout)) {
    const whole = [...promised.thin].filter(([id, classes]) =>
      classes.every((plane) => files.has(`${id}.${plane}`)),
    );
    if (whole.length === 0) continue;
    for (const [id] of whole) promised.thin.delete(id);
    await writePromised(lock, remote, promised);
    found = true;
  }
  return found;
}

/** Classes of the files of each set here that some remote promised. */
export function thinSets(
  promised: ReadonlyMap<string, PromisedOfRemote>,
): Map<SetId, readonly PlaneClass[]> {
  const thin = new Map<SetId, readonly PlaneClass[]>();
  for (const { thin: ofRemote } of promised.values()) {
    for (const [id, classes] of ofRemote) thin.set(id, classes);
  }
  return thin;
}
