/**
 * What is at paths that a user gave. Links are followed and the gate is not asked: such a path may lead anywhere,
 * and nothing is written here.
 */
import plain from 'node:fs';
import fs from 'node:fs/promises';
import path from 'node:path';
import { ioError, isMissing } from '../io.js';
import { type FileStat, toFileStat } from '../read-file.js';

/** What a path leads to when links are followed; null if nothing is there. For paths of the user. */
export async function leadsTo(place: string): Promise<'folder' | 'file' | 'other' | null> {
  try {
    const stat = await fs.stat(place);
    return stat.isDirectory() ? 'folder' : stat.isFile() ? 'file' : 'other';
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw ioError('stat', place, error);
  }
}

/** True if two paths lead to one folder, whatever it is called; links are followed. */
export async function isSameFolder(one: string, other: string): Promise<boolean> {
  const places: string[] = [];
  for (const place of [one, other]) {
    try {
      const stat = await fs.stat(place, { bigint: true });
      places.push(`${stat.dev} ${stat.ino}`);
    } catch (error) {
      if (isMissing(error)) return false;
      throw ioError('stat', place, error);
    }
  }
  return places[0] === places[1];
}

/** What a path leads to when links are followed, with what tells whether it changed. */
export type Through =
  | { kind: 'file' | 'folder' | 'other'; stat: FileStat }
  /** Nothing, links that go round in circles, or a place where this user may not look. */
  | { kind: 'nothing' | 'circle' | 'denied'; stat: null };

const LEADS_NOWHERE: Record<string, Through & { stat: null }> = {
  ENOENT: { kind: 'nothing', stat: null },
  ENOTDIR: { kind: 'nothing', stat: null },
  ENAMETOOLONG: { kind: 'nothing', stat: null },
  ELOOP: { kind: 'circle', stat: null },
  EACCES: { kind: 'denied', stat: null },
  EPERM: { kind: 'denied', stat: null },
};

/** Follows links. For paths of the user. @throws {IoError} if the disk fails. */
export async function statThrough(place: string): Promise<Through> {
  try {
    const found = await fs.stat(place, { bigint: true });
    const kind = found.isFile() ? 'file' : found.isDirectory() ? 'folder' : 'other';
    return { kind, stat: toFileStat(found) };
  } catch (error) {
    const nowhere = LEADS_NOWHERE[(error as NodeJS.ErrnoException).code ?? ''];
    if (nowhere !== undefined) return nowhere;
    throw ioError('stat', place, error);
  }
}

/** False if this user may not make files in a folder, or its file system is read-only. */
export async function mayWriteIn(folder: string): Promise<boolean> {
  return fs.access(folder, fs.constants.W_OK).then(
    () => true,
    () => false,
  );
}

/** False if this user may not read what a path leads to. Nothing is opened. */
export async function mayRead(place: string): Promise<boolean> {
  return fs.access(place, fs.constants.R_OK).then(
    () => true,
    (error) => LEADS_NOWHERE[error.code ?? '']?.kind !== 'denied',
  );
}

/** What a symbolic link says that it leads to; '' if none is there. For paths of the user. */
export function linkTarget(place: string): Promise<string> {
  return fs.readlink(place).catch(() => '');
}

/** A path without links; as it was given if nothing is there. For paths of the user. */
export async function realPath(place: string): Promise<string> {
  try {
    return plain.realpathSync.native(place);
  } catch {
    return path.resolve(place);
  }
}
