/**
 * What lies on disk as a side of a comparison, whether a version holds it or not: a folder, or a file with those that
 * belong to its checkpoint (the shards of an index). Links to files are followed: caches of models consist of them.
 */
import nodePath from 'node:path';
import { NotFoundError, UsageError } from '../../../base/errors.js';
import { listEntries } from '../../../base/files/files.js';
import { statThrough } from '../../../base/files/places/user-paths.js';
import { WorkLayouts } from '../../../storage/ingest/work-layouts.js';
import { isUnfinishedName } from '../../../storage/repo/processes/abandoned.js';
import {
  type HintedFile,
  makeSnapshots,
  resolveReferences,
} from '../../../storage/repo/version/snapshots.js';
import type { OpContext } from '../../context.js';
import { narrowToPlace, renameFile } from '../../history/diff/places.js';
import type { DiffSide } from '../../history/diff/sides.js';
import { fileInPlace, hashInPlace, oddFile } from './read-in-place.js';

/** Folders below which nothing is looked for. */
const DEPTH_MAX = 64;
/** Folders of tools, whose files are nobody's models. */
const LEFT_OUT = new Set(['.dlv', '.git']);

/** A side, and the name that it knows its file by; null for a folder. */
export interface PlacedSide {
  side: DiffSide;
  file: string | null;
}

/** True if a path of the user leads to a file or a folder. */
export async function isOnDisk(word: string, { cwd }: Pick<OpContext, 'cwd'>): Promise<boolean> {
  const { kind } = await statThrough(nodePath.resolve(cwd, word));
  return kind === 'file' || kind === 'folder';
}

/** @param word  as the user wrote it. @throws {NotFoundError} {UsageError} */
export async function diskSide(word: string, context: OpContext): Promise<PlacedSide> {
  const place = nodePath.resolve(context.cwd, word);
  const { kind } = await statThrough(place);
  if (kind === 'folder') {
    const paths: string[] = [];
    for await (const path of pathsBelow(place, '', 0)) paths.push(path);
    return {
      side: await openSide(word, { place, shown: word }, paths.sort(), context),
      file: null,
    };
  }
  if (kind === 'file') {
    const name = nodePath.basename(place);
    const folder = { place: nodePath.dirname(place), shown: nodePath.dirname(word) };
    const side = await openSide(word, folder, [name], context);
    return { side, file: await narrowToPlace(side, name) };
  }
  if (kind === 'other') {
    throw new UsageError(`'${word}' is neither a file nor a folder`, { path: word });
  }
  throw new NotFoundError(`there is no file or folder '${word}'`, { kind: 'path', name: word });
}

/** Two files are compared with each other whatever their names, and so are two folders. @throws {UsageError} */
export function matchSides(before: PlacedSide, after: PlacedSide): [DiffSide, DiffSide] {
  const [from, to] = [before.file, after.file];
  if ((from === null) !== (to === null)) {
    const [folder, file] = from === null ? [before, after] : [after, before];
    throw new UsageError(
      `'${folder.side.label}' is a folder and '${file.side.label}' is a file: they cannot be compared`,
      { hint: `name the file in the folder: '${folder.side.label}/<file>'` },
    );
  }
  if (from !== null && to !== null) renameFile(before.side, from, to);
  return [before.side, after.side];
}

/** The files below a folder, by their paths in it. */
async function* pathsBelow(place: string, below: string, depth: number): AsyncGenerator<string> {
  for (const entry of await listEntries(nodePath.join(place, below))) {
    const { name } = entry;
    if (LEFT_OUT.has(name) || isUnfinishedName(name)) continue;
    const path = below === '' ? name : `${below}/${name}`;
    if (entry.isDirectory()) {
      if (depth < DEPTH_MAX) yield* pathsBelow(place, path, depth + 1);
    } else if ((await statThrough(nodePath.join(place, path))).kind === 'file') yield path;
  }
}

/** Opens files of a folder, and those that they name as parts of their checkpoints. */
async function openSide(
  label: string,
  { place, shown }: { place: string; shown: string },
  paths: readonly string[],
  context: OpContext,
): Promise<DiffSide> {
  const files: DiffSide['files'] = new Map();
  const hints: HintedFile[] = [];
  const layouts = new WorkLayouts({
    follow: true,
    ...(context.signal && { signal: context.signal }),
  });
  const wanted = new Set(paths);
  // What is added to a set while it is gone through is reached as well.
  for (const path of wanted) {
    const name = nodePath.join(shown, path);
    const file = nodePath.join(place, path);
    const opened = await hashInPlace({ file, name, path }, layouts, context);
    if (opened === null) continue;
    if ('became' in opened) {
      context.warn(`'${name}' ${opened.says}: its content is not compared`);
      files.set(path, oddFile(name, opened.became));
      continue;
    }
    files.set(path, fileInPlace(name, opened));
    const { format, step, tensors, references: named } = opened.layout;
    const { references } = resolveReferences(path, named);
    for (const reference of references) wanted.add(reference);
    const roles = [...new Set(tensors.map(({ role }) => role))];
    hints.push({ path, format, step, hint: { references, roles } });
  }
  return { label, version: null, tier: null, files, snapshots: makeSnapshots(hints) };
}
